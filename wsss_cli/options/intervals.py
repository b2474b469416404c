"""Whether eval gives intervals over images: options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from .files import Reads


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """How images are weighed anew, if they are."""

    bootstrap: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Weigh the images anew N times (2000 or more) for 95 % intervals of mIoU and of "
            "each label's IoU. 0 gives none.",
        ),
    ] = 0
    clusters: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="File with the columns image and cluster: images that resemble each other, such "
            "as frames of one video, are weighed together.",
        ),
        Reads(),
    ] = None
