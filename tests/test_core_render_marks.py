"""Marks drawn over images: where, in which colour, and what lies on top."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.core.mark_kinds import BOX, IGNORED, LINE, POINT, POLYGON, REGION
from wsss_cli.core.marks import Mark
from wsss_cli.core.render import class_colours
from wsss_cli.core.render_marks import GROUND, UNSURE, paint_marks

COLOURS = class_colours(3)
IMAGE = np.full((40, 80, 3), 120, np.uint8)  # of an image of 80 x 160
SIZE = (80, 160)
UNTOUCHED = 90  # 120, dimmed


def mark(kind: int, label: int, *points: tuple[float, float], mask: np.ndarray | None = None):
    return Mark(kind, label, (np.array(points, np.float32),), mask)


def painted(*marks: Mark) -> np.ndarray:
    return paint_marks(IMAGE, marks, SIZE, COLOURS)


def of(picture: np.ndarray, colour: object) -> list[tuple[int, int]]:
    """Rows and columns of the pixels of a colour."""
    found = np.argwhere((picture == np.array(colour)).all(axis=2)).tolist()
    return [(row, column) for row, column in found]


def test_a_point_is_a_dot_around_its_place_with_an_edge() -> None:
    picture = painted(mark(POINT, 2, (101, 41)))  # the centre of pixel (20, 50) of the picture
    dot = of(picture, COLOURS[1])
    assert (20, 50) in dot
    assert np.mean(dot, axis=0).tolist() == [20, 50]
    assert 9 <= len(dot) <= 25
    changed = (picture != UNTOUCHED).any(axis=2)
    assert changed.sum() > len(dot) + 8
    assert not changed[:15].any()
    assert not changed[:, :40].any()


def test_a_line_goes_through_its_points_and_may_leave_the_image() -> None:
    picture = painted(mark(LINE, 1, (-40, 21), (81, 21), (81, 400)))
    line = of(picture, COLOURS[0])
    assert set(line) >= {(10, column) for column in range(40)}
    assert set(line) >= {(row, 40) for row in range(11, 40)}
    assert (10, 60) not in line


def test_a_box_is_an_outline() -> None:
    picture = painted(mark(BOX, 3, (21, 11), (121, 61)))
    box = of(picture, COLOURS[2])
    assert {(5, 10), (5, 60), (30, 10), (30, 60), (5, 35), (30, 35), (17, 10), (17, 60)} <= set(box)
    assert (picture[10:25, 15:55] == UNTOUCHED).all()


def test_areas_are_filled_but_for_their_holes() -> None:
    outer = np.array([(20, 10), (140, 10), (140, 70), (20, 70)], np.float32)
    hole = np.array([(60, 30), (100, 30), (100, 50), (60, 50)], np.float32)
    picture = painted(Mark(POLYGON, 1, (outer, hole)))
    expected = (UNTOUCHED * 0.6 + COLOURS[0] * 0.4).round()
    assert np.abs(picture[20, 20].astype(float) - expected).max() <= 1
    assert (picture[20, 40] == UNTOUCHED).all()
    assert (picture[2, 2] == UNTOUCHED).all()
    region = np.zeros((40, 80), bool)
    region[:, :40] = True
    shown = painted(mark(REGION, 1, (40, 20), (120, 60), mask=region))
    assert np.abs(shown[20, 25].astype(float) - expected).max() <= 1
    assert (shown[20, 45] == UNTOUCHED).all()
    assert (shown[10, 25] == COLOURS[0]).all()  # its outline


def test_background_and_what_is_not_said_are_told_from_classes() -> None:
    picture = painted(mark(LINE, 0, (0, 21), (160, 21)), mark(LINE, IGNORED, (0, 61), (160, 61)))
    assert (10, 40) in of(picture, GROUND)
    assert (picture[9, 40] > 200).all()  # black shows by its light edge
    assert (30, 40) in of(picture, UNSURE)
    square = mark(REGION, IGNORED, (0, 0), (160, 80), mask=np.ones((80, 160), bool))
    inner = painted(square)[2:-2, 2:-2]
    assert len(np.unique(inner)) == 2  # stripes


def test_points_lie_on_lines_on_boxes_on_areas() -> None:
    area = mark(POLYGON, 1, (0, 0), (160, 0), (160, 80), (0, 80))
    box, line = mark(BOX, 2, (41, 21), (121, 61)), mark(LINE, 3, (41, 21), (81, 21))
    point = mark(POINT, 1, (41, 21))
    picture = painted(point, line, box, area)
    assert (picture[10, 20] == COLOURS[0]).all()
    assert (picture[10, 35] == COLOURS[2]).all()
    assert (picture[10, 55] == COLOURS[1]).all()
    assert np.array_equal(picture, painted(area, box, line, point))


def test_without_marks_and_with_a_label_of_no_class() -> None:
    assert (painted() == UNTOUCHED).all()
    with pytest.raises(ValueError, match="label of none of 3 classes"):
        painted(mark(POINT, 4, (1, 1)))
