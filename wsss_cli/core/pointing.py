"""The pointing game: whether a map is strongest on what it is a map of. Imports no torch."""

from __future__ import annotations

import numpy as np

from .labels import IGNORE

SMALL = 0.25  # share of an image below which a region is difficult (Zhang et al.)


def near(region: np.ndarray, tolerance: float) -> np.ndarray:
    """Where a point hits: closer than `tolerance` to a pixel of the region.

    Distances lie between pixels' centres, and must be less than the tolerance, so that one of 0
    lets nothing hit, and one of 1 the region alone.

    Args:
        region: (H, W) bool.
        tolerance: pixels.

    Returns:
        (H, W) bool.

    Raises:
        ValueError: a tolerance below 0, or NaN.

    Source: Zhang et al. (ECCV 2016); distance and tolerance as in TorchRay.

    >>> near(np.array([[True, False, False, False]]), 2.0)
    array([[ True,  True, False, False]])
    """
    if not tolerance >= 0:
        raise ValueError(f"tolerance {tolerance}: must be 0 or more")
    from scipy.ndimage import distance_transform_edt  # not where only the tolerance is asked for

    if not region.any():
        return np.zeros(region.shape, bool)
    found: np.ndarray = distance_transform_edt(~region) < tolerance
    return found


def hit_share(scores: np.ndarray, hits: np.ndarray) -> float:
    """The share of a map's strongest pixels that hit: 1 or 0 where one pixel is strongest.

    So equal maxima count as a point drawn among them does on average, and a map without any
    preference scores what a point drawn anywhere does.

    Args:
        scores: (H, W) float.
        hits: (H, W) bool, see `near`.

    Raises:
        ValueError: not of one size, or of no pixels.

    >>> hit_share(np.array([[0.1, 0.9, 0.9]]), np.array([[True, True, False]]))
    0.5
    """
    if scores.shape != hits.shape or not scores.size:
        raise ValueError(f"a map of {scores.shape} points at no pixel of {hits.shape}")
    return float(hits[scores == scores.max()].mean())


def centre_hits(hits: np.ndarray) -> float:
    """Whether the image's centre hits: the share that does of the 1, 2 or 4 pixels around it.

    >>> centre_hits(np.array([[False, True, False]])), centre_hits(np.array([[True, False]]))
    (1.0, 0.5)
    """
    rows, columns = (slice((side - 1) // 2, side // 2 + 1) for side in hits.shape)
    return float(hits[rows, columns].mean())


def is_difficult(mask: np.ndarray, region: np.ndarray) -> bool:
    """Whether a region is smaller than a quarter of the image, with another class beside it.

    Args:
        mask: (H, W) uint8 labels, 0 background, IGNORE where void.
        region: (H, W) bool, where the mask has the class.

    Source: the difficult subset of Zhang et al. (ECCV 2016), by masks instead of boxes.
    """
    others = (mask > 0) & (mask != IGNORE) & ~region
    return bool(region.mean() < SMALL and others.any())
