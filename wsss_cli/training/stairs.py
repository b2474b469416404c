"""The option of a learning rate that falls in steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError

if TYPE_CHECKING:
    from .schedule import Schedule


@dataclass(frozen=True, kw_only=True)
class Stepped:
    """How the rate falls."""

    stairs: Annotated[
        str | None,
        typer.Option(
            metavar="N,RATIO",
            help="Multiply the learning rate by RATIO after each N-th part of the run: 4,0.1 as "
            "in SEC, 8,0.33 as in DSRG's code. Default: the rate falls by the poly rule, in "
            "single-stage not at all.",
        ),
    ] = None


def schedule_of(text: str) -> Callable[[int, int], Schedule]:
    """The schedule of --stairs, of a run's steps and those of warm-up.

    Raises:
        UsageError: not a number of parts, at least 1, and a ratio in 0..1, not 0.
    """
    from .schedule import Stairs

    parts, _, ratio = text.partition(",")
    try:
        number, factor = int(parts), float(ratio)
    except ValueError:
        number, factor = 0, 0.0
    if number < 1 or not 0 < factor <= 1:
        raise UsageError(f"--stairs {text}: need N,RATIO, such as 4,0.1")
    return partial(Stairs, parts=number, ratio=factor)
