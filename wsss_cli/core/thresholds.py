"""A threshold for maps that no mask has a say in."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

DIGITS = 4  # that a threshold is rounded to, so that it can be typed


def mean_threshold(maps: Iterable[np.ndarray]) -> float:
    """The mean over all cells of the score of the class that is strongest there.

    Flat maps have a high mean, and need a high threshold. Images without a class have no say:
    whatever the threshold, they are background.

    Args:
        maps: of each image (K, h, w) float in [0, 1], h, w >= 1, K >= 0.

    Returns:
        The threshold in [0, 1], rounded to `DIGITS`.

    Raises:
        ValueError: no image has a class, or all scores are 0.

    Source: the mean as a threshold of a histogram (Glasbey, CVGIP: Graphical Models and Image
    Processing 1993), of the scores of all images together.

    >>> mean_threshold([np.array([[[0.9, 0.1]], [[0.2, 0.3]]]), np.zeros((0, 4, 4))])
    0.6
    """
    total, cells = 0.0, 0
    for one in maps:
        if len(one):
            strongest = one.max(axis=0)
            total += float(strongest.sum(dtype=np.float64))
            cells += strongest.size
    if total == 0:
        raise ValueError("all scores are 0" if cells else "no image has a class")
    return round(total / cells, DIGITS)
