"""Joining the shards of one run into the artifact that an unsharded run would have written."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import WsssError
from .schema import DATASET
from .shards import Shard
from .store import Artifact, open_artifact
from .writer import Writer, check_target, write_artifact

# Shards that are read side by side. HDF5 takes some 1.6 MB for each open file, and a shared
# file system is slow to open them; the items of more shards go through a journal, so that every
# shard is read from end to end, once.
OPEN = 32


def merge(paths: Sequence[Path], out: Path, force: bool = False) -> int:
    """Join shards, holding one item in memory at a time; returns the number of items.

    Raises:
        UsageError: `out` is one of the shards, or exists and `force` is not given.
        WsssError: shards of different runs, a shard missing or given twice, an id in two shards.
    """
    check_target(out, force, paths, goes_on=len(paths) > OPEN)
    shards = [open_artifact(path) for path in paths]
    check_shards(shards)
    index = read_index(shards)
    attributes = {**shards[0].attributes, "shard": str(Shard())}
    schema = shards[0].schema
    if len(shards) > OPEN:
        with Writer(out, schema, attributes, index.ids, force) as target:
            copy(shards, target)
        return len(index.ids)
    with ExitStack() as stack:
        for shard in shards:
            stack.enter_context(shard)
        items = (shards[k][i] for k, i in zip(index.shard.tolist(), index.ids, strict=True))
        write_artifact(out, schema, attributes, index.ids, index.shapes, index.dtypes, items)
    return len(index.ids)


def copy(shards: Sequence[Artifact], target: Writer) -> None:
    """Put every item of every shard that the target lacks, one shard after the other."""
    lacking = set(target.todo)
    for shard in shards:
        with shard:
            for image_id in shard.ids:
                if image_id in lacking:
                    target.put(image_id, **shard[image_id])


class Index(NamedTuple):
    """What the shards hold together, in the order of the joined file.

    Attributes:
        ids: rising.
        shard: (n,) int64, the number of the shard that holds an item.
        shapes: per field (n, ndim) int32.
        dtypes: per field.
    """

    ids: list[str]
    shard: np.ndarray
    shapes: dict[str, np.ndarray]
    dtypes: dict[str, str]


def read_index(shards: Sequence[Artifact]) -> Index:
    """Ids, shapes and dtypes of all the shards' items.

    Raises:
        WsssError: an id in two shards, or fields of different dtypes.
    """
    fields = [field.name for field in shards[0].schema.fields]
    ids: list[str] = []
    shapes: dict[str, list[np.ndarray]] = {name: [] for name in fields}
    dtypes: dict[str, str] = {}
    for shard in shards:
        with shard:
            ids += shard.ids
            for name in fields:
                shapes[name].append(shard.column(name).shapes())
            _agree(dtypes, shard)
    owner = np.repeat(np.arange(len(shards)), [len(rows) for rows in shapes[fields[0]]])
    order = sorted(range(len(ids)), key=ids.__getitem__)
    for before, after in itertools.pairwise(order):
        if ids[before] == ids[after]:
            one, other = (shards[owner[row]].path for row in sorted((before, after)))
            raise WsssError(f"{one} and {other}: both hold {ids[before]!r}")
    rows = np.array(order, np.int64)
    joined = {name: np.concatenate(parts)[rows] for name, parts in shapes.items()}
    return Index([ids[row] for row in order], owner[rows], joined, dtypes)


def _agree(dtypes: dict[str, str], shard: Artifact) -> None:
    """Note the dtypes of a shard's fields; one that is empty does not know what others chose."""
    for field in shard.schema.fields:
        column = shard.column(field.name)
        if column.holds_values and dtypes.setdefault(field.name, column.dtype) != column.dtype:
            raise WsssError(f"{shard.path}: {field.name} is {column.dtype}, others differ")


def check_shards(shards: Sequence[Artifact]) -> None:
    """Refuse what does not belong together.

    Raises:
        WsssError: naming the file that does not fit, or the shard that is missing.
    """
    first = shards[0]
    if first.schema is DATASET:
        raise WsssError(f"{first.path}: a data set has no shards", "`wsss pack` takes all at once")
    seen: dict[int, Artifact] = {}
    for shard in shards:
        if (shard.kind, shard.run, shard.shard.count) != (
            first.kind,
            first.run,
            first.shard.count,
        ):
            raise WsssError(
                f"{shard.path}: of another run than {first.path} ({shard.kind} {shard.run} "
                f"shard {shard.shard} against {first.kind} {first.run} shard {first.shard})",
                "shards of one run share inputs, options and --shard's N",
            )
        if shard.shard.index in seen:
            other = seen[shard.shard.index].path
            raise WsssError(f"{other} and {shard.path}: both are shard {shard.shard}")
        seen[shard.shard.index] = shard
    for index in range(1, first.shard.count + 1):
        if index not in seen:
            raise WsssError(
                f"shard {index}/{first.shard.count} is missing beside {first.path}",
                f"rerun that stage with --shard {index}/{first.shard.count}",
            )
