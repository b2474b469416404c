"""Region growing against a plain grower with a queue."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss_cli.core.dsrg import grow_seeds

Problem = tuple[np.ndarray, np.ndarray, np.ndarray]


def problem(seed: int, one_hot: bool = False, size: tuple[int, int] = (7, 9)) -> Problem:
    """Scores, smooth enough to have regions; seeds; allowed labels."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 5))
    coarse = 6 * rng.random((n, size[0] // 2 + 1, size[1] // 2 + 1))
    logits = coarse.repeat(2, 1).repeat(2, 2)[:, : size[0], : size[1]]
    logits += 0.5 * rng.random((n, *size))
    scores = np.exp(logits) / np.exp(logits).sum(0)
    seeds = rng.random((n, *size)) < 0.06
    if one_hot:
        seeds &= seeds.cumsum(0) == 1
    allowed = np.append(True, rng.random(n - 1) < 0.8)
    return scores, seeds & allowed[:, None, None], allowed


def plain_growing(
    scores: np.ndarray, seeds: np.ndarray, allowed: np.ndarray, fg: float, bg: float
) -> np.ndarray:
    n, height, width = scores.shape
    borne = {}
    for y, x in np.ndindex(height, width):
        for c in range(n):
            if seeds[c, y, x]:
                borne[y, x] = c
        best = max((c for c in range(n) if allowed[c]), key=lambda c: (scores[c, y, x], -c))
        p = scores[best, y, x]
        if p > fg and (best != 0 or p > bg):
            borne[y, x] = best
    grown = seeds.copy()
    for c in range(n):
        reached = {(y, x) for y, x in np.argwhere(seeds[c]) if borne.get((y, x)) == c}
        queue = deque(reached)
        while queue:
            y, x = queue.popleft()
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    cell = y + dy, x + dx
                    if borne.get(cell) == c and cell not in reached:
                        reached.add(cell)
                        queue.append(cell)
        for y, x in reached:
            if sum(seeds[o, y, x] for o in range(n) if o != c) != 1:
                grown[c, y, x] = True
    return grown


@settings(max_examples=150)
@given(st.integers(0, 10_000), st.sampled_from([(0.85, 0.99), (0.5, 0.7), (0.3, 0.3), (2, 2)]))
def test_growing_is_a_queue_from_every_seed(seed: int, thresholds: tuple[float, float]) -> None:
    scores, seeds, allowed = problem(seed)
    grown = grow_seeds(scores, seeds, allowed, *thresholds)
    assert np.array_equal(grown, plain_growing(scores, seeds, allowed, *thresholds))
    assert (grown >= seeds).all()
    assert not grown[~allowed].any()


@settings(max_examples=150)
@given(st.integers(0, 10_000))
def test_growing_twice_is_growing_once_and_keeps_one_label_a_cell(seed: int) -> None:
    scores, seeds, allowed = problem(seed, one_hot=True)
    grown = grow_seeds(scores, seeds, allowed, 0.4, 0.5)
    assert np.array_equal(grow_seeds(scores, grown, allowed, 0.4, 0.5), grown)
    assert grown.sum(0).max() <= 1
    assert np.array_equal(grow_seeds(scores, seeds, allowed, 1.0, 1.0), seeds)


def line(text: str) -> np.ndarray:
    """(2, 1, W) scores: '#' is class 1 for sure, '.' background for sure, '?' neither."""
    share = {"#": 1.0, ".": 0.0, "?": 0.5}
    one = np.array([[share[c] for c in text]])
    return np.stack([1 - one, one])


def test_worked_by_hand() -> None:
    scores, allowed = line("##?##..#"), np.array([True, True])
    seeds = np.zeros((2, 1, 8), bool)
    seeds[1, 0, 1] = True
    grown = grow_seeds(scores, seeds, allowed)
    assert grown[1, 0].tolist() == [True, True] + [False] * 6
    assert not grown[0].any()  # without a seed the background does not grow
    seeds[1, 0, 2] = True  # a seed on doubtful ground joins both
    assert grow_seeds(scores, seeds, allowed)[1, 0].tolist() == [True] * 5 + [False] * 3
    seeds[0, 0, 3] = True  # another label's seed is passed by, not taken
    grown = grow_seeds(scores, seeds, allowed)[1, 0]
    assert grown.tolist() == [True, True, True, False, True, False, False, False]


def test_diagonal_neighbours_touch() -> None:
    one = np.eye(4)
    seeds = np.zeros((2, 4, 4), bool)
    seeds[1, 0, 0] = True
    grown = grow_seeds(np.stack([1 - one, one]), seeds, np.array([True, True]))
    assert np.array_equal(grown[1], one.astype(bool))


def test_thresholds_are_exceeded_not_met_and_background_needs_more() -> None:
    scores = np.array([[[0.9, 0.9, 0.995]], [[0.1, 0.1, 0.005]]])
    seeds = np.zeros((2, 1, 3), bool)
    seeds[0, 0, 2] = True
    allowed = np.array([True, True])
    assert grow_seeds(scores, seeds, allowed)[0, 0].tolist() == [False, False, True]
    assert grow_seeds(scores, seeds, allowed, 0.85, 0.85)[0, 0].all()
    assert not grow_seeds(scores, seeds, allowed, 0.9, 0.85)[0, 0, 0]


def test_cells_outside_the_image_neither_grow_nor_connect() -> None:
    scores, allowed = line("#####"), np.array([True, True])
    seeds = np.zeros((2, 1, 5), bool)
    seeds[1, 0, 0] = True
    seen = np.array([[True, True, False, True, True]])
    grown = grow_seeds(scores, seeds, allowed, seen=seen)
    assert grown[1, 0].tolist() == [True, True, False, False, False]


def test_shapes_must_agree() -> None:
    scores, seeds, allowed = problem(0)
    with pytest.raises(ValueError, match="allowed"):
        grow_seeds(scores, seeds, allowed[1:])
