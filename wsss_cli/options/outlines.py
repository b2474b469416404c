"""Whether eval scores outlines and sizes of objects too, and how: options and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from .annotations import Default

if TYPE_CHECKING:
    from ..core.object_sizes import SizeLimits

BAND = 0.02  # of the diagonal: Boundary IoU (Cheng et al., CVPR 2021)
TOLERANCE = 0.0075  # of the diagonal: boundary F (Csurka et al., BMVC 2013)
COCO = "1024,9216"  # 32 x 32 and 96 x 96 pixels


@dataclass(frozen=True, kw_only=True)
class OutlineOptions:
    """What is scored beside pixels."""

    boundary: Annotated[
        bool,
        typer.Option("--boundary", help="Score outlines too: Boundary IoU and boundary F."),
    ] = False
    boundary_band: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="Width of the band along outlines that Boundary IoU compares, as a share of the "
            "image's diagonal.",
        ),
        Default(BAND),
    ] = None
    boundary_tolerance: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="Distance below which boundary F takes outlines for the same, as a share of the "
            "image's diagonal.",
        ),
        Default(TOLERANCE),
    ] = None
    sizes: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Score objects by size too. The areas part the sizes, in pixels or in shares of "
            f"the image: {COCO} are COCO's, 1%,10% are shares.",
        ),
    ] = None

    def __post_init__(self) -> None:
        """Raises UsageError for options that say nothing without --boundary."""
        given = (self.boundary_band, self.boundary_tolerance)
        for name, value in zip(("band", "tolerance"), given, strict=True):
            if value is not None and not self.boundary:
                raise UsageError(f"--boundary-{name}: needs --boundary")
        if self.boundary_tolerance == 0:
            raise UsageError("--boundary-tolerance 0: no outline is nearer than that")

    @property
    def band(self) -> float:
        return BAND if self.boundary_band is None else self.boundary_band

    @property
    def tolerance(self) -> float:
        return TOLERANCE if self.boundary_tolerance is None else self.boundary_tolerance

    def limits(self) -> SizeLimits | None:
        """What --sizes says; None where it is not given.

        Raises:
            UsageError: no such areas.
        """
        from ..core.object_sizes import SizeLimits

        if self.sizes is None:
            return None
        parts = [part.strip() for part in self.sizes.split(",")]
        shares = all(part.endswith("%") for part in parts)
        try:
            values = [float(part.removesuffix("%") if shares else part) for part in parts]
            return SizeLimits(tuple(v / 100 if shares else v for v in values), shares)
        except ValueError:
            raise UsageError(
                f"--sizes {self.sizes}: needs areas that rise, all in pixels or all in %",
                f"such as {COCO} (COCO's) or 1%,10%",
            ) from None
