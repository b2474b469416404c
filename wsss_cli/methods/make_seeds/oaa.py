"""make-seeds --method oaa: labels of whole images, by maps against saliency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...inference.seeding import Scene, SeedCard

if TYPE_CHECKING:
    import numpy as np

    from ...core.refine import Refinement


def rule(scene: Scene, refinement: Refinement | None) -> np.ndarray:
    """(H, W) uint8 pseudo masks."""
    from ...core.seeds.oaa import oaa_labels

    return oaa_labels(scene.scores, scene.classes, scene.saliency())


CARD = SeedCard(
    name="oaa",
    said="OAA's labels of whole images, maps against saliency",
    rule=rule,
    by_saliency=True,
    lacks=("saliency_below",),
    needs="saliency maps (--saliency)",
    source="`gen_gt.py` of OAA's code: Jiang et al., ICCV 2019",
    page="oaa",
)
