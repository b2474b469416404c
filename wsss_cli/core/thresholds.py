"""A threshold for maps that no mask has a say in: a function of the histogram of their scores."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

BINS = 256  # of equal width, over 0..1
DIGITS = 4  # that a threshold is rounded to, so that it can be typed


def histogram_of(maps: Iterable[np.ndarray]) -> np.ndarray:
    """How many cells have which score of the class that is strongest there.

    Images without a class have no say: whatever the threshold, they are background.

    Args:
        maps: of each image (K, h, w) float in [0, 1].

    Returns:
        (BINS,) int64; it is the same in whatever order images come, and parts add up.

    >>> np.flatnonzero(histogram_of([np.array([[[0.9, 0.1]], [[0.2, 0.3]]])])).tolist()
    [76, 230]
    """
    counts: np.ndarray = np.zeros(BINS, np.int64)
    for one in maps:
        if len(one):
            places = (one.max(axis=0) * BINS).astype(np.intp).ravel()
            counts += np.bincount(np.minimum(places, BINS - 1), minlength=BINS)
    return counts


def otsu_cut(histogram: np.ndarray) -> int:
    """How many of the lowest bins form the lower class, by Otsu's rule.

    The cut leaves the greatest variance between the two classes, which is the least within them;
    of equal cuts the lowest.

    Args:
        histogram: (n,) counts.

    Raises:
        ValueError: fewer than two bins hold anything.

    Source: Otsu (IEEE Transactions on Systems, Man and Cybernetics, 1979).

    >>> otsu_cut(np.array([5, 5, 0, 0, 3]))
    2
    """
    count = histogram.astype(np.float64).cumsum()
    total = (histogram * np.arange(len(histogram), dtype=np.float64)).cumsum()
    if count[-1] == 0:
        raise ValueError("there are no scores")
    if (histogram > 0).sum() < 2:
        raise ValueError("all scores are alike")
    low, high = count[:-1], count[-1] - count[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (total[:-1] / low - (total[-1] - total[:-1]) / high) ** 2 * low * high
    return int(np.argmax(np.where((low > 0) & (high > 0), between, -1.0))) + 1


def two_class_threshold(histogram: np.ndarray) -> float:
    """The threshold between the means of the two classes that Otsu's rule parts scores into.

    It is the logarithmic mean of both, where the cross-entropy is least between scores and the
    means that stand for them. It lies below Otsu's own, which is about halfway, and the more so the
    nearer the lower class is to 0: flat maps have a high threshold, peaked ones a low one. How many
    scores are in either class hardly matters, so large objects need not have another than small.

    Args:
        histogram: (BINS,) counts, as `histogram_of` gives them.

    Returns:
        The threshold in 0..1, rounded to `DIGITS`.

    Raises:
        ValueError: no scores, or all alike.

    Source: Otsu (1979) for the classes; Li and Tam (Pattern Recognition Letters, 1998) for the
    threshold between two means, of which this is one step.

    >>> two_class_threshold(np.bincount([25, 230], minlength=BINS))
    0.3637
    """
    cut = otsu_cut(histogram)
    centres = (np.arange(BINS) + 0.5) / BINS  # never 0, so that there is a logarithm
    low = np.average(centres[:cut], weights=histogram[:cut])
    high = np.average(centres[cut:], weights=histogram[cut:])
    return round(float((high - low) / np.log(high / low)), DIGITS)
