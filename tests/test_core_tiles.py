"""The grid of tiles: full sizes, one owner a pixel, weights that sum to 1."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.core.tiles import Tiling, Window, owned, starts, tile_id, weights
from wsss_cli.formats.files import bad_id

# Lengths of an axis, sides and overlaps: fitting, moved inward, thrice covered, one by one.
CASES = [
    (length, side, overlap)
    for side, overlap in [(1, 0), (4, 0), (4, 1), (5, 2), (6, 5), (8, 3), (10, 9)]
    for length in (1, 3, side - 1, side, side + 1, 2 * side - overlap, 3 * side, 37)
    if length > 0
]


@pytest.mark.parametrize(("length", "side", "overlap"), CASES)
def test_tiles_of_an_axis_cover_it_in_full_size(length: int, side: int, overlap: int) -> None:
    first = starts(length, side, overlap)
    assert first[0] == 0
    assert first[-1] + min(side, length) == length
    steps = np.diff(first)
    assert (steps[:-1] == side - overlap).all()
    assert ((steps > 0) & (steps <= side - overlap)).all()


@pytest.mark.parametrize(("length", "side", "overlap"), CASES)
def test_a_pixel_belongs_to_the_one_tile_whose_centre_is_nearest(
    length: int, side: int, overlap: int
) -> None:
    first, spans = starts(length, side, overlap), owned(length, side, overlap)
    owner = [[k for k, (a, b) in enumerate(spans) if a <= pixel < b] for pixel in range(length)]
    for pixel, found in enumerate(owner):
        away = [abs(pixel + 0.5 - (one + min(side, length) / 2)) for one in first]
        nearest = max(k for k, far in enumerate(away) if far == min(away))  # ties: the later one
        assert found == [nearest]
        assert first[nearest] <= pixel < first[nearest] + side


@pytest.mark.parametrize(("length", "side", "overlap"), CASES)
def test_weights_sum_to_1_and_are_none_outside_of_a_tile(
    length: int, side: int, overlap: int
) -> None:
    at = np.linspace(0, length, 4 * length + 1)
    found, first = weights(length, side, overlap, at), starts(length, side, overlap)
    assert found.shape == (len(first), len(at))
    np.testing.assert_allclose(found.sum(axis=0), 1, rtol=1e-12)
    for row, one in zip(found, first, strict=True):
        outside = (at < one) | (at > one + side)
        assert (row[outside] == 0).all()
    bare = weights(length, side, overlap, at, overlap / 4)
    np.testing.assert_allclose(bare.sum(axis=0), 1, rtol=1e-12)
    for row, one in zip(bare, first, strict=True):
        low = one + overlap / 4 if one else 0
        high = one + side - overlap / 4 if one < first[-1] else length
        assert (row[(at < low) | (at > high)] == 0).all()


def test_weights_change_evenly_between_two_tiles() -> None:
    found = weights(16, 10, 4, np.arange(16) + 0.5)
    assert found[0].tolist() == [1] * 6 + [0.875, 0.625, 0.375, 0.125] + [0] * 6


@pytest.mark.parametrize("size", [(4, 4), (3, 9), (9, 3), (17, 11), (5, 4)])
def test_every_pixel_of_an_image_has_one_owner_within_its_tile(size: tuple[int, int]) -> None:
    tiling = Tiling(4, 2)
    owners = np.zeros(size, int)
    for tile, own in zip(tiling.windows(size), tiling.owned(size), strict=True):
        owners[own.slices] += 1
        inner = own.within(tile)
        assert min(inner.y, inner.x) >= 0
        assert inner.y + inner.height <= tile.height
        assert inner.x + inner.width <= tile.width
    assert (owners == 1).all()
    assert tiling.count(size) == len(tiling.windows(size))
    assert tiling.cuts(size) == (tiling.count(size) > 1)


def test_an_image_no_larger_than_a_tile_is_one_window() -> None:
    assert Tiling(5, 2).windows((5, 3)) == [Window(0, 0, 5, 3)]
    assert not Tiling(5, 2).cuts((5, 3))
    assert Tiling(5, 2).windows((5, 6)) == [Window(0, 0, 5, 5), Window(0, 1, 5, 5)]


def test_ids_are_ids_and_rise_with_the_place() -> None:
    ids = [tile_id("a/b", one) for one in Tiling(1024, 128).windows((3000, 12000))]
    assert ids == sorted(ids, key=str.encode)
    assert len(set(ids)) == len(ids)
    assert not any(map(bad_id, ids))


def test_a_record_gives_the_tiling_back_and_strange_ones_are_refused() -> None:
    assert Tiling.of({"link": False, **Tiling(8, 2).record()}) == Tiling(8, 2)
    assert Tiling.of({"link": False}) is None
    for record in ({"tile": 8}, {"tile": "8", "overlap": 2}, {"tile": True, "overlap": 0}):
        with pytest.raises(ValueError, match="need whole numbers"):
            Tiling.of(record)
    for side, overlap in ((0, 0), (4, 4), (4, -1)):
        with pytest.raises(ValueError, match="cannot overlap"):
            Tiling(side, overlap)
