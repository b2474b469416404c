"""make-seeds --method psa: two strengths of background, each after a CRF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ...core.seeds.defaults import PSA_ALPHA_HIGH, PSA_ALPHA_LOW
from ...inference.seeding import Scene, SeedCard

if TYPE_CHECKING:
    import numpy as np

    from ...core.refine import Refinement


@dataclass(frozen=True, kw_only=True)
class Alphas:
    """The exponents of the two backgrounds."""

    alpha_low: Annotated[
        float,
        typer.Option(
            help="Exponent of the background score in the test for sure classes; smaller leaves "
            "fewer."
        ),
    ] = PSA_ALPHA_LOW
    alpha_high: Annotated[
        float,
        typer.Option(
            help="Exponent of the background score in the test for sure background; larger "
            "leaves less."
        ),
    ] = PSA_ALPHA_HIGH


def rule(
    scene: Scene, refinement: Refinement | None, alpha_low: float, alpha_high: float
) -> np.ndarray:
    """(H, W) uint8 seeds."""
    from ...core.seeds.psa import psa_seeds

    return psa_seeds(
        scene.image(),
        scene.scores,
        scene.classes,
        alpha_low=alpha_low,
        alpha_high=alpha_high,
        crf=refinement,
    )


CARD = SeedCard(
    name="psa",
    said="PSA's two strengths of background, each after its CRF or PAMR",
    options=Alphas,
    rule=rule,
    crf="psa",
    source="PSA: Ahn and Kwak, CVPR 2018, section 3.2, and its code",
)
