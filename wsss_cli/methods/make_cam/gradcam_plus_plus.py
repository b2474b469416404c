"""make-cam --method gradcam++: features weighted by positive gradients, each by its share."""

from __future__ import annotations

from ...inference.gradients import gradient_card

CARD = gradient_card(
    "gradcam++",
    "the same by positive gradients, each by its share",
    "Grad-CAM++: Chattopadhay et al., WACV 2018",
)
