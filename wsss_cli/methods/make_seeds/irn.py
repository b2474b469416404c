"""make-seeds --method irn: two thresholds, each after a CRF, where they agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ...core.seeds.defaults import IRN_BG, IRN_FG
from ...inference.seeding import Scene, SeedCard

if TYPE_CHECKING:
    import numpy as np

    from ...core.refine import Refinement


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """The two thresholds."""

    fg: Annotated[float, typer.Option(help="Score above which a class is sure.")] = IRN_FG
    bg: Annotated[
        float, typer.Option(help="Score below which every class must stay for sure background.")
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
    source="IRN: Ahn, Cho and Kwak, CVPR 2019, section 4.1, and its code",
)
