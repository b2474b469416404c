"""How a network looks at photographs: the options of every command that has one look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from ..errors import UsageError

SCALES = "0.5,1,1.5,2"  # PSA and IRN
MAX_SIDE = 1024  # pixels; above the longer side of VOC's images and of COCO's

MaxSide = Annotated[
    int | None,
    typer.Option(
        "--max-side",
        min=0,
        metavar="PIXELS",
        help="Longest side of an image in pixels; longer images are shrunk to it before "
        "scaling. 0: no limit.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Looking:
    """At which sizes images are looked at, and how many of them together."""

    scales: Annotated[
        str,
        typer.Option(
            metavar="S,...",
            help="Sizes at which the network looks at an image, relative to the image's own.",
        ),
    ] = SCALES
    flip: Annotated[
        bool, typer.Option("--flip/--no-flip", help="Let the network look at the mirror image too.")
    ] = True
    max_side: MaxSide = MAX_SIDE
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Number of images of one size that the network looks at together. Default: 1; "
            "on CUDA as many as fit 8 GB.",
        ),
    ] = None

    def __post_init__(self) -> None:
        """Raises UsageError for scales that are none."""
        parse_scales(self.scales)

    def views(self, usual_side: Callable[[], int] = lambda: MAX_SIDE) -> Views:
        """The options as numbers.

        Args:
            usual_side: gives `max_side` where there is none.
        """
        side = usual_side() if self.max_side is None else self.max_side
        return Views(parse_scales(self.scales), self.flip, side)


@dataclass(frozen=True)
class Views:
    """The copies of an image that a network looks at.

    Attributes:
        scales: their sizes, relative to the image's.
        flip: look at the mirror image of each too.
        max_side: pixels; longer images are shrunk to this first, 0 for none.
    """

    scales: tuple[float, ...]
    flip: bool
    max_side: int

    def record(self) -> dict[str, Any]:
        """For the artifact: plain values."""
        return asdict(self)


def parse_scales(text: str, option: str = "--scales") -> tuple[float, ...]:
    """The numbers of --scales, or of another option.

    Raises:
        UsageError: not different numbers above 0, at most 16.
    """
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        scales = ()
    if not scales or not all(0 < scale <= 16 for scale in scales):  # NaN fails too
        raise UsageError(f"{option} {text}: need numbers above 0, at most 16, commas between")
    if len(set(scales)) < len(scales):
        raise UsageError(f"{option} {text}: names one twice")
    return scales
