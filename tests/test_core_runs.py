"""Runs of masks, against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.core.runs import cropped, from_runs, to_runs


def plain_runs(mask: np.ndarray) -> list[int]:
    runs, value, count = [], False, 0
    for pixel in mask.ravel().tolist():
        if pixel != value:
            runs.append(count)
            value, count = pixel, 0
        count += 1
    return [*runs, count]


@pytest.mark.parametrize("seed", range(20))
def test_runs_are_those_of_a_loop_and_give_the_mask_back(seed: int) -> None:
    draw = np.random.default_rng(seed)
    shape = tuple(draw.integers(1, 9, 2).tolist())
    mask = draw.random(shape) < draw.random()
    runs = to_runs(mask)
    assert runs.tolist() == plain_runs(mask)
    assert runs.dtype == np.uint32
    assert np.array_equal(from_runs(runs, *shape), mask)


@pytest.mark.parametrize("runs", [[], [5], [3, 4], [2**32 - 1, 7]])
def test_runs_of_another_mask_are_refused(runs: list[int]) -> None:
    with pytest.raises(ValueError, match="of a mask of 3x2"):
        from_runs(np.array(runs, np.uint32), 2, 3)


@pytest.mark.parametrize("seed", range(10))
def test_what_is_cropped_lies_at_its_corners(seed: int) -> None:
    draw = np.random.default_rng(seed)
    mask = np.zeros((9, 7), bool)
    mask[tuple(draw.integers(0, (9, 7), (3, 2)).T)] = True
    (x0, y0, x1, y1), part = cropped(mask)
    again = np.zeros_like(mask)
    again[y0:y1, x0:x1] = part
    assert np.array_equal(again, mask)
    assert part.any(axis=0)[[0, -1]].all()
    assert part.any(axis=1)[[0, -1]].all()


def test_of_nothing_there_is_nothing() -> None:
    corners, part = cropped(np.zeros((3, 4), bool))
    assert corners == (0, 0, 0, 0)
    assert part.size == 0
