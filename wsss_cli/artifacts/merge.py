"""Joining the shards of one run into the artifact that an unsharded run would have written."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import WsssError
from .columns import Shapes
from .schema import DATASET
from .shards import Shard
from .store import Artifact, open_artifact
from .writer import check_target, write_artifact


def merge(paths: Sequence[Path], out: Path, force: bool = False) -> int:
    """Join shards, holding one item in memory at a time; returns the number of items.

    Raises:
        UsageError: `out` exists and `force` is not given.
        WsssError: shards of different runs, a shard missing or given twice, an id in two shards.
    """
    check_target(out, force)
    shards = [open_artifact(path) for path in paths]
    check_shards(shards)
    owner: dict[str, Artifact] = {}
    shapes: dict[str, Shapes] = {}
    dtypes: dict[str, str] = {}
    for shard in shards:
        with shard:
            ids = shard.ids
            for image_id, row in zip(ids, _shapes(shard), strict=True):
                if image_id in owner:
                    raise WsssError(
                        f"{owner[image_id].path} and {shard.path}: both hold {image_id!r}"
                    )
                owner[image_id], shapes[image_id] = shard, row
            if ids:  # an empty shard does not know the dtype that the others chose
                _agree(dtypes, shard)
    with _OpenFew() as opened:
        write_artifact(
            out,
            shards[0].schema,
            {**shards[0].attributes, "shard": str(Shard())},
            sorted(owner),
            shapes.__getitem__,
            dtypes,
            lambda image_id: opened.use(owner[image_id])[image_id],
        )
    return len(owner)


def _shapes(shard: Artifact) -> Iterator[dict[str, tuple[int, ...]]]:
    """Each item's shapes by field, in order of ids, from the index alone."""
    fields = shard.schema.fields
    rows = [shard.column(field.name).shapes().tolist() for field in fields]
    for item in zip(*rows, strict=True):
        yield {
            field.name: tuple(shape)
            for field, shape in zip(fields, item, strict=True)
            if min(shape, default=0) >= 0
        }


def _agree(dtypes: dict[str, str], shard: Artifact) -> None:
    for field in shard.schema.fields:
        column = shard.column(field.name)
        if column.holds_values and dtypes.setdefault(field.name, column.dtype) != column.dtype:
            raise WsssError(f"{shard.path}: {field.name} is {column.dtype}, others differ")


class _OpenFew:
    """Keeps the shards used last open, so that thousands do not run out of file handles."""

    LIMIT = 256

    def __init__(self) -> None:
        self._open: OrderedDict[Path, Artifact] = OrderedDict()

    def use(self, shard: Artifact) -> Artifact:
        self._open[shard.path] = shard
        self._open.move_to_end(shard.path)
        if len(self._open) > self.LIMIT:
            self._open.popitem(last=False)[1].close()
        return shard

    def __enter__(self) -> _OpenFew:
        return self

    def __exit__(self, *error: object) -> None:
        for shard in self._open.values():
            shard.close()


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
