"""Insertion, deletion, drop and increase against plain float64 loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from wsss_cli.core.faithfulness import (
    area_under,
    blurred,
    centre_scores,
    changed,
    noise_scores,
    order_ranks,
    rearranged,
    score_drop,
    score_rises,
    step_bounds,
)


def test_the_strongest_come_first() -> None:
    scores = np.random.default_rng(0).permutation(35).reshape(5, 7).astype(np.float32)
    ranks = order_ranks(scores, np.random.default_rng(1))
    assert ranks.dtype == np.int32
    assert np.array_equal(ranks, 34 - scores)


def test_ties_fall_by_the_seed_and_not_by_the_place() -> None:
    scores = np.zeros((30, 40), np.float32)
    scores[10:12] = 0.5
    ranks = order_ranks(scores, np.random.default_rng(2))
    assert sorted(ranks.ravel().tolist()) == list(range(1200))
    assert ranks[10:12].max() == 79  # the stronger ones before all others
    flat = ranks[12:].ravel()
    assert abs(np.corrcoef(flat, np.arange(flat.size))[0, 1]) < 0.1  # a sort by place gives 1
    assert np.array_equal(ranks, order_ranks(scores, np.random.default_rng(2)))
    assert not np.array_equal(ranks, order_ranks(scores, np.random.default_rng(3)))


@pytest.mark.parametrize(("pixels", "steps"), [(12, 4), (13, 4), (5, 5), (3, 7), (1, 1)])
def test_steps_end_with_all_pixels_and_are_equal_up_to_one(pixels: int, steps: int) -> None:
    bounds = step_bounds(pixels, steps)
    assert (bounds[0], bounds[-1], len(bounds)) == (0, pixels, steps + 1)
    widths = np.diff(bounds)
    assert widths.min() >= 0
    assert widths.max() - widths.min() <= 1
    with pytest.raises(ValueError, match="need at least 1"):
        step_bounds(pixels, 0)


def test_pixels_change_as_in_a_loop() -> None:
    rng = np.random.default_rng(4)
    start, end = rng.random((2, 3, 5, 6))
    ranks = np.stack([order_ranks(rng.random((5, 6)), rng) for _ in range(3)])
    counts = [0, 11, 30]
    found = changed(
        torch.from_numpy(start)[None],
        torch.from_numpy(end)[None],
        torch.from_numpy(ranks),
        torch.tensor(counts),
    )
    for i, count in enumerate(counts):
        picture = start.copy()
        for y, x in np.ndindex(5, 6):
            if ranks[i, y, x] < count:
                picture[:, y, x] = end[:, y, x]
        assert np.array_equal(found[i].numpy(), picture)
    assert np.array_equal(found[0].numpy(), start)
    assert np.array_equal(found[2].numpy(), end)


def test_areas_are_trapezia() -> None:
    scores = np.random.default_rng(5).random((4, 9))
    for row, found in zip(scores, area_under(scores), strict=True):
        area = sum((row[k] + row[k + 1]) / 2 / 8 for k in range(8))
        assert found == pytest.approx(area, abs=1e-12)
    assert area_under(np.full((2, 29), 0.375)).tolist() == [0.375, 0.375]


def test_blur_is_the_published_kernel_with_nothing_beyond_the_border() -> None:
    image = np.random.default_rng(6).standard_normal((3, 14, 17))
    point = np.zeros((11, 11))
    point[5, 5] = 1
    kernel = gaussian_filter(point, 5)
    padded = np.pad(image, ((0, 0), (5, 5), (5, 5)))
    expected = np.zeros_like(image)
    for y, x in np.ndindex(14, 17):
        expected[:, y, x] = (padded[:, y : y + 11, x : x + 11] * kernel).sum((1, 2))
    found = blurred(torch.from_numpy(image)[None])
    np.testing.assert_allclose(found[0].numpy(), expected, atol=1e-12)
    assert kernel.sum() == pytest.approx(1)


def test_drop_and_increase_equal_a_loop() -> None:
    rng = np.random.default_rng(7)
    full, shown = rng.random((2, 50))
    shown[:5] = full[:5]
    drops = [max(0.0, y - o) / y for y, o in zip(full, shown, strict=True)]
    np.testing.assert_allclose(score_drop(full, shown), drops)
    assert score_rises(full, shown).tolist() == [
        o > y for y, o in zip(full.tolist(), shown.tolist(), strict=True)
    ]
    assert score_drop(np.zeros(2), np.array([0.0, 0.3])).tolist() == [0, 0]
    assert not score_rises(full, full + 5e-7).any()


def test_the_centre_comes_first() -> None:
    scores = centre_scores((3, 4))
    expected = [[-((y - 1) ** 2 + (x - 1.5) ** 2) for x in range(4)] for y in range(3)]
    assert scores.tolist() == expected


def test_noise_is_smooth_over_cells_and_of_the_seed() -> None:
    size = (40, 56)
    one = noise_scores(size, 16, np.random.default_rng(8))
    assert one.shape == size
    assert np.array_equal(one, noise_scores(size, 16, np.random.default_rng(8)))
    assert not np.array_equal(one, noise_scores(size, 16, np.random.default_rng(9)))
    assert np.abs(np.diff(one, axis=0)).max() <= 1 / 16 + 1e-12  # neighbours share a cell's values
    assert np.ptp(one) > 0.5


def test_values_keep_their_number_in_another_order() -> None:
    rng = np.random.default_rng(10)
    values = rng.random((6, 7)).astype(np.float32)
    ranks = order_ranks(rng.random((6, 7)), rng)
    found = rearranged(values, ranks)
    assert found.dtype == np.float32
    assert sorted(found.ravel()) == sorted(values.ravel())
    assert found[ranks == 0] == values.max()
    assert np.array_equal(rearranged(values, order_ranks(values, rng)), values)
