"""Marks as arrays and back, and what is refused of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wsss_cli.core.mark_kinds import BOX, IGNORED, LINE, POINT, POLYGON, REGION
from wsss_cli.core.marks import Mark, Marks, Region, TrueObject, object_arrays, objects_of


def ring(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, np.float32)


REGION_MASK = np.array([[1, 0, 1], [0, 1, 1]], bool)
ALL = [
    Mark(POINT, 0, (ring((0.5, 0.5)),), rank=3, source=1),
    Mark(LINE, 2, (ring((1, 1), (4.25, 3), (6, 3)),), object=7),
    Mark(BOX, 1, (ring((2, 1), (5, 4)),)),
    Mark(POLYGON, 2, (ring((0, 0), (8, 0), (8, 6), (0, 6)), ring((2, 2), (4, 2), (4, 4), (2, 4)))),
    Mark(REGION, IGNORED, (ring((3, 2), (6, 4)),), REGION_MASK),
]
SIZE = (6, 8)


def test_marks_come_back_as_they_were() -> None:
    marks = Marks.of(ALL)
    marks.check(2)
    assert len(marks) == 5
    assert marks.counts() == {"point": 1, "line": 1, "box": 1, "polygon": 1, "region": 1}
    for one, other in zip(marks, ALL, strict=True):
        assert replace(one, rings=(), region=None) == replace(other, rings=(), region=None)
        assert all(np.array_equal(a, b) for a, b in zip(one.rings, other.rings, strict=True))
        assert (one.region is None) == (other.region is None)
        if one.region is not None:
            assert np.array_equal(one.region, REGION_MASK)


def test_no_marks_are_empty_arrays() -> None:
    marks = Marks.of([])
    marks.check(1)
    assert list(marks) == []
    assert (marks.table.shape, marks.xy.shape) == ((0, 7), (0, 2))


def test_pixels_of_each_kind() -> None:
    point, line, box, polygon, region = (mark.pixels(SIZE) for mark in ALL)
    assert np.argwhere(point).tolist() == [[0, 0]]
    assert line[1, 1]
    assert line[3, 6]
    assert line.sum() == 6
    assert np.argwhere(box).tolist() == [[y, x] for y in range(1, 4) for x in range(2, 5)]
    assert polygon.sum() == 48 - 4
    assert not polygon[2:4, 2:4].any()
    assert np.array_equal(region[2:4, 3:6], REGION_MASK)
    assert region.sum() == REGION_MASK.sum()


def changed(name: str, place: tuple[int, ...], value: float) -> Marks:
    marks = Marks.of(ALL)
    array = getattr(marks, name).copy()
    array[place] = value
    return replace(marks, **{name: array})


@pytest.mark.parametrize(
    ("name", "place", "value", "said"),
    [
        ("table", (0, 0), 5, "of no kind"),
        ("table", (0, 0), -1, "of no kind"),
        ("table", (1, 1), 3, "of no class"),
        ("table", (1, 1), -2, "of no class"),
        ("table", (1, 2), -2, "negative object"),
        ("table", (2, 5), 2, "too many or too few rings"),
        ("table", (3, 5), 1, "too many or too few rings"),
        ("table", (4, 6), 0, "runs of no region"),
        ("table", (0, 6), 1, "runs of no region"),
        ("ring", (1,), 4, "too many or too few points"),
        ("ring", (2,), 3, "too many or too few points"),
        ("xy", (3, 1), np.nan, "no number"),
        ("run", (0,), 9, "runs of 15 pixels"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(
    name: str, place: tuple[int, ...], value: float, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        changed(name, place, value).check(2)


def test_a_box_of_three_corners_is_refused() -> None:
    wrong = Marks.of([replace(ALL[2], rings=(ring((0, 0), (1, 1), (2, 2)),))])
    with pytest.raises(ValueError, match="too many corners"):
        wrong.check(2)


def test_true_objects_come_back_as_they_were() -> None:
    whole = np.zeros(SIZE, bool)
    whole[1:3, 2:7] = True
    whole[4, 3] = True
    things = [TrueObject(4, False, Region.of(whole)), TrueObject(0, True, Region.of(~whole))]
    table, runs = object_arrays(things)
    assert table[:, :6].tolist() == [[4, 0, 2, 1, 7, 5], [0, 1, 0, 0, 8, 6]]
    for one, other in zip(objects_of(table, runs), things, strict=True):
        assert (one.class_index, one.crowd) == (other.class_index, other.crowd)
        assert one.region.corners == other.region.corners
        assert np.array_equal(one.region.mask, other.region.mask)
    with pytest.raises(ValueError, match="not all there"):
        objects_of(table, runs[:-1])
    assert objects_of(*object_arrays([])) == []
