"""Whether eval gives intervals over images: options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from .files import Reads


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """How images are drawn anew, if they are."""

    bootstrap: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Give 95 % intervals of mIoU and of each label's IoU, by weighing the images anew "
            "N times; 2000 are enough. 0: none.",
        ),
    ] = 0
    clusters: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="With --bootstrap: file with the columns image and cluster. Images of one "
            "cluster, such as frames of one video, are weighed together.",
        ),
        Reads(),
    ] = None
