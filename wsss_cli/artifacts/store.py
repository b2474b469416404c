"""Reading artifacts: strict about what a file claims to be, lazy about what it holds."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ..errors import UsageError, WsssError, shortage
from . import ledger, provenance
from .columns import ColumnReader
from .schema import SCHEMAS, Schema
from .shards import Shard

if TYPE_CHECKING:
    from typing_extensions import Self

# what h5py and json raise on a file whose bytes have been changed
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError)
ATTRIBUTES: dict[str, type] = {
    "schema": str,
    "schema_version": int,
    "classes": list,
    "params": dict,
    "inputs": list,
    "run": str,
    "shard": str,
    "n_items": int,
}


class Artifact:
    """An artifact open for reading. Picklable: each process opens the file for itself."""

    def __init__(self, path: Path, attributes: dict[str, Any]) -> None:
        self.path = path
        self.attributes = attributes
        self.kind: str = attributes["schema"]
        self.schema: Schema = SCHEMAS[self.kind]
        self.classes: list[str] = attributes["classes"]
        self.params: dict[str, Any] = attributes["params"]
        self.seed: int | None = attributes.get("seed")
        self.inputs: list[dict[str, str]] = attributes["inputs"]
        self.run: str = attributes["run"]
        self.data: dict[str, str] | None = attributes.get("data")
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
        try:
            return [raw.decode() for raw in self._encoded_ids()]
        except UnicodeDecodeError as err:
            raise _damaged(self.path, self.schema, err) from None

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
        try:
            return self.column(name)[index]
        except DAMAGE as err:
            raise _damaged(self.path, self.schema, err) from None

    def column(self, name: str) -> ColumnReader:
        self._open()
        if name not in self._columns:
            try:
                assert self._file is not None
                self._columns[name] = ColumnReader(self._file, self.schema.field(name))
            except DAMAGE as err:
                raise _damaged(self.path, self.schema, err) from None
        return self._columns[name]

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
            self._file = _open_hdf5(self.path)
            self._owner = os.getpid()
            self._columns = {}

    def _encoded_ids(self) -> np.ndarray:
        if self._ids is None:
            self._open()
            assert self._file is not None
            try:
                ids = self._file["ids"][:].astype(np.bytes_)
                if not (ids[1:] > ids[:-1]).all():  # a look-up would miss some
                    raise ValueError("ids do not rise")
                self._ids = ids
            except DAMAGE as err:
                raise _damaged(self.path, self.schema, err) from None
        return self._ids

    def _index(self, image_id: str) -> int | None:
        ids = self._encoded_ids()
        encoded = image_id.encode()
        index = int(np.searchsorted(ids, encoded))
        return index if index < len(ids) and ids[index] == encoded else None


def open_artifact(path: str | Path, *schemas: Schema) -> Artifact:
    """Open an artifact that must be of one of `schemas` (any kind, if none is given).

    Raises:
        UsageError: it is an output of the running command.
        WsssError: missing, not HDF5, cut short, not ours, of another kind, of a newer version.
    """
    path = Path(path)
    ledger.read(path)
    with _open_hdf5(path) as file:
        attributes = _read_attributes(path, file)
    wanted = [schema.name for schema in schemas] or list(SCHEMAS)
    kind = attributes["schema"]
    if kind not in wanted:
        makers = " or ".join(f"`wsss {schema.made_by}`" for schema in schemas)
        raise WsssError(
            f"{path}: holds {kind}, not {' or '.join(wanted)}",
            f"{makers} writes {' or '.join(wanted)}" if makers else None,
        )
    version = SCHEMAS[kind].version
    if attributes["schema_version"] > version:
        raise WsssError(
            f"{path}: {kind} version {attributes['schema_version']}, this wsss reads {version}",
            f"update wsss, or rerun `wsss {SCHEMAS[kind].made_by}` with this one",
        )
    return Artifact(path, attributes)


def _open_hdf5(path: Path) -> h5py.File:
    if not path.exists():
        raise WsssError(f"{path}: no such file")
    if path.is_dir():
        raise WsssError(f"{path}: is a folder, not an artifact")
    try:
        return h5py.File(path, "r")
    except OSError as err:
        text = str(err)
        if isinstance(err, PermissionError) or "Permission denied" in text:
            reason = "permission denied"
        elif "truncated" in text:
            reason = "cut short"
        elif "signature not found" in text:
            reason = "not an HDF5 file"
        else:
            reason = f"cannot be opened as HDF5 ({text.splitlines()[0]})"
        wrong = WsssError(f"{path}: {reason}", "rerun the stage that writes it")
        raise shortage(err) or wrong from None


def _read_attributes(path: Path, file: h5py.File) -> dict[str, Any]:
    """Root attributes as Python values; they are stored as JSON."""
    try:
        if "schema" not in file.attrs:
            raise WsssError(f"{path}: an HDF5 file, but not one of wsss's")
        found = {name: json.loads(file.attrs[name]) for name in file.attrs}
        missing = [name for name in ATTRIBUTES if name not in found]
        if missing:
            raise ValueError(f"no attribute {missing[0]}")
        _check_attributes(found)
        if found["schema"] in SCHEMAS and file["ids"].shape != (found["n_items"],):
            raise ValueError("ids and n_items disagree")
    except DAMAGE as err:
        reason = (str(err).splitlines() or ["unreadable"])[0]
        wrong = WsssError(f"{path}: damaged ({reason})", "rerun the stage that writes it")
        raise shortage(err) or wrong from None
    return found


def _check_attributes(found: Mapping[str, Any]) -> None:
    """Raise ValueError where an attribute is not of its type."""
    for name, kind in ATTRIBUTES.items():
        if not isinstance(found[name], kind):
            raise ValueError(f"{name} is no {kind.__name__}")
    if not all(isinstance(name, str) for name in found["classes"]):
        raise ValueError("classes are no names")
    try:
        Shard.parse(found["shard"])
    except UsageError as err:
        raise ValueError(str(err).removeprefix("--")) from None
    provenance.check_records(found["inputs"], found.get("data"))


def _damaged(path: Path, schema: Schema, err: Exception) -> WsssError:
    reason = (str(err).splitlines() or ["unreadable"])[0]
    wrong = WsssError(f"{path}: damaged ({reason})", f"rerun `wsss {schema.made_by}`")
    return shortage(err) or wrong
