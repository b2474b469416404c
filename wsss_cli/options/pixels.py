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
StretchOption = Annotated[
    str | None,
    typer.Option(
        "--stretch",
        metavar="LO,HI",
        help="Percentiles of all images that become black and white, each band by itself, in "
        "images of more than 8 bits; for example 2,98. Nodata does not count.",
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


def reading_of(
    span: str | None, alpha: Alpha | None, bands: str | None, stretch: str | None = None
) -> tuple[Reading, bool]:
    """How pixels are read, and whether the range is to be found.

    Raises:
        UsageError: what cannot be read as numbers, or makes no sense.
    """
    if span is not None and stretch is not None:
        raise UsageError("--range and --stretch both say what becomes black and white: give one")
    auto = span == AUTO
    try:
        numbers = None if bands is None else [int(text) for text in bands.split(",")]
    except ValueError:
        raise UsageError(f"--bands {bands}: give numbers, for example 1,2,3") from None
    record = {
        "range": None if auto else _pair("--range", span, "0,4095, or auto"),
        "alpha": alpha and alpha.value,
        "bands": numbers,
        "stretch": _pair("--stretch", stretch, "2,98"),
    }
    try:
        return Reading.of(record), auto
    except ValueError as err:
        raise UsageError(f"--{err}") from None


def _pair(option: str, text: str | None, example: str) -> list[float] | None:
    try:
        return None if text is None else [_plain(one) for one in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} {text}: give LO,HI, for example {example}") from None


def _plain(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value
