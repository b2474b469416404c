"""The soft Dice loss: how far the probabilities of a label and its pixels are from covering alike.

Source: Milletari, Navab and Ahmadi, V-Net (3DV 2016), who square the terms of the denominator;
plain sums as Drozdzal et al. (DLMIA 2016) have them. Sudre et al. (DLMIA 2017) weigh labels by
their inverse squared size; here all count the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .labels import IGNORE

EPSILON = 1.0  # pixels: one more that agrees, so that a label of few pixels does not jump


def dice_losses(probabilities: Tensor, labels: Tensor, epsilon: float = EPSILON) -> Tensor:
    """1 - (2 sum p g + epsilon) / (sum p + sum g + epsilon), mean over the labels of each image.

    p are a label's probabilities, g is 1 at its pixels and 0 elsewhere; the sums go over the
    labelled pixels of one image, and the mean over the labels that the image holds.

    Args:
        probabilities: (B, n, H, W) float, summing to 1 over n.
        labels: (B, H, W) uint8 below n, or IGNORE.
        epsilon: above 0, pixels.

    Returns:
        (B,); 0 where an image has no labelled pixel. Probabilities at IGNORE pixels have no effect
        and no gradient.

    >>> p = torch.tensor([[0.75, 0.25], [0.25, 0.75]]).view(1, 2, 1, 2)
    >>> dice_losses(p, torch.tensor([[[0, 1]]], dtype=torch.uint8), epsilon=1e-9)
    tensor([0.2500])
    """
    known = (labels != IGNORE)[:, None]
    names = torch.arange(probabilities.shape[1], device=labels.device)
    truth = labels[:, None] == names[:, None, None]
    seen = probabilities.masked_fill(~known, 0)
    agreed = seen.masked_fill(~truth, 0).sum((2, 3))
    sizes = truth.sum((2, 3))
    dice = (2 * agreed + epsilon) / (seen.sum((2, 3)) + sizes + epsilon)
    held = sizes > 0
    return (1 - dice).masked_fill(~held, 0).sum(1) / held.sum(1).clamp(min=1)
