"""Mutations of artifacts that know what an artifact is made of (docs/formats.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np

# Root attributes that every artifact has to have, and of these types.
NEEDED = ("schema", "schema_version", "classes", "params", "inputs", "run", "shard", "n_items")
ODD_JSON = ("null", "-1", "1e999", "NaN", '""', "[]", "{}", "[[]]", "true", '"\\ud800"',
            "[1, null]", "{", "[" * 5000, json.dumps("x" * 50_000), "9" * 5000)  # fmt: skip
HUGE = 2**33  # rows that nobody stored
LARGEST = 2**31 - 1

Done = tuple[str, bool]  # what was done, and whether the file must be refused for it


def mutate(path: Path, random: Random) -> Done:
    """Change an artifact in place."""
    with h5py.File(path, "r+") as file:
        text, refused = random.choice(MUTATIONS)(file, random)
    return text, refused


def columns(file: h5py.File) -> list[str]:
    """Fields that hold a value."""
    return [name for name in file if "values" in file[name] and file[name]["values"].size]


def _column(file: h5py.File, random: Random) -> h5py.Group:
    return file[random.choice(columns(file))]


def _data_sets(file: h5py.File) -> list[str]:
    """Names of all HDF5 data sets that matter."""
    found = ["ids", *(f"splits/{name}" for name in file.get("splits", ()))]
    return found + [f"{name}/{part}" for name in columns(file) for part in PARTS]


PARTS = ("values", "offset", "shape")


def _put(file: h5py.File, name: str, data: Any = None, **options: Any) -> None:
    del file[name]
    file.create_dataset(name, data=data, **options)


def attribute_missing(file: h5py.File, random: Random) -> Done:
    name = random.choice(NEEDED)
    del file.attrs[name]
    return f"no attribute {name}", True


def attribute_odd(file: h5py.File, random: Random) -> Done:
    name, text = random.choice(sorted(file.attrs)), random.choice(ODD_JSON)
    before = type(json.loads(file.attrs[name]))
    try:
        same = type(json.loads(text)) is before
    except (ValueError, RecursionError):
        same = False
    file.attrs[name] = text
    return f"attribute {name} is {text[:20]}", not same and name in NEEDED


def attribute_of_other_type(file: h5py.File, random: Random) -> Done:
    name = random.choice(NEEDED)
    values: Sequence[Any] = (
        np.arange(3), 1.5, h5py.Empty("f4"), np.bytes_(b"\xff\xfe"), np.array(["1", "2"], "S1"),
        np.zeros(2, [("a", "i4"), ("b", "f8")]), np.zeros((0,)), np.void(b"\0\1"),
    )  # fmt: skip
    index = random.randrange(len(values))
    del file.attrs[name]
    file.attrs[name] = values[index]
    return f"attribute {name} of another type ({index})", True


def null_space(file: h5py.File, random: Random) -> Done:
    name = random.choice(_data_sets(file))
    _put(file, name, h5py.Empty(file[name].dtype))
    return f"{name} has a null data space", True


def scalar(file: h5py.File, random: Random) -> Done:
    name = random.choice(_data_sets(file))
    _put(file, name, np.zeros((), file[name].dtype))
    return f"{name} is a scalar", True


def more_axes(file: h5py.File, random: Random) -> Done:
    name = random.choice(_data_sets(file))
    _put(file, name, file[name][()][..., None])
    return f"{name} has an axis more", True


def fewer_rows(file: h5py.File, random: Random) -> Done:
    name = random.choice(_data_sets(file))
    _put(file, name, file[name][:-1])
    return f"{name} has a row less", not name.startswith("splits")


def huge_rows(file: h5py.File, random: Random) -> Done:
    name = random.choice(_data_sets(file))
    was = file[name]
    kind = was.dtype
    shape = (random.choice([HUGE, 2**40, 2**62]), *was.shape[1:])
    _put(file, name, None, shape=shape, dtype=kind, chunks=(1024, *was.shape[1:]))
    return f"{name} declares {shape[0]} rows", not name.endswith("values")


def bomb(file: h5py.File, random: Random) -> Done:
    """Items beyond reason over values that were never written, all numbers agreeing."""
    group = _column(file, random)
    shape = group["shape"][:]
    side = random.choice([LARGEST, 2**20, 100_000])
    shape[:] = 1
    shape[:, -1] = side
    _put(group, "shape", shape)
    counts = shape.astype(np.int64).prod(axis=1)
    _put(group, "offset", np.concatenate([[0], np.cumsum(counts)]))
    dtype = group["values"].dtype
    total = (int(counts.sum()),)
    _put(group, "values", None, shape=total, dtype=dtype, chunks=(1 << 16,), compression="gzip")
    refused = side == LARGEST or group.name in ("/size", "/tags", "/classes", "/present")
    return f"{group.name} of {side} values an item, none stored", refused


def shape_of_one(file: h5py.File, random: Random) -> Done:
    group = _column(file, random)
    shape = group["shape"][:]
    row = random.choice([i for i, one in enumerate(shape) if (one > 0).all()])
    value = random.choice([LARGEST, -7, int(shape[row, -1]) + 1, 0])
    shape[row, -1] = value
    _put(group, "shape", shape)
    return f"{group.name} of an item has the length {value}", True


def offsets(file: h5py.File, random: Random) -> Done:
    group = _column(file, random)
    offset = group["offset"][:]
    how = random.choice(["falls", "past the end", "negative", "late start", "largest"])
    if how == "falls":
        offset[1] = offset[-1] + 1
    elif how == "past the end":
        offset[-1] += 5
    elif how == "negative":
        offset[1] = -3
    elif how == "late start":
        offset[0] = 1
    else:
        offset[-1] = 2**63 - 1
    _put(group, "offset", offset)
    return f"{group.name}/offset: {how}", True


def other_dtype(file: h5py.File, random: Random) -> Done:
    name = random.choice(_data_sets(file))
    was = file[name][()]
    new = random.choice(["f8", "c8", "i1", "S3", "?", "V4", "f4,i4"])
    array = np.zeros(was.shape, new)
    if new in ("f8", "c8") and was.dtype.kind in "iuf":
        array = was.astype(new)
    _put(file, name, array)
    return f"{name} is of type {new}", True


def external_storage(file: h5py.File, random: Random) -> Done:
    name = random.choice([one for one in _data_sets(file) if one.endswith("values")])
    was = file[name]
    place = random.choice(["/etc/hostname", "/etc/passwd", "secret"])
    shape, kind, size = was.shape, was.dtype, was.nbytes
    del file[name]
    file.create_dataset(name, shape, kind, external=[(place, 0, size)])
    return f"{name} lies in {place}", True


def link(file: h5py.File, random: Random) -> Done:
    """The very values, found by a link."""
    name = random.choice([*_data_sets(file), *columns(file)])
    file.move(name, "elsewhere")
    soft = random.random() < 0.5
    other = h5py.ExternalLink("other.h5", "/elsewhere")
    file[name] = h5py.SoftLink("/elsewhere") if soft else other
    return f"{name} is a{' soft' if soft else 'n external'} link", True


def virtual(file: h5py.File, random: Random) -> Done:
    name = random.choice([one for one in _data_sets(file) if one.endswith("values")])
    file.move(name, "elsewhere")
    was = file["elsewhere"]
    layout = h5py.VirtualLayout(was.shape, was.dtype)
    source = random.choice([".", "other.h5"])
    layout[:] = h5py.VirtualSource(source, "elsewhere", was.shape)
    file.create_virtual_dataset(name, layout)
    return f"{name} is virtual, of {source}", True


def ids(file: h5py.File, random: Random) -> Done:
    was = file["ids"][:].astype("S200")
    how = random.choice(["backwards", "twice", "not UTF-8", "empty", "numbers", "upwards", "null"])
    if how == "backwards":
        was = was[::-1]
    elif how == "twice":
        was[1] = was[0]
    elif how == "not UTF-8":
        was[-1] = b"\xff\xfe"
    elif how == "empty":
        was[0] = b""
    elif how == "upwards":
        was[0] = b"../../up"
    elif how == "null":
        was[-1] = b"z\0z"
    _put(file, "ids", np.arange(len(was)) if how == "numbers" else was)
    return f"ids: {how}", how in ("backwards", "twice", "not UTF-8", "numbers")


def splits(file: h5py.File, random: Random) -> Done:
    if "splits" not in file:
        return other_dtype(file, random)
    name = random.choice([f"splits/{one}" for one in file["splits"]])
    odd: Sequence[Any] = ([999], [-1], [0.5], [[0], [1]], [b"a/0"], [2**31 - 1], [True])
    value = random.choice(odd)
    _put(file, name, np.array(value))
    return f"{name} is {value}", True


def class_names(file: h5py.File, random: Random) -> Done:
    value = random.choice([[], ["red"], ["red"] * 3, [1, 2, 3], [None] * 3, ["x"] * 300, [""] * 3])
    file.attrs["classes"] = json.dumps(value)
    return f"classes are {str(value)[:30]}", value in ([], [1, 2, 3], [None] * 3)


def numbers(file: h5py.File, random: Random) -> Done:
    """Values that fit their type and mean nothing; classes that there are not."""
    group = _column(file, random)
    values = group["values"][:]
    top = np.nan if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    values[random.randrange(len(values))] = random.choice([top, 0])
    named = group.name in ("/tags", "/classes", "/present") and values.max() > 1000
    _put(group, "values", values)
    return f"a value of {group.name} is {values.max()}", bool(named)


def missing(file: h5py.File, random: Random) -> Done:
    name = random.choice([one for one in _data_sets(file) if not one.startswith("splits")])
    del file[name]
    return f"no {name}", True


def other_kind(file: h5py.File, random: Random) -> Done:
    name = random.choice(_data_sets(file))
    del file[name]
    file.create_group(name)
    return f"{name} is a group", True


def named_type(file: h5py.File, random: Random) -> Done:
    name = random.choice([*_data_sets(file), *columns(file)])
    del file[name]
    file[name] = np.dtype("f8")
    return f"{name} is a type", True


MUTATIONS: tuple[Callable[[h5py.File, Random], Done], ...] = (
    attribute_missing, attribute_odd, attribute_of_other_type, null_space, scalar, more_axes,
    fewer_rows, huge_rows, bomb, shape_of_one, offsets, other_dtype, external_storage, link,
    virtual, ids, splits, class_names, numbers, missing, other_kind, named_type,
)  # fmt: skip


def move_values(path: Path, name: str) -> None:
    """In the file that links lead to: have the values where they point."""
    with h5py.File(path, "r+") as file:
        file.move(name, "elsewhere")
