"""How well outlines agree: Boundary IoU and boundary F of label maps.

Both compare the neighbourhood of outlines only, so that a large object's inside says nothing.
Void pixels (IGNORE in the truth) have no label of their own, yet outlines often run through them.
They take the label of the nearest pixel that is not void, in the truth and in the prediction
alike (`fill_void`). So what the prediction says there is of no account, void makes no outline
where both sides of it agree, and a prediction that is right on all other pixels is perfect.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .labels import IGNORE


@dataclass(frozen=True)
class Pair:
    """A true and a predicted label map of one image, void filled in both.

    Attributes:
        truth, pred: (H, W) uint8.
        counted: (H, W) bool, the pixels that are not void in the truth.
    """

    truth: np.ndarray
    pred: np.ndarray
    counted: np.ndarray

    def held(self, n_labels: int) -> tuple[np.ndarray, np.ndarray]:
        """(n_labels,) bool each: the labels that the truth holds, and the prediction."""
        found = (np.bincount(m[self.counted], minlength=256) for m in (self.truth, self.pred))
        truth, pred = (counts[:n_labels] > 0 for counts in found)
        return truth, pred


def fill_void(truth: np.ndarray, pred: np.ndarray) -> Pair:
    """Both maps with the pixels that are IGNORE in `truth` given the label of the nearest other.

    Nearest is by Euclidean distance; of equally near ones it is the same in both maps. Where all
    is void, nothing is counted.

    Args:
        truth, pred: (H, W) uint8 labels; IGNORE in `pred` is a label like another.

    >>> pair = fill_void(np.array([[1, 255, 255, 0]], np.uint8), np.array([[1, 9, 9, 1]], np.uint8))
    >>> pair.truth.tolist(), pair.pred.tolist()
    ([[1, 1, 0, 0]], [[1, 1, 1, 1]])
    """
    void = truth == IGNORE
    if void.all() or not void.any():
        return Pair(truth, pred, ~void)
    from scipy.ndimage import distance_transform_edt

    # What is nearest lies in the box around the void, or on the edge about it.
    box = tuple(
        slice(max(0, int(places[0]) - 1), int(places[-1]) + 2)
        for places in (np.flatnonzero(void.any(axis=axis)) for axis in (1, 0))
    )
    nearest = distance_transform_edt(void[box], return_distances=False, return_indices=True)
    filled = [truth.copy(), pred.copy()]
    for label in filled:
        label[box] = label[box][tuple(nearest)]
    return Pair(filled[0], filled[1], ~void)


def diagonal(shape: tuple[int, int]) -> float:
    """Pixels from corner to corner of an image."""
    height, width = shape
    return math.sqrt(height * height + width * width)


def band_width(shape: tuple[int, int], ratio: float) -> int:
    """Pixels that Boundary IoU's band is wide: `ratio` of the diagonal, rounded, at least 1.

    A half rounds to the even number, as in the published code.

    >>> band_width((375, 500), 0.02), band_width((8, 6), 0.02)
    (12, 1)
    """
    return max(1, round(ratio * diagonal(shape)))


def in_band(label: np.ndarray, width: int) -> np.ndarray:
    """(H, W) bool: pixels that an erosion of their own label's mask by `width` pixels removes.

    That is, those with another label, or the image's edge, at most `width` pixels away
    (chessboard distance). It is the published code's mask minus its erosion by a 3x3 square,
    `width` times over in a frame of zeros, for all labels at once.

    Args:
        label: (H, W) uint8.
        width: 1 or more.

    >>> in_band(np.array([[1, 1, 1, 1, 1]] * 3, np.uint8), 1).astype(int).tolist()
    [[1, 1, 1, 1, 1], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]]
    """
    band = np.ones(label.shape, bool)
    height, across = (size - 2 * width for size in label.shape)
    if height > 0 and across > 0:
        low = high = label
        for axis in (0, 1):
            low = _sliding(np.minimum, low, 2 * width + 1, axis)
            high = _sliding(np.maximum, high, 2 * width + 1, axis)
        band[width : width + height, width : width + across] = low != high
    return band


def _sliding(
    extreme: Callable[..., np.ndarray], values: np.ndarray, window: int, axis: int
) -> np.ndarray:
    """The minima or maxima of all windows that lie inside, in log2(window) steps."""
    values, reached = np.moveaxis(values, axis, 0), 1
    while reached < window:
        step = min(reached, window - reached)
        values = extreme(values[:-step], values[step:])
        reached += step
    return np.moveaxis(values, 0, axis)


def band_counts(pair: Pair, n_labels: int, width: int) -> np.ndarray:
    """(n_labels, 2) int64: pixels in both bands of each label, and in either. They add up.

    The first over the second is the Boundary IoU of a label (Cheng et al., CVPR 2021).
    """
    bands = [in_band(label, width) & pair.counted for label in (pair.truth, pair.pred)]
    both = bands[0] & bands[1] & (pair.truth == pair.pred)
    shared, *sizes = (
        np.bincount(label[band], minlength=256)[:n_labels]
        for label, band in zip((pair.truth, pair.truth, pair.pred), (both, *bands), strict=True)
    )
    return np.stack([shared, sizes[0] + sizes[1] - shared], axis=1)


def contour(label: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels with another label above, below, left or right.

    The image's edge is no contour.

    >>> contour(np.array([[0, 0, 1, 1]], np.uint8)).tolist()
    [[False, True, True, False]]
    """
    found = np.zeros(label.shape, bool)
    for axis in (0, 1):
        ours, here = np.moveaxis(label, axis, 0), np.moveaxis(found, axis, 0)
        differs = ours[:-1] != ours[1:]
        here[:-1] |= differs
        here[1:] |= differs
    return found


