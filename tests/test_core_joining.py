"""Tiles put together: what was cut comes back, and maps meet without seams."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.core.cutting import cut_boxes, cut_marks, cut_objects
from wsss_cli.core.joining import (
    join_absent,
    join_boxes,
    join_maps,
    join_marks,
    join_objects,
    join_pixels,
    join_tags,
    joined,
    lacking,
)
from wsss_cli.core.mark_kinds import BOX, LINE, POINT, POLYGON, REGION
from wsss_cli.core.marks import Mark, Region, TrueBoxes, TrueObject
from wsss_cli.core.tiles import Tiling

SIZE = (23, 31)
TILINGS = [Tiling(8, 3), Tiling(8, 0), Tiling(12, 10), Tiling(32, 4)]


def mark(kind: int, *rings: object, **more: object) -> Mark:
    return Mark(kind, 1, tuple(np.array(ring, np.float32) for ring in rings), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("tiling", TILINGS)
def test_pixels_come_from_the_tile_whose_centre_is_nearest(tiling: Tiling) -> None:
    """Each tile's pixels hold its own number; a plain loop says which tile a pixel is of."""
    windows = tiling.windows(SIZE)
    parts = [np.full((w.height, w.width), k, np.uint8) for k, w in enumerate(windows)]
    whole = join_pixels(SIZE, tiling, parts)
    for y in range(SIZE[0]):
        for x in range(SIZE[1]):
            away = [
                max(abs(y + 0.5 - w.y - w.height / 2) / w.height, 0)
                + max(abs(x + 0.5 - w.x - w.width / 2) / w.width, 0)
                for w in windows
            ]
            assert away[whole[y, x]] == pytest.approx(min(away))
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    assert (join_pixels(SIZE, tiling, (image[w.slices] for w in windows)) == image).all()


def test_a_tile_of_another_size_is_refused() -> None:
    parts = [np.zeros((8, 8), np.uint8)] * len(Tiling(8, 3).windows(SIZE))
    with pytest.raises(ValueError, match="a tile is"):
        join_pixels(SIZE, Tiling(8, 3), [*parts[:-1], parts[-1][:7]])


