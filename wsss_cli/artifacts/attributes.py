"""The root attributes of an artifact: JSON text each, checked when the file is opened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import h5py

from ..errors import UsageError, WsssError
from . import provenance, supervision
from .shards import Shard

NEEDED: dict[str, type] = {
    "schema": str,
    "schema_version": int,
    "classes": list,
    "params": dict,
    "inputs": list,
    "run": str,
    "shard": str,
    "n_items": int,
}
OPTIONAL = ("created_by", "command", "seed", "data", "supervision")
MOST_CLASSES = 1 << 16  # class indices are uint16


def read_attributes(file: h5py.File) -> dict[str, Any]:
    """Those that wsss knows, as Python values.

    Raises:
        WsssError: the file is none of wsss's.
        ValueError: an attribute is missing, or not what it should be. And what h5py raises.
    """
    if "schema" not in file.attrs:
        raise WsssError(f"{file.filename}: an HDF5 file, but not one of wsss's")
    known = [name for name in (*NEEDED, *OPTIONAL) if name in file.attrs]
    found = {name: json.loads(_text(file, name)) for name in known}
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise ValueError(f"no attribute {missing[0]}")
    _check(found)
    return found


def _text(file: h5py.File, name: str) -> str:
    """An attribute's text, if it is one: others could declare more than memory holds."""
    if file.attrs.get_id(name).shape != ():
        raise ValueError(f"attribute {name} is no text")
    text = file.attrs[name]
    if not isinstance(text, str):
        raise ValueError(f"attribute {name} is no text")
    return text


def _check(found: Mapping[str, Any]) -> None:
    """Raise ValueError where an attribute is not of its type, or makes no sense."""
    for name, kind in NEEDED.items():
        if not isinstance(found[name], kind) or isinstance(found[name], bool):
            raise ValueError(f"{name} is no {kind.__name__}")
    check_classes(found["classes"])
    if found["schema_version"] < 1 or found["n_items"] < 0:
        raise ValueError("schema_version or n_items is out of range")
    seed = found.get("seed")
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
        raise ValueError("seed is no int")
    try:
        Shard.parse(found["shard"])
    except UsageError as err:
        raise ValueError(str(err).removeprefix("--")) from None
    provenance.check_records(found["inputs"], found.get("data"))
    supervision.check(found.get("supervision"))


def check_classes(names: list[Any]) -> None:
    """Raise ValueError where class names are none, too many, no text, or not all different."""
    if not all(isinstance(name, str) for name in names):
        raise ValueError("classes are no names")
    if not 0 < len(names) <= MOST_CLASSES:
        raise ValueError(f"{len(names)} classes, there must be 1 to {MOST_CLASSES}")
    if len(set(names)) < len(names):
        raise ValueError("a class stands twice")
    try:
        "".join(names).encode()
    except UnicodeEncodeError:
        raise ValueError("a class name is half a letter") from None
