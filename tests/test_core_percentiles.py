"""Percentiles of a set that is seen image by image, against numpy's of all values at once."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.core.percentiles import Tally, counted, numbers_of

PERCENTS = (0, 2, 33.3, 50, 98, 100)


def tallied(*images: np.ndarray, left_out: list[np.ndarray] | None = None) -> Tally:
    """Of images of (h, W, bands), each counted in two strips."""
    total = Tally()
    for number, image in enumerate(images):
        own, half = Tally(), len(image) // 2
        gaps = None if left_out is None else left_out[number]
        own.count(image[:half], None if gaps is None else gaps[:half])
        own.count(image[half:], None if gaps is None else gaps[half:])
        total.add(own)
    return total


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", ">u2"])
def test_integers_of_up_to_16_bits_are_exact(kind: str) -> None:
    rng, ends = np.random.default_rng(0), np.iinfo(kind)
    images = [
        rng.integers(ends.min, ends.max, (6, 7, 3), endpoint=True).astype(kind) for _ in range(3)
    ]
    total = tallied(*images)
    assert (total.images, total.pixels, total.empty) == ({3: 3}, 378, 0)
    for band in range(3):
        pooled = np.concatenate([one[..., band].ravel() for one in images])
        expected = np.percentile(pooled, PERCENTS)
        assert total.percentiles(band, PERCENTS) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i4", "u4"])
def test_other_numbers_are_off_by_less_than_one_part_in_16000(kind: str) -> None:
    rng = np.random.default_rng(1)
    images = [(rng.normal(300, 900, (20, 30, 1)) * 1.37).astype(kind) for _ in range(3)]
    if kind == "u4":
        images = [one % 5000 + np.uint32(1 << 20) for one in images]
    pooled = np.concatenate([one.ravel() for one in images]).astype(np.float64)
    total = tallied(*images)
    for percent in PERCENTS:
        (value,) = total.percentiles(0, [percent]) or ()
        low, high = (np.percentile(pooled, percent, method=one) for one in ("lower", "higher"))
        assert low - abs(low) / 16000 <= value <= high + abs(high) / 16000


def test_round_floats_are_exact() -> None:
    values = np.array([-4096.5, -1, -0.0, 0, 0.25, 1, 255, 10000, 16383], np.float32)
    keys, counts = counted(values)
    assert numbers_of(keys).tolist() == [-4096.5, -1, 0, 0.25, 1, 255, 10000, 16383]
    assert counts.tolist() == [1, 1, 2, 1, 1, 1, 1, 1]


def test_the_largest_numbers_stay_finite() -> None:
    most = float(np.finfo(np.float32).max)
    for values in (np.array([-most, most], np.float32), np.array([-1e300, 1e300])):
        assert np.isfinite(numbers_of(counted(values)[0])).all()


def test_what_is_left_out_does_not_count() -> None:
    values = np.array([[[0, 5], [7, np.nan]], [[9, 6], [0, 8]]])
    gaps = np.array([[[1, 0], [0, 1]], [[0, 0], [1, 0]]], bool)
    total = tallied(values, left_out=[gaps])
    assert (total.pixels, total.empty) == (8, 3)
    assert total.percentiles(0, (0, 100)) == [7, 9]
    assert total.percentiles(1, (0, 100)) == [5, 8]
    assert tallied(values, left_out=[np.ones_like(gaps)]).percentiles(0, (0, 100)) is None


def test_integers_and_rounded_numbers_meet() -> None:
    total = tallied(np.full((2, 2, 1), -3, np.int16), np.array([[[-70000]], [[4]]], np.int32))
    assert total.percentiles(0, (0, 50, 100)) == [pytest.approx(-70000, rel=1e-4), -3, 4]


def test_images_of_other_bands_are_told_apart() -> None:
    total = tallied(np.zeros((2, 2, 1), np.uint16), np.zeros((2, 2, 3), np.uint16))
    assert total.images == {1: 1, 3: 1}
