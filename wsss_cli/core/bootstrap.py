"""Intervals of IoU and mean IoU, by weighing the images anew.

mIoU is a function of summed counts. The Bayesian bootstrap gives each image's counts a random
weight, and sums. Drawing images with replacement would do the same with whole weights, but many a
resample would then lack a label that few images hold. Here each image keeps some weight, and so
each resample has each label.

Weights are multiples of `GRAIN` and counts are whole numbers. float64 holds their sums exactly up
to 2^36 pixels (350,000 images of VOC), in whatever order a matrix product adds them: the same seed
gives the same bits on any number of threads.

`tallies` are (I, n, 3) int64 of `image_counts`: hits, true pixels and predicted pixels of each of n
labels in each of I images, or of each of I groups of images that are weighed together.

Source: Rubin, The Bayesian Bootstrap (Annals of Statistics 9, 1981).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .image_counts import HIT, PREDICTED, TRUTH

LEVEL = 0.95  # of the intervals
BLOCK = 1 << 21  # weights held at a time, 16 MB
GRAIN = 2.0**-16  # of weights
FEWEST = 1.5  # images that a label counts as in, of which one says nothing of how images differ


def weights(units: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """The weight of each of `units` in each of `draws` resamples, a block of them at a time.

    They are Dirichlet(1, ..., 1) times `units`: exponential variates over their mean.

    Yields:
        (b, units) float64 multiples of `GRAIN`, none 0; each row sums to `units`, but for rounding.
    """
    rng = np.random.default_rng(seed)
    rows = max(1, BLOCK // units)
    for start in range(0, draws, rows):
        drawn = rng.standard_exponential((min(rows, draws - start), units))
        drawn /= drawn.mean(axis=1, keepdims=True)
        yield np.maximum(np.rint(drawn / GRAIN), 1) * GRAIN


def summed(weight: np.ndarray, tallies: np.ndarray) -> np.ndarray:
    """(b, n, 3) float64: each resample's sums, of (b, I) weights."""
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
    """The labels that a mean IoU averages, the same in each resample.

    Attributes:
        held: (n,) bool, those that the truth holds.
        size: how many are averaged; those beyond `held` count as 0.
    """

    held: np.ndarray
    size: int

    @classmethod
    def of(cls, sums: np.ndarray, rule: str) -> LabelSet:
        """Of the sums of all images, (n, 3), by a rule of `metrics.scores`."""
        return cls(sums[:, TRUTH] > 0, int(averaged(sums, rule).sum()))

    def mean(self, found: np.ndarray) -> np.ndarray:
        """(...) mean IoU, of (..., n) IoU."""
        mean: np.ndarray = found[..., self.held].sum(axis=-1) / self.size
        return mean


def interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float] | None:
    """The percentile interval of resamples.

    Returns:
        Its ends, or None of a label that the truth does not hold: all are NaN.

    >>> interval(np.array([0, 1, 2, 3, 4]), 0.5)
    (1.0, 3.0)
    """
    if np.isnan(values).any():
        return None
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
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


def widening(tallies: np.ndarray) -> np.ndarray:
    """(n,) by how much the resamples of each label's IoU spread too little, at least 1.

    Means of k values, weighed at random, have (k - 1) / (k + 1) of the variance that the mean of k
    values has, on average. The factor is the root of the inverse. Images that hold more pixels of a
    label weigh more in its IoU: k is Kish's effective number, (sum of t)^2 / (sum of t^2) of true
    pixels t, and at least `FEWEST`.

    Source: Kish, Survey Sampling (1965), section 11.7.
    """
    true = tallies[..., TRUTH].astype(np.float64)
    squares = (true**2).sum(axis=0)
    many = np.divide(true.sum(axis=0) ** 2, squares, out=np.ones(len(squares)), where=squares > 0)
    many = np.maximum(many, FEWEST)
    found: np.ndarray = np.sqrt((many + 1) / (many - 1))
    return found


def resampled(tallies: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """(draws, n) IoU of each label in each resample; NaN for a label that the truth lacks.

    A ratio of few images is biased, and a resample's ratio is so once more. So the resamples, set
    apart by `widening`, are moved: their mean comes to lie as far on the other side of the IoU of
    all images.
    """
    point, wide = ious(tallies.sum(axis=0)), widening(tallies)
    blocks = weights(len(tallies), draws, seed)
    found = np.concatenate([ious(summed(weight, tallies)) for weight in blocks])
    mean = found.mean(axis=0)
    return np.clip(point - (mean - point) + wide * (found - mean), 0.0, 1.0)


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
