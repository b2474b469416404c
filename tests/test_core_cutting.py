"""Marks, objects and boxes cut into tiles: together the parts are the whole."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.core.cutting import (
    clip_line,
    clip_ring,
    cut_boxes,
    cut_mark,
    cut_marks,
    cut_objects,
    cut_region,
)
from wsss_cli.core.filling import filled
from wsss_cli.core.mark_kinds import BOX, LINE, POINT, POLYGON, REGION
from wsss_cli.core.marks import Mark, Region, TrueBoxes, TrueObject
from wsss_cli.core.tiles import Tiling, Window

SIZE, TILING = (23, 31), Tiling(8, 3)
WINDOWS = TILING.windows(SIZE)


def mark(kind: int, *rings: object, **more: object) -> Mark:
    return Mark(kind, 1, tuple(np.array(ring, np.float32) for ring in rings), **more)  # type: ignore[arg-type]


def star(rng: np.random.Generator) -> np.ndarray:
    """A ring that crosses itself and leaves the image."""
    return rng.uniform((-6, -6), (SIZE[1] + 6, SIZE[0] + 6), (9, 2)).astype(np.float32)


@pytest.mark.parametrize("seed", range(8))
def test_a_polygon_holds_the_same_pixels_in_every_tile(seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = mark(POLYGON, star(rng), star(rng), object=7, rank=2, source=1)
    pixels = whole.pixels(SIZE)
    for window in WINDOWS:
        parts = cut_mark(whole, window, SIZE)
        expected = pixels[window.slices]
        assert len(parts) == expected.any()
        for part in parts:
            assert (part.pixels((window.height, window.width)) == expected).all()
            assert (part.kind, part.label, part.object, part.rank) == (POLYGON, 1, 7, 2)
            every = np.concatenate(part.rings)
            assert every.min() >= 0
            assert (every <= (window.width, window.height)).all()


def test_a_hole_stays_a_hole_and_a_ring_around_the_tile_becomes_its_frame() -> None:
    outer = np.array([[0, 0], [30, 0], [30, 20], [0, 20]])
    hole = np.array([[6.2, 6.2], [12.2, 6.2], [12.2, 12.2], [6.2, 12.2]])
    (part,) = cut_mark(mark(POLYGON, outer, hole), Window(5, 5, 8, 8), SIZE)
    expected = np.ones((8, 8), bool)
    expected[1:7, 1:7] = False
    assert (part.pixels((8, 8)) == expected).all()
    (part,) = cut_mark(mark(POLYGON, outer, hole), Window(7, 7, 4, 4), SIZE) or [None]
    assert part is None  # all of it is hole


def test_clipping_a_ring_within_leaves_it() -> None:
    ring = np.array([[1.25, 1], [3, 1.5], [2, 4]])
    assert clip_ring(ring, (4, 4)).tolist() == ring.tolist()
    assert len(clip_ring(ring + 9, (4, 4))) == 0
    assert not filled([clip_ring(ring - 4, (4, 4))], (4, 4)).any()


@pytest.mark.parametrize("seed", range(8))
def test_parts_of_a_line_together_are_the_line(seed: int) -> None:
    """Places along the line, away from edges, each within a part of every tile that holds it."""
    rng = np.random.default_rng(seed)
    whole = mark(LINE, star(rng))
    share = rng.uniform(size=400)
    points = whole.xy.astype(np.float64)
    number = rng.integers(len(points) - 1, size=400)
    places = points[number] + share[:, None] * (points[number + 1] - points[number])
    for window in WINDOWS:
        corner = np.array([window.x, window.y])
        parts = cut_mark(whole, window, SIZE)
        for place in places - corner:
            inside = (place > 0.01).all() and (
                place < (window.width - 0.01, window.height - 0.01)
            ).all()
            if inside:
                assert min(distance(place, part.xy) for part in parts) < 1e-4
        for part in parts:
            middle = (part.xy[1:] + part.xy[:-1]) / 2 + corner
            assert max(distance(place, points) for place in middle) < 1e-4


def distance(place: np.ndarray, line: np.ndarray) -> float:
    """Of a place from an open line."""
    start, way = line[:-1].astype(np.float64), np.diff(line.astype(np.float64), axis=0)
    long = (way**2).sum(axis=1)
    share = np.clip(((place - start) * way).sum(axis=1) / np.where(long > 0, long, 1), 0, 1)
    return float(np.linalg.norm(start + share[:, None] * way - place, axis=1).min())


def test_a_line_falls_into_parts_where_it_leaves() -> None:
    parts = clip_line(np.array([[1.0, 1], [2, 1], [9, 1], [9, 3], [1, 3]]), (4, 5))
    assert [part.tolist() for part in parts] == [
        [[1, 1], [2, 1], [5, 1]],
        [[5, 3], [1, 3]],
    ]
    assert clip_line(np.array([[-1.0, 2], [-1, 5]]), (4, 5)) == []
    kept, numbers = cut_marks(
        [mark(POINT, [[9, 9]]), mark(LINE, [[1, 1], [9, 1], [9, 3], [1, 3]])],
        Window(0, 0, 4, 5),
        SIZE,
    )
    assert ([one.kind for one in kept], numbers) == ([LINE, LINE], [1, 1])


def test_a_line_along_a_tiles_edge_is_of_the_tile_whose_pixels_it_passes() -> None:
    whole = mark(LINE, [[8, 1], [8, 7]])
    assert not cut_mark(whole, Window(0, 0, 8, 8), SIZE)
    assert len(cut_mark(whole, Window(0, 8, 8, 8), SIZE)) == 1


def test_a_point_is_of_every_tile_that_has_its_pixel() -> None:
    for place in ([0, 0], [8, 8], [7.99, 5], [SIZE[1], SIZE[0]], [SIZE[1], 3.5]):
        whole = mark(POINT, [place])
        pixels = whole.pixels(SIZE)
        pixels[min(int(place[1]), SIZE[0] - 1), min(int(place[0]), SIZE[1] - 1)] = True
        for window in WINDOWS:
            parts = cut_mark(whole, window, SIZE)
            assert len(parts) == pixels[window.slices].any()
            for part in parts:
                assert (part.xy[0] + (window.x, window.y)).tolist() == np.float32(place).tolist()


def test_boxes_and_regions_hold_the_same_pixels_in_every_tile() -> None:
    rng = np.random.default_rng(0)
    mask = rng.random((11, 17)) > 0.5
    mask[[0, -1]], mask[:, [0, -1]] = True, True
    wholes = [
        mark(BOX, [[2.25, 3], [20.75, 9.4]]),
        mark(REGION, [[9, 5], [26, 16]], region=mask),
    ]
    for whole in wholes:
        pixels = whole.pixels(SIZE)
        for window in WINDOWS:
            parts = cut_mark(whole, window, SIZE)
            expected = pixels[window.slices]
            assert len(parts) == expected.any()
            for part in parts:
                assert (part.pixels((window.height, window.width)) == expected).all()


def test_what_lies_within_is_kept_though_it_covers_no_pixel() -> None:
    tiny = mark(BOX, [[2.6, 2.6], [3.3, 3.3]])
    (part,) = cut_mark(tiny, Window(2, 1, 8, 8), SIZE)
    assert np.allclose(part.xy, tiny.xy - (1, 2))
    assert not cut_mark(tiny, Window(3, 3, 8, 8), SIZE)  # a part of what covers none


def test_regions_of_objects_are_cut_and_numbered() -> None:
    mask = np.eye(6, dtype=bool)
    objects = [
        TrueObject(0, False, Region((0, 0, 6, 6), mask)),
        TrueObject(2, True, Region((20, 3, 22, 4), np.ones((1, 2), bool))),
    ]
    assert cut_region(objects[0].region, Window(0, 3, 3, 3)) is None  # within its corners only
    kept, numbers = cut_objects(objects, Window(2, 2, 8, 25))
    assert numbers == [0, 1]
    assert kept[0].region.corners == (0, 0, 4, 4)
    assert (kept[0].region.mask == np.eye(4, dtype=bool)).all()
    assert (kept[1].class_index, kept[1].crowd, kept[1].region.corners) == (2, True, (18, 1, 20, 2))
    assert cut_objects(objects, Window(10, 2, 4, 4)) == ((), [])


def test_true_boxes_are_cut_however_narrow_and_cover_the_whole_together() -> None:
    corners = np.array([[2.25, 3, 20.75, 9.5], [7.75, 0, 8.5, 23]], np.float32)
    boxes = TrueBoxes(corners, np.array([1, 0], np.uint16), np.array([False, True]))
    found: dict[int, list[np.ndarray]] = {0: [], 1: []}
    for window in WINDOWS:
        cut, numbers = cut_boxes(boxes, window)
        assert (cut.corners[:, 2:] > cut.corners[:, :2]).all()
        assert cut.classes.tolist() == [[1, 0][k] for k in numbers]
        assert cut.difficult.tolist() == [k == 1 for k in numbers]
        for number, one in zip(numbers, cut.corners, strict=True):
            found[number].append(one + np.array([window.x, window.y] * 2, np.float32))
    for number, parts in found.items():
        every = np.array(parts)
        assert [*every[:, :2].min(axis=0), *every[:, 2:].max(axis=0)] == corners[number].tolist()