@pytest.mark.parametrize("tiling", TILINGS)
@pytest.mark.parametrize("stride", [1, 3, 4])
def test_maps_of_a_straight_slope_come_back_as_it(tiling: Tiling, stride: int) -> None:
    """A slope is its own mean and interpolation, wherever cells of tiles lie.

    But beyond the outer cells' centres, where tiles have no cells to interpolate between.
    """
    parts = []
    for window in tiling.windows(SIZE):
        rows = window.y + (np.arange(-(-window.height // stride)) + 0.5) * stride
        cols = window.x + (np.arange(-(-window.width // stride)) + 0.5) * stride
        parts.append((np.array([2], np.uint16), (rows[:, None] + 2 * cols)[None]))
    found = join_maps(SIZE, tiling, stride, parts, np.array([0, 2], np.uint16))
    cells = [(np.arange(-(-length // stride)) + 0.5) * stride for length in SIZE]
    assert found.shape == (2, len(cells[0]), len(cells[1]))
    assert (found[0] == 0).all()
    inner = (slice(1, -1), slice(1, -1))
    expected = (cells[0][:, None] + 2 * cells[1])[inner]
    np.testing.assert_allclose(found[1][inner], expected, atol=stride)
    aligned = all(w.y % stride == w.x % stride == 0 for w in tiling.windows(SIZE))
    if aligned:
        np.testing.assert_allclose(found[1][inner], expected, rtol=1e-6)


def test_aligned_maps_are_the_weighted_means_of_cells() -> None:
    """Against a plain loop over cells and tiles."""
    tiling, stride, size = Tiling(16, 8), 4, (24, 32)
    rng = np.random.default_rng(1)
    windows = tiling.windows(size)
    parts = [(np.array([0], np.uint16), rng.random((1, 4, 4)).astype(np.float32)) for _ in windows]
    found = join_maps(size, tiling, stride, parts, np.array([0], np.uint16))
    for row in range(6):
        for column in range(8):
            y, x = (row + 0.5) * stride, (column + 0.5) * stride
            total = share = 0.0
            for window, (_, maps) in zip(windows, parts, strict=True):
                at = y - window.y, x - window.x
                if 0 < at[0] < 16 and 0 < at[1] < 16:
                    weight = one_share(y, 24, window.y) * one_share(x, 32, window.x)
                    total += weight * maps[0, int(at[0] // 4), int(at[1] // 4)]
                    share += weight
            assert share == pytest.approx(1)
            assert found[0, row, column] == pytest.approx(total, rel=1e-5)


def one_share(at: float, length: int, first: int) -> float:
    """The share of the tile from `first` along an axis: distances to ends, over their sum."""
    starts = range(0, length - 15, 8)
    near = {one: max(0.0, min(at - one, one + 16 - at)) for one in starts}
    return near[first] / sum(near.values())


def test_a_tile_without_the_class_scores_it_0() -> None:
    none = (np.zeros(0, np.uint16), np.zeros((0, 8, 8), np.float32))
    one = (np.array([3], np.uint16), np.ones((1, 8, 8), np.float32))
    found = join_maps((8, 12), Tiling(8, 4), 1, [one, none], np.array([3], np.uint16))
    assert found[0, 0].tolist() == [1] * 4 + [0.875, 0.625, 0.375, 0.125] + [0] * 4


@pytest.mark.parametrize("tiling", TILINGS)
def test_objects_and_boxes_come_back(tiling: Tiling) -> None:
    rng = np.random.default_rng(2)
    objects = []
    for number in range(6):
        mask = np.zeros(SIZE, bool)
        y, x = rng.integers(0, 15), rng.integers(0, 20)
        mask[y : y + 8, x : x + 11] = rng.random((8, 11)) > 0.5
        objects.append(TrueObject(number % 2, number == 3, Region.of(mask)))
    windows = tiling.windows(SIZE)
    found = join_objects((w, *cut_objects(objects, w)) for w in windows)
    assert len(found) == len(objects)
    for one, other in zip(found, objects, strict=True):
        assert (one.class_index, one.crowd) == (other.class_index, other.crowd)
        assert one.region.corners == other.region.corners
        assert (one.region.mask == other.region.mask).all()
    corners = np.array([[0.25, 3, 30.75, 9.5], [7.75, 0, 8.5, 23], [3, 3, 4, 4]], np.float32)
    boxes = TrueBoxes(corners, np.array([1, 0, 1], np.uint16), np.array([False, True, False]))
    back = join_boxes((w, *cut_boxes(boxes, w)) for w in windows)
    for mine, theirs in zip(back, boxes, strict=True):
        assert mine.dtype == theirs.dtype
        assert mine.tolist() == theirs.tolist()
    none = TrueBoxes(corners[:0], boxes.classes[:0], boxes.difficult[:0])
    assert join_boxes((w, *cut_boxes(none, w)) for w in windows).corners.shape == (0, 4)


@pytest.mark.parametrize("tiling", TILINGS)
def test_marks_come_back_lines_and_polygons_in_parts(tiling: Tiling) -> None:
    blob = np.random.default_rng(3).random((11, 17)) > 0.5
    blob[[0, -1]], blob[:, [0, -1]] = True, True
    ring = [[-3.1, 2.2], [28.3, 5.7], [14.6, 21.9], [9.4, 11.3]]
    marks = [
        mark(POINT, [[10.25, 7.5]], rank=4),
        mark(BOX, [[2.25, 3], [20.75, 9.5]], object=1),
        mark(REGION, [[9, 5], [26, 16]], region=blob),
        mark(POLYGON, ring, object=2),
        mark(LINE, [[1.5, 2.5], [29.5, 2.5], [29.5, 20.5]]),
    ]
    windows, own = tiling.windows(SIZE), tiling.owned(SIZE)
    back = join_marks(
        (w, mine, *cut_marks(marks, w, SIZE)) for w, mine in zip(windows, own, strict=True)
    )
    for one, other in zip(back[:3], marks[:3], strict=True):
        assert (one.kind, one.label, one.object, one.rank) == (
            (other.kind, other.label, other.object, other.rank)
        )
        assert one.xy.tolist() == other.xy.tolist()
        assert (one.pixels(SIZE) == other.pixels(SIZE)).all()
    for kind, whole in ((POLYGON, marks[3]), (LINE, marks[4])):
        parts = [one for one in back if one.kind == kind]
        pixels = np.logical_or.reduce([one.pixels(SIZE) for one in parts])
        assert (pixels == whole.pixels(SIZE)).all()
        assert {one.object for one in parts} == {whole.object}


def test_all_pixels_of_regions_are_joined() -> None:
    one = Region((0, 0, 2, 1), np.array([[True, False]]))
    other = Region((1, 0, 3, 2), np.array([[True, True], [False, True]]))
    found = joined([one, other])
    assert found.corners == (0, 0, 3, 2)
    assert found.mask.astype(int).tolist() == [[1, 1, 1], [0, 0, 1]]


def test_tags_of_the_whole_are_those_of_any_tile() -> None:
    parts = [np.array([0, 4], np.uint16), np.array([], np.uint16), np.array([1, 4], np.uint16)]
    assert join_tags(parts).tolist() == [0, 1, 4]
    assert join_tags([]).dtype == np.uint16


def test_a_class_is_absent_that_is_absent_of_every_tile() -> None:
    none = np.zeros(0, np.uint16)
    said = [(np.array([0]), None), (none, np.array([0, 2]))]  # of three classes: 1 is not said
    assert join_absent(np.array([0]), said, 3).tolist() == [2]  # type: ignore[union-attr]
    assert join_absent(np.array([0]), [(np.array([0]), None)], 3) is None
    told = [(np.array([0]), np.array([1, 2])), (none, np.array([0, 1, 2]))]
    assert join_absent(np.array([0]), told, 3) is None  # all is said


def test_what_is_all_there_and_what_in_part() -> None:
    wholes = {"a": ["a1", "a2"], "b": ["b"], "c": ["c1", "c2"], "d": ["d1", "d2"]}
    assert lacking(wholes, {"a1", "a2", "b", "c2"}) == (["a", "b"], ["c"])