def contour_counts(pair: Pair, n_labels: int, tolerance: float) -> np.ndarray:
    """(n_labels, 4) int64: contour pixels predicted, of these right, true ones, of these found.

    A contour pixel of a label is right, or found, where the other map has one of the same label
    less than `tolerance` of the image's diagonal away (Csurka et al., BMVC 2013). Contours
    through void count, as `fill_void` draws them.
    """
    height, width = pair.truth.shape
    reach = tolerance * diagonal((height, width))
    counts = np.zeros((n_labels, 4), np.int64)
    places, labels = [], []
    for label in (pair.truth, pair.pred):
        flat = np.flatnonzero(contour(label))
        places.append(np.stack(np.divmod(flat, width), axis=1))
        labels.append(label.ravel()[flat])
    for value in np.intersect1d(labels[0], labels[1]):
        if value < n_labels:
            true, predicted = (p[of == value] for p, of in zip(places, labels, strict=True))
            counts[value, 1] = _near(predicted, true, reach)
            counts[value, 3] = _near(true, predicted, reach)
    for column, found in ((0, labels[1]), (2, labels[0])):
        counts[:, column] = np.bincount(found, minlength=256)[:n_labels]
    return counts


def _near(points: np.ndarray, others: np.ndarray, reach: float) -> int:
    """How many of `points` have one of `others` nearer than `reach` pixels."""
    from scipy.spatial import cKDTree

    # Farther ones are not looked for; squares of whole numbers then decide without rounding.
    _, nearest = cKDTree(others).query(points, distance_upper_bound=reach + 1)
    there = nearest < len(others)
    squared = ((points[there] - others[nearest[there]]) ** 2).sum(axis=1)
    return int((squared < reach * reach).sum())


def boundary_f(counts: np.ndarray, in_truth: np.ndarray, in_pred: np.ndarray) -> np.ndarray:
    """(n,) float64 F = 2PR / (P + R) of each label in one image, of its `contour_counts`.

    P is the share of predicted contour pixels that are right, R that of true ones that are found.
    A label that one map alone holds has 0, one that neither holds NaN. One that both hold without
    a contour, as where it fills the image, has 1; where only one has a contour, 0.

    >>> held = np.array([True])
    >>> boundary_f(np.array([[4, 4, 4, 2]]), held, held).round(3)
    array([0.667])
    """
    predicted, right, true, found = counts.astype(np.float64).T
    # 2PR / (P + R) without division by zero: P = right / predicted, R = found / true.
    above = 2 * right * found
    below = right * true + found * predicted
    f = np.divide(above, below, out=np.zeros(len(counts)), where=below > 0)
    f[in_truth & in_pred & (predicted == 0) & (true == 0)] = 1
    f[~in_truth & ~in_pred] = np.nan
    return f
