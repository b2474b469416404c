"""How often maps find their objects, from counts that add up over images.

What is scored is a pair of an image and a class that it shows. At a threshold, a pair is found
where a box around the map overlaps one of the class's true boxes by at least a bound.

Source: CorLoc after Deselaers et al. (IJCV 2012); MaxBoxAcc, MaxBoxAccV2 and PxAP after Choe et al.
(CVPR 2020), of exact pixel areas where their published code counts a pixel more each way.
"""

from __future__ import annotations

import numpy as np

from .metrics import mean_defined, ratio

BOUNDS = (0.3, 0.5, 0.7)  # of intersection over union; V2 averages over them
USUAL_BOUND = 1  # the place of .5, the bound of MaxBoxAcc and CorLoc
LARGEST, EVERY = 0, 1  # which boxes of a map are looked at: MaxBoxAcc's and V2's
PIXEL_BINS = 1000  # of a pixel's score, for PxAP


class BoxCounts:
    """How many pairs of each class are found at each threshold.

    Attributes:
        pairs: (C,) int64.
        found: (2, C, 3, T) int64, by the largest part or the best of all, class, bound, threshold.
    """

    def __init__(self, n_classes: int, n_thresholds: int) -> None:
        self.pairs = np.zeros(n_classes, np.int64)
        self.found = np.zeros((2, n_classes, len(BOUNDS), n_thresholds), np.int64)

    def add(self, index: int, overlap: np.ndarray) -> None:
        """Count a pair of class `index`: (2, T), as `boxes.best_overlaps` gives it."""
        self.pairs[index] += 1
        self.found[:, index] += overlap[:, None] >= np.array(BOUNDS)[:, None]

    def accuracy(self) -> np.ndarray:
        """(2, 3, T) float64: the share of all pairs that is found."""
        return ratio(self.found.sum(axis=1), np.full(self.found[:, 0].shape, self.pairs.sum()))

    def accuracy_of_class(self) -> np.ndarray:
        """(2, C, 3, T) float64: the same of each class, NaN for one without pairs."""
        below = np.broadcast_to(self.pairs[None, :, None, None], self.found.shape)
        return ratio(self.found, below)

    def corloc(self, place: int) -> float:
        """The mean over classes of the share that the one box of a map finds, at a threshold."""
        return mean_defined(self.accuracy_of_class()[LARGEST, :, USUAL_BOUND, place])


class PixelCounts:
    """Scores of pixels inside and outside the true masks of their class, all pairs pooled.

    Attributes:
        bins: (2, C, 1001) int64: outside and inside, class, score in thousandths of the maximum.
    """

    def __init__(self, n_classes: int) -> None:
        self.bins = np.zeros((2, n_classes, PIXEL_BINS + 1), np.int64)

    def add(self, index: int, score: np.ndarray, inside: np.ndarray) -> None:
        """Count pixels of a pair: (P,) float32, not negative, and (P,) bool."""
        top = score.max(initial=np.float32(0))
        share = score / top if top > 0 else score
        place = (share * np.float32(PIXEL_BINS)).astype(np.intp)
        for side, of_side in enumerate((~inside, inside)):
            self.bins[side, index] += np.bincount(place[of_side], minlength=PIXEL_BINS + 1)

    def precision(self) -> float:
        """PxAP: the average precision of all pixels."""
        return average_precision(*self.bins.sum(axis=1))

    def precision_of_class(self) -> np.ndarray:
        """(C,) float64, NaN for a class of which no pixel is true."""
        pairs = self.bins.swapaxes(0, 1)
        return np.array([average_precision(*one) for one in pairs], np.float64)


def average_precision(outside: np.ndarray, inside: np.ndarray) -> float:
    """Precision weighted by the recall that each bin adds, from the highest score down.

    Args:
        outside, inside: (bins,) counts of the negatives and positives, by rising score.

    Returns:
        within [0, 1]; NaN where there is no positive.

    >>> round(average_precision(np.array([3, 1]), np.array([2, 2])), 4)
    0.5833
    """
    hits, others = inside[::-1].cumsum(), outside[::-1].cumsum()
    if not hits[-1]:
        return float("nan")
    steps = np.diff(hits, prepend=0)
    return float((np.nan_to_num(ratio(hits, hits + others)) * steps).sum() / hits[-1])
