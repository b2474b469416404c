"""merge: join the shards of one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import log
from ..options.files import Reads, Writes
from ..options.shared import Force, Quiet

NAME = "merge"


def run(
    shards: Annotated[
        list[Path],
        typer.Argument(metavar="SHARD...", help="Files of all shards of one run."),
        Reads(),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The joined file."), Writes()
    ],
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Join the shards of one run into one artifact.

    Shards of different runs, a missing one and a repeated one are refused.

    Example: wsss merge cam.1-of-2.h5 cam.2-of-2.h5 -o cam.h5
    """
    from ..artifacts.merge import merge

    count = merge(shards, out, force)
    log(f"{NAME}: {len(shards)} shards, {count} items -> {out}", quiet)
