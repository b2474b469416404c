"""How eval counts pixels and averages labels: options."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated

import typer


class Average(str, enum.Enum):
    """Which labels the mean IoU averages."""

    union = "union"
    truth = "truth"
    all = "all"


class Unlabelled(str, enum.Enum):
    """What a predicted 255 counts as."""

    error = "error"
    background = "background"


@dataclass(frozen=True, kw_only=True)
class Counting:
    """What a pixel and a label count."""

    average: Annotated[
        Average,
        typer.Option(
            help="Labels that mIoU is the mean of: those that masks or predictions hold (union), "
            "that masks hold (truth), or all."
        ),
    ] = Average.union
    unlabelled: Annotated[
        Unlabelled,
        typer.Option(
            help="What a pixel of 255 (no label) in FILE counts as: a missed pixel (error), or "
            "background."
        ),
    ] = Unlabelled.error
