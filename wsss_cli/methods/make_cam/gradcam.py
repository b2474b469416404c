"""make-cam --method gradcam: features weighted by the means of their gradients."""

from __future__ import annotations

from ...inference.gradients import gradient_card

CARD = gradient_card(
    "gradcam",
    "features of any classifier, weighted by the means of their gradients",
    "Grad-CAM: Selvaraju et al., ICCV 2017",
)
