"""One look at a whole artifact as it is opened: all that can be known of it without its values.

Reading trusts it afterwards. Nothing is allocated before what a file declares has been compared
with what it holds, and nothing outside the file is looked at: an artifact of a stranger must not
read another file of ours. Of the values, the short ones are read: class indices, sizes, boxes.

Groups, data sets and attributes that the schema does not know are not looked at, so that a later
version may add some; links are refused wherever they stand.

Every function raises ValueError, saying what is wrong, or whatever h5py raises on damaged bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from .schema import BOXES, CLASSES, MAX_STRIDE, NUMBERS, SIZE, Field, Schema

INFLATED = 1032  # bytes that one byte of gzip's can become (zlib's documentation); lzf's are fewer
PLAIN = (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED)  # layouts within the file
PACKED = (  # ways to pack of which INFLATED is true, once each
    h5py.h5z.FILTER_DEFLATE,
    h5py.h5z.FILTER_LZF,
    h5py.h5z.FILTER_SHUFFLE,
    h5py.h5z.FILTER_FLETCHER32,
)
MOST_PIXELS = 2**31 - 1  # of an image


@dataclass(frozen=True)
class _Column:
    """The index of one field.

    Attributes:
        field: which.
        offset: (n + 1,) integers.
        sides: (n,) integers for each axis; -1 where an item lacks it.
        held: (n,) bool, which items have it.
    """

    field: Field
    offset: np.ndarray
    sides: list[np.ndarray]
    held: np.ndarray


def check_contents(file: h5py.File, schema: Schema, attributes: Mapping[str, Any]) -> None:
    """Check ids, fields and splits of an open artifact.

    Args:
        file: open for reading.
        schema: of its kind.
        attributes: of its root, checked.
    """
    _refuse_links(file)
    ids = read_ids(file, attributes["n_items"])
    fields = [one for one in schema.fields if one.name in file or not one.later]
    columns = {one.name: _read_column(file, one, ids) for one in fields}
    _check_axes(columns, ids)
    _check_required(columns, schema, ids)
    for column in columns.values():
        if column.field.holds == CLASSES:
            _check_classes(file, column, len(attributes["classes"]), ids)
        elif column.field.holds == SIZE:
            sizes = _check_sizes(file, column, ids)
            _check_grids(columns, sizes, attributes["params"].get("stride"), ids)
            _check_boxes(file, columns, sizes, ids)
        elif column.field.holds == NUMBERS:
            _check_numbers(file, column, len(attributes["classes"]), ids)
    if "splits" in file:
        for name in file["splits"]:
            read_split(file, name, len(ids))


def read_ids(file: h5py.File, n_items: int) -> np.ndarray:
    """(n,) bytes, rising, each UTF-8."""
    found = _stored(file, "ids")
    if found.shape != (n_items,):
        raise ValueError("ids and n_items disagree")
    if found.dtype.kind != "S":
        raise ValueError("ids are no text of fixed length")
    ids = found[:]
    if not (ids[1:] > ids[:-1]).all():  # a look-up would miss some
        raise ValueError("ids do not rise")
    try:
        ids.tobytes().decode()
        first = np.frombuffer(ids.tobytes(), np.uint8)[:: ids.dtype.itemsize]
        if ((first & 0xC0) == 0x80).any():  # the rest of a letter that another id began
            raise ValueError
    except ValueError:
        raise ValueError("ids are not UTF-8") from None
    letters = np.frombuffer(ids.tobytes(), np.uint8).reshape(n_items, ids.dtype.itemsize) != 0
    if (letters[:, 1:] & ~letters[:, :-1]).any():  # a zero byte ends an id; none stands within
        raise ValueError("ids hold zero bytes")
    return ids


def read_split(file: h5py.File, name: str, n_items: int) -> np.ndarray:
    """(m,) integers, the rows of a split's images, rising."""
    rows = _whole_numbers(file, f"splits/{name}", 1)
    if len(rows) and (rows[0] < 0 or rows[-1] >= n_items or (rows[1:] <= rows[:-1]).any()):
        raise ValueError(f"split {name} names no rows of ids, rising")
    return rows


