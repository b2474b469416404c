"""Boxes around what a map shows, and how well they meet the true ones.

A box is x0, y0, x1, y1 in pixels: x right, y down, the image's first pixel covers 0 to 1. So a box
around pixels ends behind the last of them, and its area is the product of its sides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage


class Parts(NamedTuple):
    """The connected parts of a set of pixels, in the order of their first pixels.

    Attributes:
        corners: (n, 4) int64, the smallest box around each.
        area: (n,) int64 pixels of each.
        labels: (H, W) int32, 0 outside, else 1 and the part's number.
    """

    corners: np.ndarray
    area: np.ndarray
    labels: np.ndarray

    @property
    def largest(self) -> int:
        """The part of most pixels; of equals, the first."""
        return int(self.area.argmax())


def parts(inside: np.ndarray) -> Parts:
    """The parts of (H, W) bool that are connected by shared edges, not by corners alone.

    >>> found = parts(np.array([[1, 0, 1, 1], [0, 0, 0, 1]], bool))
    >>> found.corners.tolist(), found.area.tolist()
    ([[0, 0, 1, 1], [2, 0, 4, 2]], [1, 3])
    """
    labels, count = ndimage.label(inside)
    found = [(x.start, y.start, x.stop, y.stop) for y, x in ndimage.find_objects(labels)]
    area = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return Parts(np.array(found, np.int64).reshape(-1, 4), area, labels)


def ranks_above(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """How many thresholds lie strictly below each value of a map.

    Args:
        values: (H, W) float32, not negative.
        shares: (T,) of the map's maximum, rising; each threshold is a share times it, in float32.

    Returns:
        (H, W) int64, 0..T. A map of zeros is above no threshold.

    >>> ranks_above(np.array([[0, 0.2, 0.5, 1]], np.float32), np.array([0, 0.5]))
    array([[0, 1, 1, 2]])
    """
    top = values.max(initial=np.float32(0))
    return np.searchsorted(np.asarray(shares, np.float32) * top, values, side="left")


def overlaps(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n, m) float64 in [0, 1]: intersection over union of (n, 4) boxes and (m, 4) true ones.

    >>> overlaps(np.array([[0, 0, 2, 2]]), np.array([[0, 0, 2, 2], [1, 0, 3, 2]])).round(3)
    array([[1.   , 0.333]])
    """
    one, other = np.float64(boxes)[:, None], np.float64(truth)[None]
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    both = sides.clip(0).prod(axis=-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(axis=-1) for box in (one, other)]
    result: np.ndarray = both / (areas[0] + areas[1] - both)
    return result


def best_overlaps(ranks: np.ndarray, n_sets: int, truth: np.ndarray) -> np.ndarray:
    """How well the boxes of nested sets of pixels meet the true boxes.

    Set t holds the pixels of a rank above t, so each lies within the box of the one before: only
    that is looked at, and only where the sets differ.

    Args:
        ranks: (H, W) integers, 0..n_sets.
        truth: (m, 4), m above 0.

    Returns:
        (2, n_sets) float64: the overlap with the true box that is met best, of the largest part
        alone, and of the best of all parts; 0 where a set is empty.
    """
    result = np.zeros((2, n_sets))
    rows, columns = ranks.max(axis=1), ranks.max(axis=0)
    held = np.bincount(ranks.ravel(), minlength=n_sets + 1)
    for index in range(int(rows.max())):
        if index and not held[index]:  # the same pixels as before
            result[:, index] = result[:, index - 1]
            continue
        y, x = np.flatnonzero(rows > index), np.flatnonzero(columns > index)
        found = parts(ranks[y[0] : y[-1] + 1, x[0] : x[-1] + 1] > index)
        each = overlaps(found.corners + np.array([x[0], y[0]] * 2), truth).max(axis=1)
        result[:, index] = each[found.largest], each.max()
    return result
