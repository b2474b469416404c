"""Tests by swapping, against plain loops, and their p-values where nothing differs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_core_bootstrap import (
    N,
    drawn_sizes,
    drawn_tallies,
    plain_iou,
    random_matrices,
    tallies_of,
)

from wsss_cli.core.bootstrap import ious, mean_ious
from wsss_cli.core.image_counts import TRUTH
from wsss_cli.core.permutation import holm, p_values, sign_flips, swaps


def difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(P, 1 + n) of mIoU and of each label."""
    mean = mean_ious(second, "union") - mean_ious(first, "union")
    return np.concatenate([mean[:, None], ious(second) - ious(first)], axis=1)


def two_systems(images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Matrices of two systems, of one truth: each row of an image sums to the same in both."""
    first = random_matrices(images, seed)
    rng = np.random.default_rng(seed + 1)
    return first, rng.permuted(first, axis=2)


def plain_p(first: np.ndarray, second: np.ndarray, flips: np.ndarray, label: int) -> float:
    """Matrix by matrix."""

    def apart(one: np.ndarray, two: np.ndarray) -> float:
        found = abs(plain_iou(two, label) - plain_iou(one, label))
        return 0.0 if np.isnan(found) else found

    observed = apart(first.sum(axis=0), second.sum(axis=0))
    reached = 0
    for flip in flips:
        one, two = np.zeros((N, N + 1)), np.zeros((N, N + 1))
        for image, swapped in enumerate(flip):
            one += second[image] if swapped else first[image]
            two += first[image] if swapped else second[image]
        assert (one.sum(axis=1) == first.sum(axis=(0, 2))).all()  # no true pixel goes or comes
        reached += apart(one, two) >= observed - 1e-12
    return (1 + reached) / (1 + len(flips))


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 6), st.integers(0, 999))
def test_p_values_are_those_of_a_plain_loop(images: int, seed: int) -> None:
    first, second = two_systems(images, seed)
    flips = np.concatenate([*swaps(images, 40, seed)])
    found = p_values(tallies_of(first), tallies_of(second), difference, 40, seed)
    for label in range(N):
        assert found[1 + label] == plain_p(first, second, flips, label)


def test_swaps_leave_the_truth_and_come_half_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (tallies_of(one) for one in two_systems(5, 2))
    assert (first[..., TRUTH] == second[..., TRUTH]).all()
    seen = []

    def watch(one: np.ndarray, two: np.ndarray) -> np.ndarray:
        seen.append((one, two))
        return difference(one, two)

    whole = p_values(first, second, watch, 300, 3)
    for one, two in seen:
        assert (one[..., TRUTH] == first.sum(axis=0)[:, TRUTH]).all()
        assert (one + two == (first + second).sum(axis=0)).all()
    drawn = np.concatenate([*swaps(4, 10_000, 0)])
    assert set(np.unique(drawn)) == {0, 1}
    assert drawn.mean(axis=0) == pytest.approx([0.5] * 4, abs=0.02)
    monkeypatch.setattr("wsss_cli.core.permutation.BLOCK", 5 * 7)
    assert (p_values(first, second, difference, 300, 3) == whole).all()


def test_equal_systems_are_never_told_apart() -> None:
    first = tallies_of(random_matrices(6, 4))
    assert (p_values(first, first, difference, 99, 0) == 1).all()
    one, other = (tallies_of(matrices) for matrices in two_systems(1, 4))
    assert (p_values(one, other, difference, 99, 0) == 1).all()  # one image: swapped it mirrors


def test_which_comes_first_makes_no_difference() -> None:
    first, second = (tallies_of(matrices) for matrices in two_systems(8, 5))
    found = p_values(first, second, difference, 200, 1)
    assert (p_values(second, first, difference, 200, 1) == found).all()


def test_a_system_that_is_better_everywhere_is_found() -> None:
    rng = np.random.default_rng(0)
    first = drawn_tallies(rng, drawn_sizes(rng, 30))
    second = first.copy()
    second[..., 0] *= 0.5  # half of the hits become misses
    second[..., 2] -= second[..., 0]
    assert p_values(first, second, difference, 999, 0)[0] == 1 / 1000


def test_p_values_are_uniform_where_nothing_differs() -> None:
    rng = np.random.default_rng(7)
    found = []
    for number in range(600):
        size = drawn_sizes(rng, 24)
        first, second = drawn_tallies(rng, size), drawn_tallies(rng, size)
        found.append(p_values(first, second, difference, 199, number)[0])
    places = np.sort(found)
    even = np.arange(1, 601) / 600
    assert np.abs(places - even).max() < 0.06  # Kolmogorov-Smirnov: 1.5 / sqrt(600)
    assert 0.03 <= (places <= 0.05).mean() <= 0.07


def plain_holm(p: list[float]) -> list[float]:
    """The least level at which a step-down test rejects each."""
    order = sorted(range(len(p)), key=lambda k: p[k])
    found, last = [0.0] * len(p), 0.0
    for step, k in enumerate(order):
        last = max(last, min(1.0, p[k] * (len(p) - step)))
        found[k] = last
    return found


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holms_are_those_of_a_plain_loop(p: list[float]) -> None:
    found = holm(np.array(p))
    assert found.tolist() == plain_holm(p)
    assert (found >= np.array(p)).all()


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_signs_are_flipped_in_all_ways(n: int) -> None:
    values = np.random.default_rng(n).normal(0.3, 1, n)
    flipped = [abs(sum(np.array(s) * values)) for s in itertools.product([1, -1], repeat=n)]
    reached = sum(one >= abs(values.sum()) - 1e-9 for one in flipped)
    assert sign_flips(values) == reached / 2**n
    assert sign_flips(np.abs(values)) == 2 / 2**n  # the least that there is
    assert sign_flips(np.zeros(n)) == 1
