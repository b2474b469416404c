"""make-seeds --method threshold: thresholds alone, without the image."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...core.seeds.defaults import EVEN_SHARE, MODES
from ...errors import UsageError
from ...inference.seeding import Scene, SeedCard
from ...options.annotations import in_words
from ...options.cards import Due, plain
from ...options.thresholds import AUTO, Score, score_or_auto

if TYPE_CHECKING:
    import numpy as np

    from ...core.refine import Refinement


class Mode(str, enum.Enum):
    """What --low and --high mean."""

    fixed = "fixed"
    fraction_of_max = "fraction-of-max"
    quantile = "quantile"


class Overlap(str, enum.Enum):
    """Which of several classes takes a pixel."""

    strongest = "strongest"
    smallest_first = "smallest-first"


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What is compared with what."""

    mode: Annotated[
        Mode,
        typer.Option(
            help="What --low and --high are: scores (fixed), parts of a map's maximum "
            "(fraction-of-max), or shares of the pixels (quantile)."
        ),
    ] = Mode.fixed
    low: Annotated[
        Score | None,
        typer.Option(
            parser=score_or_auto,
            metavar="SCORE|auto",
            help="Threshold for background. auto: the one that the maps choose (fixed).",
        ),
    ] = None
    high: Annotated[
        Score | None,
        typer.Option(
            parser=score_or_auto,
            metavar="SCORE|auto",
            help="Threshold for a class. auto: the one that the maps choose (fixed).",
        ),
    ] = None
    overlap: Annotated[
        Overlap,
        typer.Option(
            help="Class that takes a pixel of several: the strongest there, or the one that "
            "covers the fewest pixels (smallest-first)."
        ),
    ] = Overlap.strongest


def settings(options: Thresholds, has_background: bool) -> dict[str, Any]:
    """The options with both thresholds; shares against a background are even at one half.

    Raises:
        UsageError: auto in a mode that compares no scores.
    """
    if AUTO in (options.low, options.high) and options.mode is not Mode.fixed:
        raise UsageError(f"--mode {options.mode.value}: has no thresholds that are {AUTO}")
    low, high = MODES[options.mode.value]
    if has_background and options.mode is Mode.fixed:
        low = high = EVEN_SHARE
    given = {name: value for name, value in plain(options).items() if value is not None}
    return {"low": low, "high": high, **given}


def rule(scene: Scene, refinement: Refinement | None, **settings: Any) -> np.ndarray:
    """(H, W) uint8 seeds, of the classes' shares where there is a background to compare with."""
    from ...core.pseudo import against_background
    from ...core.seeds.threshold import threshold_seeds

    maps, background = scene.maps, scene.background()
    if background is not None:
        maps = against_background(maps, background)
    return threshold_seeds(maps.numpy(), scene.classes, **settings)


def by_mode(place: int) -> Due:
    """Each mode's own threshold; None until it is known whether the maps have a background."""
    values = {mode: both[place] for mode, both in MODES.items()}
    return Due(lambda _: None, f"{in_words(values)}; fixed of maps with a background: {EVEN_SHARE}")


CARD = SeedCard(
    name="threshold",
    said="thresholds alone, fixed or by each map's own values",
    options=Thresholds,
    usual={"low": by_mode(0), "high": by_mode(1)},
    rule=rule,
    settings=settings,
    auto={"low": 1, "high": 1},
    source="SEC: Kolesnikov and Lampert, ECCV 2016, for --mode fraction-of-max",
)
