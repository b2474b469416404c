"""Whether eval scores maps by boxes instead of pixels: options."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from ..errors import UsageError
from .thresholds import ThresholdChoice


class Boxes(str, enum.Enum):
    """Which boxes are the true ones."""

    annotated = "annotated"
    masks = "masks"


@dataclass(frozen=True, kw_only=True)
class BoxOptions:
    """Which boxes maps are scored by, if by any."""

    boxes: Annotated[
        Boxes | None,
        typer.Option(
            help="Maps: score the boxes around them in place of pixels. True boxes are those that "
            "people drew (annotated), or those around the parts of masks (masks). Thresholds are "
            "then shares of each map's maximum."
        ),
    ] = None
    without_difficult: Annotated[
        bool,
        typer.Option(
            "--without-difficult", help="With --boxes annotated: leave out boxes marked difficult."
        ),
    ] = False

    def __post_init__(self) -> None:
        """Raises UsageError for an option that says nothing."""
        if self.without_difficult and self.boxes is not Boxes.annotated:
            raise UsageError("--without-difficult needs --boxes annotated")

    def check(self, choice: ThresholdChoice, of_pixels: Mapping[str, object]) -> None:
        """
        Args:
            choice: of the threshold.
            of_pixels: groups of options, or an option's value, that say nothing where boxes are
                scored, by the options' names.

        Raises:
            UsageError: one of them is given with --boxes, or a choice that is none of boxes.
        """
        if self.boxes is None:
            return
        for name, group in of_pixels.items():
            if group != type(group)():
                raise UsageError(f"--boxes: does not go with {name}", "score these without --boxes")
        if not choice.of_boxes:
            raise UsageError("--boxes: does not go with --threshold auto or --calibrate")
