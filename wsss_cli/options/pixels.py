"""Options of how pixels are read that 8-bit RGB cannot hold as they are."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from ..core.reading import Reading
from ..errors import UsageError

AUTO = "auto"


class Alpha(str, enum.Enum):
    """What transparent pixels are laid over, or that they are not."""

    white = "white"
    black = "black"
    drop = "drop"


SpanOption = Annotated[
    str | None,
    typer.Option(
        "--range",
        metavar="LO,HI",
        help="Values that become black and white in images of more than 8 bits; auto takes the "
        "least and the greatest of all images.",
    ),
]
AlphaOption = Annotated[
    Alpha | None,
    typer.Option(
        "--alpha",
        help="What transparent pixels are laid over; drop keeps their colours as stored.",
    ),
]
BandsOption = Annotated[
    str | None,
    typer.Option(
        "--bands",
        metavar="R,G,B",
        help="Numbers of the bands to read, from 1; a single one is read as grey.",
    ),
]


def reading_of(span: str | None, alpha: Alpha | None, bands: str | None) -> tuple[Reading, bool]:
    """How pixels are read, and whether the range is to be found.

    Raises:
        UsageError: what cannot be read as numbers, or makes no sense.
    """
    auto = span == AUTO
    try:
        ends = None if span is None or auto else [_plain(text) for text in span.split(",")]
    except ValueError:
        raise UsageError(f"--range {span}: give LO,HI, for example 0,4095, or auto") from None
    try:
        numbers = None if bands is None else [int(text) for text in bands.split(",")]
    except ValueError:
        raise UsageError(f"--bands {bands}: give numbers, for example 1,2,3") from None
    record = {"range": ends, "alpha": alpha and alpha.value, "bands": numbers}
    try:
        return Reading.of(record), auto
    except ValueError as err:
        raise UsageError(f"--{err}") from None


def _plain(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value
