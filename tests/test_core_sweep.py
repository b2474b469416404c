"""Scores at every threshold from one pass, against a loop over thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss_cli.core.image_counts import cells_of
from wsss_cli.core.labels import IGNORE
from wsss_cli.core.metrics import confusion_matrix
from wsss_cli.core.sweep import SWEEP, ThresholdSweep

seeds = st.integers(0, 9999)


def random_labels(n: int, seed: int, shape: tuple[int, ...] = (7, 9)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.choice([*range(n), IGNORE], shape).astype(np.uint8)


def sweep_cam(k: int, shape: tuple[int, int], n: int, seed: int) -> tuple[np.ndarray, ...]:
    """(truth, cam, classes) whose maps often equal a threshold or each other."""
    rng = np.random.default_rng(seed)
    hundredths = (np.arange(101) / 100).astype(np.float32)
    values = np.concatenate(
        [hundredths, np.nextafter(hundredths, np.float32(2)), rng.random(50, dtype=np.float32)]
    )
    cam = rng.choice(values, (k, *shape))
    classes = np.sort(rng.choice(n - 1, k, replace=False)).astype(np.uint16)
    return random_labels(n, seed, shape), cam, classes


def loop_matrices(
    images: list[tuple[np.ndarray, ...]], n: int, thresholds: np.ndarray
) -> np.ndarray:
    """One pass over all images for each threshold."""
    result = []
    for threshold in np.asarray(thresholds, np.float32):
        total = np.zeros((n, n + 1), np.int64)
        for truth, cam, classes in images:
            background = np.full((1, *truth.shape), threshold, np.float32)
            names = np.concatenate([[0], classes.astype(int) + 1]).astype(np.uint8)
            pred = names[np.concatenate([background, cam]).argmax(0)]
            total += confusion_matrix(truth, pred, n)
        result.append(total)
    return np.stack(result)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), seeds)
def test_one_pass_counts_what_a_loop_over_thresholds_counts(ks: list[int], seed: int) -> None:
    images = [sweep_cam(k, (6, 11), 7, seed + i) for i, k in enumerate(ks)]
    sweep = ThresholdSweep(7)
    for image in images:
        sweep.add(*image)
    matrices = sweep.matrices()
    assert matrices.dtype == np.int64
    assert np.array_equal(matrices, loop_matrices(images, 7, SWEEP))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 4), seeds)
def test_each_image_keeps_its_matrices(k: int, seed: int) -> None:
    image = sweep_cam(k, (6, 11), 7, seed)
    sweep = ThresholdSweep(7)
    sweep.add(*sweep_cam(2, (5, 5), 7, seed + 1))  # others do not count in it
    found = sweep.add(*image)
    for place, matrix in enumerate(loop_matrices([image], 7, SWEEP)):
        cells, counts = found.cells(place, 7)
        assert [cells.tolist(), counts.tolist()] == [one.tolist() for one in cells_of(matrix)]


thresholds = st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=12, unique=True).map(sorted)


@settings(deadline=None, max_examples=50)
@given(thresholds, seeds, st.sampled_from([1.0, 1e-7, 1e6]))
def test_any_rising_thresholds_are_exact(values: list[float], seed: int, spread: float) -> None:
    # Crowded, far apart, negative and tiny thresholds; maps at, beside and far beyond them.
    rising = np.unique((np.array(values) * spread).astype(np.float32))
    rng = np.random.default_rng(seed)
    near = np.concatenate([rising, np.nextafter(rising, np.float32(9)), rising * 3 + 1])
    cam = rng.choice(np.append(near, [np.inf, -np.inf]).astype(np.float32), (2, 4, 6))
    image = (random_labels(4, seed, (4, 6)), cam, np.array([0, 2]))
    sweep = ThresholdSweep(4, rising)
    sweep.add(*image)
    assert np.array_equal(sweep.matrices(), loop_matrices([image], 4, rising))


def test_sweeps_merge_like_one() -> None:
    images = [sweep_cam(k, (5, 6), 5, k) for k in (0, 1, 2, 3)]
    serial, first, second = (ThresholdSweep(5) for _ in range(3))
    for i, image in enumerate(images):
        serial.add(*image)
        (first if i % 2 else second).add(*image)
    first.merge(second)
    assert np.array_equal(first.matrices(), serial.matrices())
    with pytest.raises(ValueError, match="do not merge"):
        first.merge(ThresholdSweep(6))
    with pytest.raises(ValueError, match="do not merge"):
        first.merge(ThresholdSweep(5, [0.1, 0.2]))


def test_the_ends_of_a_sweep() -> None:
    truth, cam, classes = sweep_cam(2, (8, 8), 4, 3)
    cam = np.maximum(cam, np.float32(0.01)).clip(0, 1)
    sweep = ThresholdSweep(4, [0.0, 1.0])
    sweep.add(truth, cam, classes)
    lowest, highest = sweep.matrices()
    assert lowest[:, 0].sum() == 0  # above 0 everywhere: no background
    assert highest[:, 1:].sum() == 0  # nothing above 1: all background
    assert lowest.sum() == highest.sum() == (truth != IGNORE).sum()


def test_the_best_threshold() -> None:
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    cam = np.array([[[0.1, 0.295, 0.305, 0.9]]], np.float32)
    sweep = ThresholdSweep(2)
    sweep.add(truth, cam, np.array([0]))
    threshold, result = sweep.best()
    assert threshold == 0.3
    assert result.miou == 1.0
    assert result.rule == "union"
    wide = ThresholdSweep(2, [0.2, 0.296, 0.3])
    wide.add(truth, cam, np.array([0]))
    assert wide.best("all")[0] == 0.296  # of equals, the lowest


def test_what_a_sweep_refuses() -> None:
    truth, cam = np.zeros((2, 3), np.uint8), np.zeros((1, 2, 3), np.float32)
    sweep = ThresholdSweep(3)
    with pytest.raises(ValueError, match="does not hold 2 classes"):
        sweep.add(truth, cam, np.array([0, 1]))
    with pytest.raises(ValueError, match="does not hold 1 classes"):
        sweep.add(truth[:1], cam, np.array([0]))
    with pytest.raises(ValueError, match="float32"):
        sweep.add(truth, cam.astype(np.float16), np.array([0]))
    with pytest.raises(ValueError, match="label 3 of 3"):
        sweep.add(truth, cam, np.array([2]))
    with pytest.raises(ValueError, match="truth holds label 7"):
        sweep.add(truth + np.uint8(7), cam, np.array([0]))
    with pytest.raises(ValueError, match="NaN"):
        sweep.add(truth, cam * np.float32(np.nan), np.array([0]))
    assert sweep.matrices().sum() == 0  # what was refused was not counted
    for bad in ([], [0.2, 0.1], [0.1, 0.1], [0.1, np.nan], [0.1, np.inf]):
        with pytest.raises(ValueError, match="thresholds"):
            ThresholdSweep(3, bad)
