"""make-cam --method layercam: features weighted by their own positive gradients."""

from __future__ import annotations

from ...inference.gradients import gradient_card

CARD = gradient_card(
    "layercam",
    "features weighted place by place, for earlier layers too",
    "LayerCAM: Jiang et al., TIP 2021",
)
