"""Tests of two systems on the same images: would their difference come about by chance?

Null hypothesis: which of the two systems an image's prediction is from makes no difference. Then
each image's two predictions may be swapped. Both are scored against the same truth, so a swap
leaves the true pixels of every label as they are: no label can vanish, as in a resample.

Source: Good, Permutation, Parametric and Bootstrap Tests of Hypotheses (2005), chapter 3; Holm, A
Simple Sequentially Rejective Multiple Test Procedure (Scandinavian Journal of Statistics 6, 1979).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .bootstrap import BLOCK

TOLERANCE = 1e-12  # below which two differences are equal: sums are rounded in other orders

# (P, n, 3) sums of the first system and of the second -> (P, m) differences
Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]


def swaps(units: int, permutations: int, seed: int) -> Iterator[np.ndarray]:
    """Which units are swapped, a block of permutations at a time.

    Yields:
        (b, units) float64, 0 or 1, each with probability one half.
    """
    rng = np.random.default_rng([seed, 2])
    rows = max(1, BLOCK // units)
    for start in range(0, permutations, rows):
        count = min(rows, permutations - start)
        yield rng.integers(0, 2, (count, units)).astype(np.float64)


def p_values(
    first: np.ndarray, second: np.ndarray, statistic: Statistic, permutations: int, seed: int
) -> np.ndarray:
    """Two-sided p of each difference, (1 + those at least as large) / (1 + permutations).

    Args:
        first, second: (I, ..., 3) tallies of the two systems. Whatever stands between the first
            and the last axis is swapped together: labels, trainings.
        statistic: gives differences of sums, m at a time; NaN counts as no difference.

    Returns:
        (m,) float64 in (0, 1].
    """
    observed = np.abs(statistic(first.sum(axis=0)[None], second.sum(axis=0)[None]))[0]
    shape = first.shape[1:]
    apart = (second - first).reshape(len(first), -1).astype(np.float64)
    total, start = first.sum(axis=0) + second.sum(axis=0), first.sum(axis=0)
    reached: np.ndarray = np.zeros(observed.shape, np.int64)
    for swapped in swaps(len(first), permutations, seed):
        sums = start + (swapped @ apart).reshape(len(swapped), *shape)
        differences = np.nan_to_num(np.abs(statistic(sums, total - sums)))
        reached += (differences >= np.nan_to_num(observed) - TOLERANCE).sum(axis=0)
    found: np.ndarray = (1 + reached) / (1 + permutations)
    return found


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values: the chance of one false alarm among all stays below each.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    scaled = p[order] * np.arange(len(p), 0, -1)
    found: np.ndarray = np.empty(len(p))
    found[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return found


def sign_flips(differences: np.ndarray) -> float:
    """Two-sided p of the mean of S paired differences, of all 2^S ways to flip their signs.

    It cannot be below 2 / 2^S: 1/4 of three pairs, 1/16 of five.

    >>> sign_flips(np.array([1.0, 2.0, 3.0])), sign_flips(np.array([1.0, -1.0]))
    (0.25, 1.0)
    """
    n = len(differences)
    sums = np.zeros(1)
    for one in differences:
        sums = np.concatenate([sums + one, sums - one])
    reached = np.abs(sums) >= abs(differences.sum()) - TOLERANCE * n
    return float(reached.mean())