def _refuse_links(file: h5py.File) -> None:
    def found(name: bytes, link: Any) -> bytes | None:
        return None if link.type == h5py.h5l.TYPE_HARD else name

    name = file.id.links.visit(found, info=True)  # which must not raise: it is HDF5 that calls
    if name is not None:
        raise ValueError(f"{name.decode(errors='replace')} is a link, which is not followed")


def _stored(file: h5py.File, name: str, ndim: int = 1) -> h5py.Dataset:
    """A data set whose bytes are all in the file, as many as it declares."""
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise ValueError(f"no data set {name}")
    if found.shape is None or len(found.shape) != ndim:
        raise ValueError(f"{name} has no {ndim} axes")
    made = found.id.get_create_plist()
    if made.get_layout() not in PLAIN or made.get_external_count():
        raise ValueError(f"{name} lies outside the file")
    filters = [made.get_filter(index)[0] for index in range(made.get_nfilters())]
    if len(set(filters)) < len(filters) or not set(filters) <= set(PACKED):
        raise ValueError(f"{name} is packed as wsss packs nothing")
    needed, most = math.prod(found.shape) * found.dtype.itemsize, file.id.get_filesize()
    if found.chunks is None:
        whole = needed <= found.id.get_storage_size()
    else:  # what was never written would be read as zeros
        sides = zip(found.shape, found.chunks, strict=True)
        chunks = math.prod(-(-side // chunk) for side, chunk in sides)
        whole, most = found.id.get_num_chunks() == chunks, most * INFLATED
    if not whole or needed > most:
        raise ValueError(f"{name} declares {needed} bytes, of which not all are in the file")
    return found


def _whole_numbers(file: h5py.File, name: str, ndim: int) -> np.ndarray:
    found = _stored(file, name, ndim)
    if found.dtype.kind not in "iu":
        raise ValueError(f"{name} holds no whole numbers")
    numbers: np.ndarray = found[:]
    return numbers.astype(np.int64) if numbers.dtype.kind == "u" else numbers


def _read_column(file: h5py.File, field: Field, ids: np.ndarray) -> _Column:
    name, count = field.name, len(ids)
    values = _stored(file, f"{name}/values")
    if values.dtype.name not in field.dtypes:
        raise ValueError(f"field {name} is {values.dtype.name}")
    offset = _whole_numbers(file, f"{name}/offset", 1)
    shape = _whole_numbers(file, f"{name}/shape", 2)
    if offset.shape != (count + 1,) or shape.shape != (count, field.ndim):
        raise ValueError(f"the index of {name} is not of {count} items")
    sizes = offset[1:] - offset[:-1]
    inside = ((offset >= 0) & (offset <= len(values))).all()  # differences can turn over
    if offset[0] != 0 or offset[-1] != len(values) or (sizes < 0).any() or not inside:
        raise ValueError(f"the offsets of {name} do not rise from 0 to {len(values)}")
    sides = list(np.ascontiguousarray(shape.T))
    held = sides[0] >= 0
    # float64 is exact up to 2**53, more than any file holds, and does not turn over beyond it
    volume = held.astype(np.float64)
    for side in sides:
        volume *= side
    wrong = volume != sizes
    if not held.all() or shape.min(initial=0) < 0:
        lacks = np.logical_and.reduce([side == -1 for side in sides]) & field.optional
        whole = np.logical_and.reduce([side >= 0 for side in sides])
        wrong |= ~(lacks | whole)
    _refuse(wrong, ids, f"{name} has another shape than values")
    return _Column(field, offset, sides, held)


def _check_axes(columns: Mapping[str, _Column], ids: np.ndarray) -> None:
    """Axes of one name are of one length in an item, those that are numbers of that length."""
    known: dict[str, tuple[str, np.ndarray, np.ndarray]] = {}
    for name, column in columns.items():
        for axis, length in enumerate(column.field.axes):
            found = column.sides[axis]
            if isinstance(length, int):
                _refuse(column.held & (found != length), ids, f"{name} has no {length} entries")
                continue
            if length not in known:
                known[length] = name, column.held, found
                continue
            other, held, expected = known[length]
            wrong = column.held & held & (found != expected)
            _refuse(wrong, ids, f"the shapes of {other} and {name} do not fit")


def _check_required(columns: Mapping[str, _Column], schema: Schema, ids: np.ndarray) -> None:
    if schema.one_of:
        lacking = ~np.logical_or.reduce([columns[name].held for name in schema.one_of])
        _refuse(lacking, ids, f"neither {' nor '.join(schema.one_of)}")
    none = np.zeros(len(ids), bool)
    for group in schema.together:
        held = [columns[name].held if name in columns else none for name in group]
        some = np.logical_or.reduce(held) & ~np.logical_and.reduce(held)
        _refuse(some, ids, f"some, and not all, of {', '.join(group)}")


def _check_classes(file: h5py.File, column: _Column, count: int, ids: np.ndarray) -> None:
    name = column.field.name
    _refuse(column.sides[0] > count, ids, f"more {name} than the {count} classes there are")
    values = file[f"{name}/values"][:]
    good = np.ones(len(values), bool)
    good[1:] = values[1:] > values[:-1]
    starts = column.offset[:-1]
    good[starts[starts < len(values)]] = True
    good &= values < count
    if not good.all():
        row = int(np.searchsorted(column.offset, np.argmin(good), side="right")) - 1
        raise ValueError(f"{ids[row].decode()!r}: {name} do not rise, or are of no class")


def _check_numbers(file: h5py.File, column: _Column, count: int, ids: np.ndarray) -> None:
    name = column.field.name
    wrong = file[f"{name}/values"][:] >= count
    _refuse(_any_of(column, wrong), ids, f"{name} is of no class")


def _check_boxes(
    file: h5py.File, columns: Mapping[str, _Column], sizes: np.ndarray, ids: np.ndarray
) -> None:
    """Boxes are not empty, and lie within their image."""
    for name, column in columns.items():
        if column.field.holds == BOXES:
            boxes = file[f"{name}/values"][:].reshape(-1, 4)
            height, width = np.repeat(sizes, column.sides[0] * column.held, axis=0).T
            x0, y0, x1, y1 = boxes.T
            inside = (x0 >= 0) & (x0 < x1) & (x1 <= width)  # NaN is not
            inside &= (y0 >= 0) & (y0 < y1) & (y1 <= height)
            outside = np.repeat(~inside, 4)
            _refuse(_any_of(column, outside), ids, f"a {name} is empty or not within the image")


def _any_of(column: _Column, wrong: np.ndarray) -> np.ndarray:
    """(n,) bool: which items have a value that is wrong, given that of all values."""
    before = np.concatenate([[0], np.cumsum(wrong)])
    found: np.ndarray = np.diff(before[column.offset]) > 0
    return found


def _check_sizes(file: h5py.File, column: _Column, ids: np.ndarray) -> np.ndarray:
    """(n, 2) int64 heights and widths."""
    name = column.field.name
    sizes = file[f"{name}/values"][:].reshape(-1, 2).astype(np.int64)
    height, width = sizes.T
    wrong = (height < 1) | (width < 1) | (height * width > MOST_PIXELS)
    _refuse(wrong, ids, "no size of an image")
    return sizes


def _check_grids(
    columns: Mapping[str, _Column], sizes: np.ndarray, stride: Any, ids: np.ndarray
) -> None:
    """Axes h and w are those of the grid of a stride that covers the image; see core/grid.py."""
    if not isinstance(stride, int) or not 1 <= stride <= MAX_STRIDE:  # who needs it says so
        return
    cells = -(-sizes // stride)
    for name, column in columns.items():
        for axis, length in enumerate(column.field.axes):
            if length in ("h", "w"):
                wrong = column.held & (column.sides[axis] != cells[:, "hw".index(length)])
                _refuse(wrong, ids, f"{name} is not on the image's grid of stride {stride}")


def _refuse(wrong: np.ndarray, ids: np.ndarray, what: str) -> None:
    """Raise ValueError, naming the first item that is wrong, if any is."""
    if wrong.any():
        raise ValueError(f"{ids[int(wrong.argmax())].decode()!r}: {what}")
