"""The threshold that maps choose by themselves, against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss_cli.core.thresholds import BINS, histogram_of, otsu_cut, two_class_threshold

COUNTS = st.lists(st.integers(0, 9), min_size=BINS, max_size=BINS).filter(
    lambda counts: sum(one > 0 for one in counts) > 1
)


def some_maps(seed: int, images: int = 5) -> list[np.ndarray]:
    """Maps as they are stored: float16 that became float32, of several sizes and classes."""
    rng = np.random.default_rng(seed)
    shapes = [(int(rng.integers(0, 4)), *rng.integers(1, 9, 2)) for _ in range(images)]
    shapes.append((1, 3, 2))
    return [rng.random(shape).astype(np.float16).astype(np.float32) for shape in shapes]


@given(seed=st.integers(0, 1000), images=st.integers(0, 6))
def test_the_histogram_counts_the_strongest_scores(seed: int, images: int) -> None:
    maps = some_maps(seed, images)
    plain = [0] * BINS
    for one in maps:
        for y, x in np.ndindex(*one.shape[1:]):
            if len(one):
                strongest = max(float(one[k, y, x]) for k in range(len(one)))
                plain[min(math.floor(strongest * BINS), BINS - 1)] += 1
    assert histogram_of(maps).tolist() == plain


@given(seed=st.integers(0, 1000))
def test_order_and_parts_change_nothing(seed: int) -> None:
    maps = some_maps(seed)
    whole = histogram_of(maps)
    np.testing.assert_array_equal(histogram_of(maps[::-1]), whole)
    np.testing.assert_array_equal(histogram_of(maps[:2]) + histogram_of(maps[2:]), whole)
    rows = [part for one in maps for part in np.split(one, range(1, one.shape[1]), axis=1)]
    np.testing.assert_array_equal(histogram_of(rows), whole)
    np.testing.assert_array_equal(histogram_of([*maps, np.zeros((0, 9, 9))]), whole)


def within(counts: list[int], cut: int) -> float:
    """The sum of squared distances of all scores from the mean of their class."""
    total = 0.0
    for part in (range(cut), range(cut, len(counts))):
        scores = [bin_ for bin_ in part for _ in range(counts[bin_])]
        if not scores:
            return math.inf
        mean = sum(scores) / len(scores)
        total += sum((score - mean) ** 2 for score in scores)
    return total


@given(st.lists(st.integers(0, 6), min_size=2, max_size=12))
def test_otsus_cut_is_the_best_of_all(counts: list[int]) -> None:
    if sum(one > 0 for one in counts) < 2:
        with pytest.raises(ValueError, match="scores"):
            otsu_cut(np.array(counts))
        return
    cut = otsu_cut(np.array(counts))
    best = min(within(counts, other) for other in range(1, len(counts)))
    assert within(counts, cut) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize(
    ("counts", "cut"),
    [([1, 1], 1), ([4, 0, 0, 1], 1), ([9, 9, 0, 0, 1], 2), ([1, 0, 1, 0, 9, 9], 3)],
)
def test_cuts_by_hand(counts: list[int], cut: int) -> None:
    assert otsu_cut(np.array(counts)) == cut


def plain_threshold(counts: list[int]) -> float:
    cut = otsu_cut(np.array(counts))
    means = []
    for part in (range(cut), range(cut, BINS)):
        scores = [(bin_ + 0.5) / BINS for bin_ in part for _ in range(counts[bin_])]
        means.append(sum(scores) / len(scores))
    return (means[1] - means[0]) / (math.log(means[1]) - math.log(means[0]))


@given(COUNTS)
def test_the_threshold_lies_between_the_means_and_is_their_logarithmic_one(
    counts: list[int],
) -> None:
    found = two_class_threshold(np.array(counts))
    assert found == pytest.approx(plain_threshold(counts), abs=6e-5)  # of rounding
    assert two_class_threshold(3 * np.array(counts)) == found  # however many there are


def peaks(*where: float) -> np.ndarray:
    return np.bincount([int(score * BINS) for score in where], minlength=BINS)


def test_flat_maps_have_a_higher_threshold_than_peaked_ones() -> None:
    flat, peaked = peaks(0.25, 0.75), peaks(0.03125, 0.75)
    assert two_class_threshold(flat) == pytest.approx(0.5 / math.log(3), abs=5e-3)
    assert two_class_threshold(peaked) < 0.25 < two_class_threshold(flat) < 0.5


def test_how_large_the_objects_are_changes_nothing_between_two_scores() -> None:
    few, many = peaks(*[0.1] * 9, 0.8), peaks(0.1, *[0.8] * 9)
    assert two_class_threshold(few) == two_class_threshold(many)


def test_between_the_means_it_costs_the_least_cross_entropy() -> None:
    """A score x costs m - x ln m where a mean m stands for it: the lower one's below the
    threshold, the upper one's above; at the threshold both are equal."""
    low, high = (25 + 0.5) / BINS, (200 + 0.5) / BINS
    found = two_class_threshold(np.bincount([25, 200], minlength=BINS))
    assert low - found * math.log(low) == pytest.approx(high - found * math.log(high), abs=2e-4)


def test_maps_that_say_nothing() -> None:
    for maps in ([], [np.zeros((0, 4, 4))]):
        with pytest.raises(ValueError, match="there are no scores"):
            two_class_threshold(histogram_of(maps))
    for value in (0.0, 0.3, 1.0):
        with pytest.raises(ValueError, match="all scores are alike"):
            two_class_threshold(histogram_of([np.full((2, 4, 4), value)]))
    even = two_class_threshold(np.ones(BINS, np.int64))
    assert even == pytest.approx(0.5 / math.log(3), abs=1e-3)  # of 0.25 and 0.75
