"""Items of varying shape in a few large HDF5 data sets: ragged columns.

    /ids                    (n,) utf-8, rising bytewise, so that a look-up is a binary search
    /<field>/values         (total,) all items' values, row-major, one after another
    /<field>/offset         (n + 1,) int64: item i is values[offset[i]:offset[i + 1]]
    /<field>/shape          (n, ndim) int32: item i's shape; -1 where it lacks an optional field

One HDF5 data set per image reads more plainly but costs about 500 bytes each, more than a small
item, and takes 3.5 times as long to write (benchmarks/bench_artifacts.py has the figures).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import h5py
import numpy as np

from .schema import Field, Schema

CHUNK = 1 << 16  # values a chunk: what one small read has to decompress
GZIP_LEVEL = 1  # levels above cost time and win a few per cent on maps and labels
BUFFER = 1 << 22  # values gathered before they are written
PIECES = 1 << 12  # arrays that they are gathered in


def write_columns(
    file: h5py.File,
    schema: Schema,
    ids: Sequence[str],
    shapes: Mapping[str, np.ndarray],
    dtypes: Mapping[str, str],
    items: Iterable[Mapping[str, np.ndarray]],
) -> None:
    """Write items as columns, holding one buffer a field in memory.

    Args:
        file: open for writing.
        schema: its fields.
        ids: in the order to be written: rising.
        shapes: per field (n, ndim) int32, -1 where an item lacks it; none for fields of no item.
        dtypes: dtype name per field; those of fields that no item has may be missing.
        items: each one's arrays, in the order of `ids`.
    """
    width = max((len(image_id.encode()) for image_id in ids), default=1)
    encoded = np.fromiter((i.encode() for i in ids), f"S{max(width, 1)}", len(ids))
    file["ids"] = encoded.astype(h5py.string_dtype("utf-8", max(width, 1)))
    held = {name for name, shape in shapes.items() if (shape >= 0).any()}
    columns = [
        _Column(file, field, shapes.get(field.name), len(ids), dtypes.get(field.name))
        for field in schema.fields
        if field.name in held or not field.later
    ]
    for arrays in items:
        for column in columns:
            if column.name in arrays:
                column.append(arrays[column.name])
    for column in columns:
        column.flush()


class _Column:
    """One field's data sets, filled in order through a buffer."""

    def __init__(
        self,
        file: h5py.File,
        field: Field,
        shapes: np.ndarray | None,
        n_items: int,
        dtype: str | None,
    ) -> None:
        self.name = field.name
        if shapes is None:
            shapes = np.full((n_items, field.ndim), -1, np.int32)
        counts = np.where((shapes < 0).any(axis=1), 0, shapes.prod(axis=1, dtype=np.int64))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        group = file.create_group(field.name)
        group["shape"] = shapes.astype(np.int32)
        group["offset"] = offsets
        total = int(offsets[-1])
        numpy_dtype = np.dtype(dtype or field.dtypes[0])
        filters = (
            {
                "chunks": (min(total, CHUNK),),
                "compression": "gzip",
                "compression_opts": GZIP_LEVEL,
                "shuffle": numpy_dtype.itemsize > 1,
            }
            if field.compress and total
            else {}
        )
        self._values = group.create_dataset("values", (total,), numpy_dtype, **filters)
        self._pending: list[np.ndarray] = []
        self._pending_size = 0
        self._written = 0

    def append(self, array: np.ndarray) -> None:
        self._pending.append(array.reshape(-1))
        self._pending_size += array.size
        if len(self._pending) >= PIECES:  # an array of two numbers takes 200 bytes
            self._pending = [np.concatenate(self._pending)]
        if self._pending_size >= BUFFER:
            self.flush(whole_chunks=True)

    def flush(self, whole_chunks: bool = False) -> None:
        """Write what is pending; `whole_chunks` keeps a remainder, so that none is packed twice."""
        if not self._pending_size:
            return
        values = np.concatenate(self._pending)
        end = self._written + len(values)
        if whole_chunks:
            end -= end % CHUNK
        count = end - self._written
        self._values[self._written : end] = values[:count]
        self._pending = [values[count:]]
        self._pending_size = len(values) - count
        self._written = end


class ColumnReader:
    """Random access to one field of an open file that was checked (validate.py)."""

    def __init__(self, file: h5py.File, field: Field) -> None:
        if field.later and field.name not in file:
            count = len(file["ids"])
            self._values = np.zeros(0, field.dtypes[0])
            self._offset = np.zeros(count + 1, np.int64)
            self._shape = np.full((count, field.ndim), -1, np.int32)
            return
        group = file[field.name]
        self._values = group["values"]
        # The index of 100,000 items is 2 MB and reads in 0.2 ms, less than two look-ups cost.
        self._offset = group["offset"][:]
        self._shape = group["shape"][:]

    def __getitem__(self, index: int) -> np.ndarray | None:
        shape = self._shape[index]
        if (shape < 0).any():
            return None
        start, stop = self._offset[index : index + 2]
        return self._values[start:stop].reshape(shape)

    def values(self) -> np.ndarray:
        """(total,) the values of all items, one after another."""
        return self._values[:]

    def shapes(self) -> np.ndarray:
        """(n, ndim) int32 of all items."""
        return self._shape

    @property
    def dtype(self) -> str:
        return self._values.dtype.name

    @property
    def holds_values(self) -> bool:
        """Whether any item has a value; if none has, the dtype was never chosen."""
        return self._values.size > 0
