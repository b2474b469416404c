"""OAA's labels of whole images: its maps against saliency."""

from __future__ import annotations

import numpy as np

from ..labels import BACKGROUND, IGNORE, local_to_labels
from .check import check_maps

FLOOR, CONFLICT, MAP = 0.3, 0.9, 0.8  # of scores in 0..1
SALIENT, SHARE = 32, 0.01  # of 255; of pixels


def oaa_labels(cam: np.ndarray, classes: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    """Pseudo masks of OAA: the strongest of the maps and of background, where nothing is salient.

    With S the saliency in 0..1 and A_c a map stretched from its minimum and maximum to 0..1, the
    scores are 1 - S and A_c, where they reach 0.3, and else 0; the highest (of equals, the first)
    is the label. IGNORE where two scores exceed 0.9; where background is salient (S at least
    32 / 255) or a map exceeds 0.8; and everywhere, if less than a hundredth of the pixels has a
    class.

    Args:
        cam: (K, H, W) floating.
        classes: (K,) class indices.
        saliency: (H, W) uint8, 255 for what stands out most.

    Returns:
        (H, W) uint8 labels.

    Raises:
        ValueError: shapes that disagree, or a cam that is not floating.

    Source: `gen_gt.py` of OAA's published code (Jiang et al., ICCV 2019).
    """
    check_maps(cam, classes)
    if cam.shape[1:] != saliency.shape:
        raise ValueError(f"saliency of {saliency.shape} for maps of {cam.shape[1:]}")
    low, high = cam.min((1, 2), keepdims=True), cam.max((1, 2), keepdims=True)
    maps = np.where(high > low, (cam - low) / np.where(high > low, high - low, 1), 0)
    scores = np.concatenate([(1 - saliency / 255)[None], maps])
    scores[scores < FLOOR] = 0
    label = local_to_labels(scores.argmax(0), classes)
    salient = (saliency >= SALIENT) | (maps > MAP).any(0)
    label[(label == BACKGROUND) & salient] = IGNORE
    label[(scores > CONFLICT).sum(0) > 1] = IGNORE
    if ((label != BACKGROUND) & (label != IGNORE)).mean() < SHARE:
        label[:] = IGNORE
    return label
