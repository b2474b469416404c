"""Reading artifacts: strict about what a file claims to be, lazy about what it holds."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np

from ..errors import WsssError
from . import ledger
from .attributes import read_attributes
from .columns import ColumnReader
from .hdf5 import open_hdf5, reading
from .inputs import why_not
from .schema import SCHEMAS, SIZE, Schema
from .shards import Shard
from .validate import check_contents, read_ids

if TYPE_CHECKING:
    from typing_extensions import Self


class Stamp(NamedTuple):
    """What changes with a file's contents, unless somebody takes pains."""

    bytes: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """
        Raises:
            WsssError: the file is gone.
        """
        try:
            found = os.stat(path)
        except (OSError, ValueError) as err:
            raise WsssError(f"{path}: {why_not(err)}") from None
        return cls(found.st_size, found.st_mtime_ns)


class Artifact:
    """An artifact open for reading, which was checked whole when it was opened.

    Picklable: each process opens the file for itself. It is not checked again, but has to be the
    file that was.
    """

    def __init__(self, path: Path, attributes: dict[str, Any], stamp: Stamp) -> None:
        self.path = path
        self.stamp = stamp
        self.attributes = attributes
        self.kind: str = attributes["schema"]
        self.schema: Schema = SCHEMAS[self.kind]
        self.classes: list[str] = attributes["classes"]
        self.params: dict[str, Any] = attributes["params"]
        self.seed: int | None = attributes.get("seed")
        self.inputs: list[dict[str, str]] = attributes["inputs"]
        self.run: str = attributes["run"]
        self.data: dict[str, str] | None = attributes.get("data")
        self.supervision: list[dict[str, Any]] | None = attributes.get("supervision")
        self.shard = Shard.parse(attributes["shard"])
        self._file: h5py.File | None = None
        self._owner = 0
        self._ids: np.ndarray | None = None
        self._columns: dict[str, ColumnReader] = {}

    def __len__(self) -> int:
        return int(self.attributes["n_items"])

    @property
    def ids(self) -> list[str]:
        """All ids, rising."""
        return [raw.decode() for raw in self.encoded_ids()]

    @property
    def _hint(self) -> str:
        return f"rerun `wsss {self.schema.made_by}`"

    def __contains__(self, image_id: str) -> bool:
        return self._index(image_id) is not None

    def __getitem__(self, image_id: str) -> dict[str, np.ndarray]:
        """One item's arrays by field; optional fields that it lacks are left out.

        Raises:
            WsssError: no such id, or the file is damaged.
        """
        arrays = {f.name: self.field(image_id, f.name) for f in self.schema.fields}
        return {name: array for name, array in arrays.items() if array is not None}

    def field(self, image_id: str, name: str) -> np.ndarray | None:
        """One field of one item, or None where the item lacks it."""
        index = self._index(image_id)
        if index is None:
            raise WsssError(
                f"{self.path}: has no image {image_id!r}",
                f"`wsss info --ids {self.path}` lists what it has",
            )
        with reading(self.path, self._hint):
            return self.column(name)[index]

    def column(self, name: str) -> ColumnReader:
        self._open()
        if name not in self._columns:
            with reading(self.path, self._hint):
                assert self._file is not None
                self._columns[name] = ColumnReader(self._file, self.schema.field(name))
        return self._columns[name]

    def sizes(self) -> np.ndarray:
        """(n, 2) integers, height and width of all items' images."""
        for field in self.schema.fields:
            column = self.column(field.name)
            if field.axes == ("H", "W"):
                return column.shapes()
            if field.holds == SIZE:
                with reading(self.path, self._hint):
                    return column.values().reshape(-1, 2)
        raise AssertionError(f"{self.kind} knows no sizes")

    def close(self) -> None:
        if self._file is not None and self._owner == os.getpid():
            self._file.close()
        self._file, self._ids, self._columns = None, None, {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        closed: dict[str, Any] = {"_file": None, "_owner": 0, "_ids": None, "_columns": {}}
        return {**self.__dict__, **closed}

    def _open(self) -> None:
        # A forked worker must not share its parent's file handle: HDF5 keeps state in it.
        if self._file is None or self._owner != os.getpid():
            if Stamp.of(self.path) != self.stamp:
                raise WsssError(
                    f"{self.path}: has changed since this command opened it",
                    "run the command again once nothing writes it",
                )
            self._file = open_hdf5(self.path)
            self._owner = os.getpid()
            self._columns = {}

    def encoded_ids(self) -> np.ndarray:
        """(n,) all ids as bytes, rising."""
        if self._ids is None:
            self._open()
            assert self._file is not None
            with reading(self.path, self._hint):
                self._ids = read_ids(self._file, len(self))
        return self._ids

    def _index(self, image_id: str) -> int | None:
        ids = self.encoded_ids()
        encoded = image_id.encode()
        index = int(np.searchsorted(ids, encoded))
        return index if index < len(ids) and ids[index] == encoded else None


def open_artifact(path: str | Path, *schemas: Schema) -> Artifact:
    """Open an artifact that must be of one of `schemas` (any kind, if none is given).

    Raises:
        UsageError: it is an output of the running command.
        WsssError: missing, no regular file, not HDF5, cut short, not ours, of another kind, of a
            newer version, or damaged.
    """
    path = Path(path)
    ledger.read(path)
    with open_hdf5(path) as file:
        stamp = Stamp.of(path)
        with reading(path):
            attributes = read_attributes(file)
        schema = _schema_of(path, attributes, schemas)
        with reading(path, f"rerun `wsss {schema.made_by}`"):
            check_contents(file, schema, attributes)
    return Artifact(path, attributes, stamp)


def _schema_of(path: Path, attributes: dict[str, Any], schemas: tuple[Schema, ...]) -> Schema:
    """The schema of a file, if it is one that was asked for and that is known."""
    wanted = [schema.name for schema in schemas] or list(SCHEMAS)
    kind = attributes["schema"]
    if kind not in wanted:
        makers = " or ".join(f"`wsss {schema.made_by}`" for schema in schemas)
        raise WsssError(
            f"{path}: holds {kind}, not {' or '.join(wanted)}",
            f"{makers} writes {' or '.join(wanted)}" if makers else None,
        )
    schema = SCHEMAS[kind]
    if attributes["schema_version"] > schema.version:
        raise WsssError(
            f"{path}: {kind} version {attributes['schema_version']}, this wsss reads "
            f"{schema.version}",
            f"update wsss, or rerun `wsss {schema.made_by}` with this one",
        )
    return schema
