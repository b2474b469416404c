"""Background of seeds where nothing catches the eye."""

from __future__ import annotations

import numpy as np

from ..labels import BACKGROUND, IGNORE


def background_by_saliency(label: np.ndarray, saliency: np.ndarray, below: float) -> np.ndarray:
    """Labels whose background is where nothing catches the eye, in place of what it was.

    Args:
        label: (H, W) uint8.
        saliency: (H, W) uint8, 255 for what stands out most.
        below: background where saliency / 255 is below this and no class is.

    Returns:
        (H, W) uint8; background that is salient becomes IGNORE.

    Raises:
        ValueError: shapes that differ, or `below` outside [0, 1].

    Source: the background cue of DSRG (Huang et al., CVPR 2018), with 0.06.

    >>> row = np.array([[0, 255, 3, 0]], np.uint8)
    >>> background_by_saliency(row, np.array([[0, 9, 0, 99]], np.uint8), 0.06)
    array([[  0,   0,   3, 255]], dtype=uint8)
    """
    if label.shape != saliency.shape:
        raise ValueError(f"saliency of {saliency.shape} for labels of {label.shape}")
    if not 0 <= below <= 1:
        raise ValueError(f"a saliency of {below}: must lie in 0..1")
    unsure = (label == BACKGROUND) | (label == IGNORE)
    ground = np.where(saliency < 255 * below, np.uint8(BACKGROUND), np.uint8(IGNORE))
    return np.where(unsure, ground, label)
