"""Whether eval scores maps by boxes instead of pixels: options."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated

import typer

from ..errors import UsageError


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
            help="Maps: score how well boxes around them meet the true ones: those that people "
            "drew (annotated), or around the parts of masks (masks). Thresholds are then shares "
            "of each map's maximum."
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

    def refuse(self, **of_pixels: object) -> None:
        """
        Args:
            of_pixels: groups of options that say nothing where boxes are scored, by how a message
                names their options.

        Raises:
            UsageError: one of them is given with --boxes.
        """
        for name, group in of_pixels.items():
            if self.boxes is not None and group != type(group)():
                raise UsageError(f"{name}: of pixels, not of --boxes", "score them in another eval")
