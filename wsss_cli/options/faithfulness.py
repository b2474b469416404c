"""Whether eval asks what maps point at, and whether the classifier's score follows them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import UsageError
from .annotations import Default
from .files import Reads

TOLERANCE = 15  # pixels around a region that still count as it (TorchRay)
STEPS = 28  # the batches' 224 * 8 pixels a step of 224 * 224 (RISE's published code)
MAX_SIDE = 224  # of the photographs that RISE and its blur of 11 pixels are published for
CPU_BATCH = 8  # of 224 x 168 pixels; 16 and more took half as long again each (MobileNetV2)


class Substrate(str, enum.Enum):
    """What stands where a photograph's pixels do not."""

    mean = "mean"
    blurred = "blurred"


@dataclass(frozen=True, kw_only=True)
class Faithfulness:
    """Whether maps are asked about, and how."""

    pointing: Annotated[
        bool,
        typer.Option("--pointing", help="Maps: play the pointing game too. It needs masks alone."),
    ] = False
    faithfulness: Annotated[
        bool,
        typer.Option(
            "--faithfulness",
            help="Maps: play the pointing game, and ask the classifier: insertion, deletion, "
            "average drop and increase.",
        ),
    ] = False
    tolerance: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="PIXELS",
            help="Pointing game: distance from its class below which a point hits.",
        ),
        Default(TOLERANCE),
    ] = None
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            "-w",
            metavar="FILE",
            help="Faithfulness: weights of the classifier. Default: those that the maps record.",
        ),
        Reads(),
    ] = None
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Faithfulness: ask about N of the images, drawn by --seed. Default: all.",
        ),
    ] = None
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Faithfulness: steps in which all pixels are inserted or deleted.",
        ),
        Default(STEPS),
    ] = None
    deletion_substrate: Annotated[
        Substrate | None,
        typer.Option(help="Faithfulness: what deleted pixels become."),
        Default("mean"),
    ] = None
    insertion_substrate: Annotated[
        Substrate | None,
        typer.Option(help="Faithfulness: what pixels are inserted into."),
        Default("blurred"),
    ] = None
    max_side: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="PIXELS",
            help="Faithfulness: longest side of an image as the classifier sees it; longer images "
            "are shrunk to it. 0: no limit.",
        ),
        Default(MAX_SIDE),
    ] = None
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Faithfulness: images that the classifier sees together. Default: "
            f"{CPU_BATCH}; on CUDA as many as fit 8 GB.",
        ),
    ] = None

    def __post_init__(self) -> None:
        """Raises UsageError for options whose use is not asked for."""
        if self.tolerance is not None and not self.points:
            raise UsageError("--tolerance: needs --pointing or --faithfulness")
        if self.faithfulness:
            return
        for name in (*vars(SETTINGS), "weights", "limit"):
            if getattr(self, name) is not None:
                raise UsageError(f"--{name.replace('_', '-')}: needs --faithfulness")

    @property
    def within(self) -> int:
        """The tolerance of the pointing game, in pixels."""
        return TOLERANCE if self.tolerance is None else self.tolerance

    @property
    def points(self) -> bool:
        """Whether the pointing game is played."""
        return self.pointing or self.faithfulness

    def settings(self) -> Settings:
        """The options, or what they are by default."""
        given = {name: getattr(self, name) for name in vars(SETTINGS)}
        return Settings(**{k: v for k, v in given.items() if v is not None})


@dataclass(frozen=True)
class Settings:
    """How a classifier is asked: see the options of the same names."""

    steps: int = STEPS
    deletion_substrate: Substrate = Substrate.mean
    insertion_substrate: Substrate = Substrate.blurred
    max_side: int = MAX_SIDE
    batch_size: int | None = None

    def record(self) -> dict[str, Any]:
        """For the JSON: what changes the numbers."""
        return {
            "steps": self.steps,
            "deletion_substrate": self.deletion_substrate.value,
            "insertion_substrate": self.insertion_substrate.value,
            "max_side": self.max_side,
        }


SETTINGS = Settings()
