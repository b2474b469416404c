"""Outputs that stand where they belong while what was kept of their making lies beside them still.

A process can be killed after it has put its output in place, and before it has deleted its
unfinished work. The same command knows the output by the digest of its run, and only cleans up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..console import warn
from ..errors import UsageError, WsssError
from . import ledger, provenance
from .ledger import LOCK, PARTIAL
from .schema import DATASET, Schema
from .shards import Shard
from .store import Artifact, open_artifact


def partial_path(path: Path) -> Path:
    """Where a stage keeps what it has finished so far."""
    return path.with_name(path.name + PARTIAL)


def is_begun(path: Path) -> bool:
    """Whether something lies beside an output that was left unfinished."""
    partial = partial_path(path)
    return partial.exists() or partial.with_name(partial.name + LOCK).exists()


def exists_already(path: Path) -> UsageError:
    """The error of an output that must not be replaced."""
    return UsageError(f"{path}: exists already", "add --force to replace it")


def say_finished(path: Path) -> None:
    """Say that nothing was done, since nothing was left to do."""
    warn(
        f"{path}: an earlier attempt of this command has finished it; "
        "what it had left beside it is removed"
    )


def is_output(
    path: Path,
    schema: Schema,
    *,
    classes: Sequence[str],
    params: Mapping[str, Any],
    inputs: Sequence[provenance.Source],
    ids: Sequence[str],
    seed: int | None = None,
    shard: Shard | None = None,
) -> bool:
    """Whether a file is what `writer.create` makes when it is given the same."""
    run = provenance.run_digest(schema.name, schema.version, params, seed, classes, inputs, ids)
    return stands(path, schema, {"run": run, "shard": str(shard or Shard())})


def stands(path: Path, schema: Schema, attributes: Mapping[str, Any]) -> bool:
    """Whether a file is the whole output of a run.

    Args:
        path: of the file.
        schema: its kind.
        attributes: that the run gives its output: run, shard, and splits of a data set.
    """
    try:
        with ledger.looking_back():  # an output of an earlier attempt, and no input
            found = open_artifact(path, schema)
            run = _run_of(found, attributes.get("splits")) if schema is DATASET else found.run
    except WsssError:
        return False
    return (run, str(found.shard)) == (attributes["run"], attributes["shard"])


def _run_of(found: Artifact, splits: Mapping[str, Sequence[str]] | None) -> str | None:
    """The run that packed a data set, as it is called before its contents are known.

    Args:
        found: the data set.
        splits: that it should have; with others it is none of that run.
    """
    from .dataset import DatasetReader

    with DatasetReader(found.path, found.attributes, found.stamp) as data:
        ids = data.ids
        of_run = {name: sorted({*ids} & {*members}) for name, members in (splits or {}).items()}
        if of_run != {name: sorted(data.split(name)) for name in data.splits}:
            return None
        version = found.schema.version
        return provenance.run_digest(
            found.kind, version, found.params, found.seed, found.classes, (), ids
        )
