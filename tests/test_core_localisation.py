"""Counts of found pairs and pixels, against plain loops; what must hold of any of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss_cli.core.localisation import BOUNDS, BoxCounts, PixelCounts, average_precision

T, C = 7, 3


def drawn(seed: int, count: int = 20) -> list[tuple[int, np.ndarray]]:
    """Pairs of a class and (2, T) overlaps, the best of all parts no worse than the largest."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        largest = rng.integers(0, 11, T) / 10  # on the bounds too
        pairs.append((int(rng.integers(0, 2)), np.stack([largest, np.maximum(largest, 0.4)])))
    return pairs


def counted(pairs: list[tuple[int, np.ndarray]]) -> BoxCounts:
    counts = BoxCounts(C, T)
    for index, overlap in pairs:
        counts.add(index, overlap)
    return counts


@pytest.mark.parametrize("seed", range(3))
def test_accuracies_equal_a_plain_count(seed: int) -> None:
    pairs = drawn(seed)
    counts = counted(pairs)
    accuracy, of_class = counts.accuracy(), counts.accuracy_of_class()
    for way, bound, place in np.ndindex(2, len(BOUNDS), T):
        hits = [overlap[way, place] >= BOUNDS[bound] for _, overlap in pairs]
        assert accuracy[way, bound, place] == pytest.approx(sum(hits) / len(hits), abs=1e-12)
        for index in range(2):
            mine = [hit for hit, pair in zip(hits, pairs, strict=True) if pair[0] == index]
            expected = sum(mine) / len(mine)
            assert of_class[way, index, bound, place] == pytest.approx(expected, abs=1e-12)
    for place in range(T):
        shares = []
        for index in range(2):
            mine = [overlap[0, place] >= 0.5 for found, overlap in pairs if found == index]
            shares.append(sum(mine) / len(mine))
        assert counts.corloc(place) == pytest.approx(sum(shares) / 2, abs=1e-12)
    assert np.isnan(of_class[:, 2]).all()  # a class of no pair


def test_the_invariants_of_localisation() -> None:
    pairs = drawn(5, 40)
    accuracy = counted(pairs).accuracy()
    assert accuracy.max() <= 1
    assert (accuracy[0] <= accuracy[1]).all()  # the largest part is one of all
    assert (np.diff(accuracy, axis=1) <= 0).all()  # a higher bound is harder
    assert (counted(pairs[::-1]).found == counted(pairs).found).all()
    first, second = counted(pairs[:13]), counted(pairs[13:])
    assert (first.found + second.found == counted(pairs).found).all()
    assert (first.pairs + second.pairs == counted(pairs).pairs).all()


def plain_precision(score: list[float], inside: list[bool]) -> float:
    """Average precision over distinct scores, from the highest down."""
    total, before, result = sum(inside), 0.0, 0.0
    for value in sorted(set(score), reverse=True):
        kept = [i for s, i in zip(score, inside, strict=True) if s >= value]
        recall = sum(kept) / total
        result += sum(kept) / len(kept) * (recall - before)
        before = recall
    return result


pixels = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=30)


@given(pixels)
def test_pxap_equals_a_plain_loop(rows: list[tuple[int, bool]]) -> None:
    counts = PixelCounts(1)
    score, inside = [r[0] / 8 for r in rows], [r[1] for r in rows]
    counts.add(0, np.array(score, np.float32), np.array(inside))
    if not any(inside):
        assert math.isnan(counts.precision())
        return
    top = max(score)
    share = [s / top if top else s for s in score]
    assert counts.precision() == pytest.approx(plain_precision(share, inside), abs=1e-12)
    assert counts.precision() <= 1 + 1e-12


def test_a_perfect_map_has_pxap_one_and_a_flat_one_the_share_of_its_object() -> None:
    inside = np.arange(50) < 20
    perfect, flat = PixelCounts(2), PixelCounts(2)
    perfect.add(1, inside.astype(np.float32) / 3, inside)
    flat.add(1, np.zeros(50, np.float32), inside)
    assert perfect.precision() == 1
    assert flat.precision() == pytest.approx(0.4)
    of_class = perfect.precision_of_class()
    assert math.isnan(of_class[0])
    assert of_class[1] == 1


def test_pxap_asks_for_the_order_alone_and_adds_up() -> None:
    rng = np.random.default_rng(0)
    score = np.unique(rng.integers(0, 900, 200)).astype(np.float32)
    inside = rng.random(len(score)) < (score / 1800 + 0.2)
    one, bent, twice = PixelCounts(1), PixelCounts(1), PixelCounts(1)
    place = np.arange(len(score))  # as many distinct scores, in the same order
    one.add(0, score / score.max(), inside)
    bent.add(0, (place / place.max()).astype(np.float32), inside)
    assert one.precision() == pytest.approx(bent.precision(), abs=1e-12)
    twice.add(0, score, inside)
    twice.add(0, score[::-1], inside[::-1])
    assert (twice.bins == 2 * one.bins).all()
    assert twice.precision() == pytest.approx(one.precision(), abs=1e-12)


def test_no_positive_has_no_precision() -> None:
    assert math.isnan(average_precision(np.array([3, 1]), np.array([0, 0])))
