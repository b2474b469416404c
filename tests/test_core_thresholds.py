"""The threshold that maps choose by themselves, against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss_cli.core.thresholds import mean_threshold


def plain(maps: list[np.ndarray]) -> float:
    total, cells = 0.0, 0
    for one in maps:
        for y, x in np.ndindex(*one.shape[1:]):
            scores = [float(one[k, y, x]) for k in range(len(one))]
            if scores:
                total += max(scores)
                cells += 1
    return total / cells


def some_maps(seed: int, images: int) -> list[np.ndarray]:
    """Maps as they are stored: float16 that became float32, of several sizes and classes."""
    rng = np.random.default_rng(seed)
    shapes = [(int(rng.integers(0, 4)), *rng.integers(1, 9, 2)) for _ in range(images)]
    shapes.append((1, 3, 2))
    return [rng.random(shape).astype(np.float16).astype(np.float32) for shape in shapes]


@given(seed=st.integers(0, 1000), images=st.integers(0, 6))
def test_it_is_the_mean_of_the_strongest_scores(seed: int, images: int) -> None:
    maps = some_maps(seed, images)
    assert mean_threshold(maps) == round(plain(maps), 4)


@given(seed=st.integers(0, 1000))
def test_order_and_parts_change_nothing(seed: int) -> None:
    maps = some_maps(seed, 5)
    whole = mean_threshold(maps)
    assert mean_threshold(maps[::-1]) == whole
    rows = [part for one in maps for part in np.split(one, range(1, one.shape[1]), axis=1)]
    assert mean_threshold(rows) == whole
    assert mean_threshold([*maps, np.zeros((0, 50, 50), np.float32)]) == whole


def test_maps_that_rise_raise_it() -> None:
    flat, peaked = np.full((1, 4, 4), 0.4), np.zeros((1, 4, 4))
    peaked[0, 0, 0] = 1
    assert mean_threshold([flat]) == 0.4
    assert mean_threshold([peaked]) == 0.0625
    assert mean_threshold([flat, peaked]) == round((0.4 + 0.0625) / 2, 4)
    assert mean_threshold([np.ones((2, 1, 1))]) == 1


def test_maps_that_say_nothing() -> None:
    with pytest.raises(ValueError, match="no image has a class"):
        mean_threshold([])
    with pytest.raises(ValueError, match="no image has a class"):
        mean_threshold([np.zeros((0, 4, 4))])
    with pytest.raises(ValueError, match="all scores are 0"):
        mean_threshold([np.zeros((2, 4, 4)), np.zeros((0, 4, 4))])
