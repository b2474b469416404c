"""Intervals of IoU and mean IoU, by drawing the images anew.

mIoU is a function of summed counts, so a resample weighs each image's counts with the times that it
was drawn, and sums. Counts are whole numbers that float64 holds exactly, in whatever order a matrix
product adds them: the same seed gives the same bits on any number of threads.

`tallies` are (I, n, 3) int64 of `image_counts`: hits, true pixels and predicted pixels of each of n
labels in each of I images, or of each of I groups of images that are drawn together.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .image_counts import HIT, PREDICTED, TRUTH

LEVEL = 0.95  # of the intervals
BLOCK = 1 << 21  # weights held at a time, 16 MB


def weights(units: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each of `units` is drawn in each of `draws` resamples, a block of them at a time.

    Yields:
        (b, units) float64 whole numbers; each row sums to `units`.
    """
    rng = np.random.default_rng(seed)
    rows = max(1, BLOCK // units)
    for start in range(0, draws, rows):
        count = min(rows, draws - start)
        drawn = rng.integers(0, units, (count, units))
        drawn += np.arange(count)[:, None] * units
        times = np.bincount(drawn.ravel(), minlength=count * units)
        yield times.reshape(count, units).astype(np.float64)


def summed(weight: np.ndarray, tallies: np.ndarray) -> np.ndarray:
    """(b, n, 3) float64 whole numbers: each resample's sums, of (b, I) weights."""
    flat = tallies.reshape(len(tallies), -1).astype(np.float64)
    return (weight @ flat).reshape(len(weight), *tallies.shape[1:])


def union(sums: np.ndarray) -> np.ndarray:
    """(..., n): pixels that truth or prediction gives a label."""
    found: np.ndarray = sums[..., TRUTH] + sums[..., PREDICTED] - sums[..., HIT]
    return found


def ious(sums: np.ndarray) -> np.ndarray:
    """(..., n) float64 IoU; NaN for a label that the truth does not hold.

    >>> ious(np.array([[1, 2, 3], [0, 0, 5]]))
    array([0.25,  nan])
    """
    held = sums[..., TRUTH] > 0
    found: np.ndarray = np.full(held.shape, np.nan)
    return np.divide(sums[..., HIT], union(sums), out=found, where=held)


def averaged(sums: np.ndarray, rule: str) -> np.ndarray:
    """(..., n) bool: the labels that a rule of `metrics.scores` has the mean IoU average.

    Raises:
        KeyError: an unknown rule.
    """
    every: np.ndarray = np.ones(sums.shape[:-1], bool)
    found: np.ndarray = {"union": union(sums) > 0, "truth": sums[..., TRUTH] > 0, "all": every}[
        rule
    ]
    return found


def mean_ious(sums: np.ndarray, rule: str) -> np.ndarray:
    """(...) mean IoU of (..., n, 3) sums, by a rule of `metrics.scores`."""
    found: np.ndarray = np.nan_to_num(ious(sums)).sum(axis=-1) / averaged(sums, rule).sum(axis=-1)
    return found


@dataclass(frozen=True)
class LabelSet:
    """The labels that a mean IoU averages, fixed before images are drawn.

    Left to each resample, a rare label would drop out of some means: they would be means of other
    labels.

    Attributes:
        held: (n,) bool, those that the truth holds; a resample without one of them has no mIoU.
        size: how many are averaged; those beyond `held` count as 0.
    """

    held: np.ndarray
    size: int

    @classmethod
    def of(cls, sums: np.ndarray, rule: str) -> LabelSet:
        """Of the sums of all images, (n, 3), by a rule of `metrics.scores`."""
        return cls(sums[:, TRUTH] > 0, int(averaged(sums, rule).sum()))

    def mean(self, found: np.ndarray) -> np.ndarray:
        """(...) mean IoU, of (..., n) IoU; NaN where one of `held` is."""
        mean: np.ndarray = found[..., self.held].sum(axis=-1) / self.size
        return mean


def interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float] | None:
    """The percentile interval of resamples; those that are NaN are left out.

    Returns:
        Its ends, or None if nothing is left.

    >>> interval(np.array([0, 1, 2, 3, np.nan, 4]), 0.5)
    (1.0, 3.0)
    """
    left = values[~np.isnan(values)]
    if not left.size:
        return None
    low, high = np.quantile(left, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def by_cluster(tallies: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """(G, n, 3): tallies summed over the images of each cluster.

    Args:
        tallies: (I, n, 3).
        cluster: (I,) numbers 0..G-1, each of them there.
    """
    found: np.ndarray = np.zeros((int(cluster.max(initial=-1)) + 1, *tallies.shape[1:]), np.int64)
    np.add.at(found, cluster, tallies)
    return found


def resampled(tallies: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """(draws, n) IoU of each label in each resample; NaN in one that lacks the label."""
    return np.concatenate([ious(summed(w, tallies)) for w in weights(len(tallies), draws, seed)])


def over_seeds(means: np.ndarray, seed: int, widened: bool = True) -> np.ndarray:
    """Draw trainings, too: the second level of the hierarchical bootstrap.

    Each resample of images draws S of the S trainings, with replacement, and averages them. Drawn
    means of S values have (S - 1) / S of the variance that they should have; `widened` sets the
    trainings' deviations apart by the root of S / (S - 1).

    Args:
        means: (draws, S) a figure of each training in each resample of images.

    Returns:
        (draws,) the drawn trainings' mean.

    Source of the widening: Hesterberg, What Teachers Should Know About the Bootstrap (The American
    Statistician 69, 2015), "narrowness bias".
    """
    draws, trainings = means.shape
    drawn = np.random.default_rng([seed, 1]).integers(0, trainings, (draws, trainings))
    centre = means.mean(axis=1)
    away = np.take_along_axis(means, drawn, axis=1).mean(axis=1) - centre
    factor = np.sqrt(trainings / (trainings - 1)) if widened and trainings > 1 else 1.0
    found: np.ndarray = centre + factor * away
    return found
