"""The pointing game against plain loops over pixels, and what must hold of it whatever the map."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.core.pointing import centre_hits, hit_share, is_difficult, near


def plain_near(region: np.ndarray, tolerance: float) -> np.ndarray:
    """A pixel for a pixel, by whole numbers."""
    hits = np.zeros(region.shape, bool)
    for y, x in np.ndindex(*region.shape):
        for v, u in np.argwhere(region).tolist():
            hits[y, x] |= (y - v) ** 2 + (x - u) ** 2 < tolerance**2
    return hits


@pytest.mark.parametrize("tolerance", [0, 1, 2, 3, 5])
def test_near_equals_a_loop_over_pixels(tolerance: int) -> None:
    rng = np.random.default_rng(tolerance)
    region = rng.random((13, 17)) > 0.93
    assert region.any()
    assert np.array_equal(near(region, tolerance), plain_near(region, tolerance))


def test_a_distance_of_the_tolerance_is_no_hit() -> None:
    region = np.zeros((40, 40), bool)
    region[3, 4] = True
    hits = near(region, 15)
    assert not hits[3, 19]  # 15 away
    assert hits[3, 18]
    assert not hits[12, 16]  # 9² + 12² = 15²
    assert hits[13, 14]  # 10² + 10² = 200


def test_tolerance_only_adds_hits_and_none_of_it_hits_nothing() -> None:
    region = np.random.default_rng(0).random((20, 30)) > 0.98
    before = near(region, 0)
    assert not before.any()
    assert np.array_equal(near(region, 1), region)
    for tolerance in range(1, 12):
        after = near(region, tolerance)
        assert not (before & ~after).any()
        before = after


def test_no_region_is_hit_by_nothing_and_a_wrong_tolerance_is_refused() -> None:
    assert not near(np.zeros((4, 5), bool), 15).any()
    for tolerance in (-1, float("nan")):
        with pytest.raises(ValueError, match="tolerance"):
            near(np.ones((2, 2), bool), tolerance)


def test_the_strongest_pixel_decides_and_equal_ones_share() -> None:
    hits = np.zeros((3, 4), bool)
    hits[1, 1:3] = True
    scores = np.zeros((3, 4))
    scores[1, 2] = 0.7
    assert hit_share(scores, hits) == 1
    scores[0, 0] = 0.8
    assert hit_share(scores, hits) == 0
    scores[1, 1] = scores[1, 2] = 0.8
    assert hit_share(scores, hits) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="points at no pixel"):
        hit_share(scores, hits[:2])


def test_a_map_without_preference_scores_what_a_random_point_does() -> None:
    hits = near(np.random.default_rng(1).random((9, 11)) > 0.9, 2)
    assert hit_share(np.zeros((9, 11)), hits) == hits.mean()
    drawn = [hit_share(np.eye(1, 99, k).reshape(9, 11), hits) for k in range(99)]
    assert np.mean(drawn) == pytest.approx(hits.mean())


def test_the_centre_of_an_even_side_lies_between_two_pixels() -> None:
    hits = np.zeros((4, 5), bool)
    hits[1, 2] = True
    assert centre_hits(hits) == 0.5
    hits[2, 2] = True
    assert centre_hits(hits) == 1
    assert centre_hits(hits[:3]) == 1  # of three rows the middle one alone


def test_difficult_is_small_and_beside_another_class() -> None:
    mask = np.zeros((4, 4), np.uint8)
    mask[0, :3] = 2
    region = mask == 2
    assert not is_difficult(mask, region)  # no other class
    mask[3, 3] = 255
    assert not is_difficult(mask, region)  # void is none
    mask[3, 0] = 1
    assert is_difficult(mask, region)
    mask[0] = 2
    assert not is_difficult(mask, mask == 2)  # a quarter is not below it
