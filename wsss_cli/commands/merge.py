"""merge: join the shards of one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import log
from ..errors import UsageError
from ..options.files import Reads, Writes
from ..options.shared import Force, Quiet

NAME = "merge"


def run(
    shards: Annotated[
        list[Path],
        typer.Argument(
            metavar="SHARD...", help="Files of all shards of one run; with --tiles, one file."
        ),
        Reads(),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The joined file."), Writes()
    ],
    tiles: Annotated[
        bool,
        typer.Option(
            "--tiles",
            help="Put labels or maps of tiles, of `wsss pack --tile`, together into whole images.",
        ),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --tiles: data set of the tiles. Default: the one that the file was made "
            "from.",
        ),
        Reads(),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Join the shards of one run into one artifact.

    Shards of different runs, a missing one and a repeated one are refused. With --tiles, labels
    come from the tile whose centre is nearest, and maps are blended. Later commands see the tiles'
    data set as whole images.

    Example: wsss merge cam.1-of-2.h5 cam.2-of-2.h5 -o cam.h5
    """
    if tiles:
        whole(shards, data, out, force, quiet)
        return
    if data is not None:
        raise UsageError("--data: needs --tiles")
    from ..artifacts.merge import merge

    count = merge(shards, out, force)
    log(f"{NAME}: {len(shards)} shards, {count} items -> {out}", quiet)


def whole(files: list[Path], data: Path | None, out: Path, force: bool, quiet: bool) -> None:
    """Put the tiles of one file together.

    Raises:
        UsageError: several files.
    """
    from ..artifacts import CAM, LABEL, open_artifact, open_dataset
    from ..artifacts.untiling import join
    from ..artifacts.wholes import wholes_of
    from ..artifacts.writer import check_target

    if len(files) > 1:
        raise UsageError("--tiles: takes one file", "join its shards first, by `wsss merge`")
    check_target(out, force, files, goes_on=True)
    with (
        open_artifact(files[0], LABEL, CAM) as source,
        open_dataset(data, source) as reader,
        wholes_of(reader, source) as wholes,
    ):
        count = join(source, wholes, out, force)
    log(f"{NAME}: {len(source)} items of tiles, {count} whole images -> {out}", quiet)
