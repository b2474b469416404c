"""make-seeds --method irn: two thresholds, each after a CRF, where they agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ...core.seeds.defaults import IRN_BG, IRN_FG, IRN_TIMES
from ...inference.seeding import Scene, SeedCard
from ...options.thresholds import Score, score_or_auto

if TYPE_CHECKING:
    import numpy as np

    from ...core.refine import Refinement


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """The two thresholds."""

    fg: Annotated[
        Score,
        typer.Option(
            parser=score_or_auto,
            metavar="SCORE|auto",
            help="Score above which a class is sure. auto: "
            f"{IRN_TIMES['fg']:g} times the threshold that the maps choose.",
        ),
    ] = IRN_FG
    bg: Annotated[
        Score,
        typer.Option(
            parser=score_or_auto,
            metavar="SCORE|auto",
            help="Score below which every class must stay for sure background. auto: "
            f"{IRN_TIMES['bg']:g} times the threshold that the maps choose.",
        ),
    ] = IRN_BG


def rule(scene: Scene, refinement: Refinement | None, fg: float, bg: float) -> np.ndarray:
    """(H, W) uint8 seeds."""
    from ...core.seeds.irn import irn_seeds

    return irn_seeds(scene.image(), scene.scores, scene.classes, fg=fg, bg=bg, crf=refinement)


CARD = SeedCard(
    name="irn",
    said="IRN's two thresholds, each after its CRF or PAMR",
    options=Thresholds,
    rule=rule,
    crf="irn",
    auto=IRN_TIMES,
    source="IRN: Ahn, Cho and Kwak, CVPR 2019, section 4.1, and its code",
)
