"""Outlines as true masks and objects: order, crowds, parts of objects, boxes without an outline."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.core.filling import filled
from wsss_cli.core.labels import IGNORE, MAX_CLASSES
from wsss_cli.core.marks import TrueObject
from wsss_cli.formats.painting import alone_of, paint, region_of
from wsss_cli.formats.shapes import BACKGROUND, Shape, box, polygon

SIZE = (12, 16)
CLASSES = {"cat": 0, "dog": 1}


def square(name: str, x: float, y: float, side: float, **more: object) -> Shape:
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side]]
    return polygon(name, ring, **more)


def painted(*shapes: Shape, fill_boxes: bool = False) -> tuple[np.ndarray, tuple[TrueObject, ...]]:
    return paint(shapes, SIZE, CLASSES, fill_boxes)


def test_later_outlines_lie_on_top_and_objects_stay_whole() -> None:
    label, objects = painted(square("cat", 1, 1, 6), square("dog", 4, 4, 6))
    assert (label[5, 5], label[2, 2], label[9, 9]) == (2, 1, 2)
    assert [one.region.mask.sum() for one in objects] == [36, 36]


def test_background_painted_over_takes_away() -> None:
    label, objects = painted(square("cat", 1, 1, 6), square(BACKGROUND, 2, 2, 3))
    assert (label == 1).sum() == 27
    assert len(objects) == 1


def test_parts_of_one_object_are_one_and_those_of_several_are_several() -> None:
    parts = square("cat", 0, 0, 3, object=5), square("cat", 8, 6, 4, object=5)
    others = square("dog", 8, 0, 2, object=5), square("dog", 11, 0, 2)
    _, objects = painted(*parts, *others)
    assert [one.class_index for one in objects] == [0, 1, 1]
    assert objects[0].region.corners == (0, 0, 12, 10)
    assert objects[0].region.mask.sum() == 9 + 16


def test_a_crowd_is_no_label_and_an_object_that_says_so() -> None:
    label, objects = painted(square("cat", 1, 1, 4, crowd=True))
    assert (label == IGNORE).sum() == 16
    assert [(one.class_index, one.crowd) for one in objects] == [(0, True)]


def test_in_a_box_without_an_outline_nothing_is_known() -> None:
    lone = box("dog", 8, 2, 14, 8)
    outline, around = square("cat", 1, 1, 5), box("cat", 1, 1, 6, 6.4)
    label, objects = painted(outline, around, lone)
    assert (label == IGNORE).sum() == 36
    assert (label == 1).sum() == 25
    assert len(objects) == 1
    label, objects = painted(outline, around, lone, fill_boxes=True)
    assert (label == 2).sum() == 36
    assert (label == 1).sum() == 25
    assert [one.class_index for one in objects] == [0, 1]


def test_a_box_is_an_outline_s_by_its_object_or_by_where_it_lies() -> None:
    outline = square("cat", 1, 1, 5, object=3)
    same, near = box("cat", 9, 9, 11, 11, object=3), box("cat", 1, 1, 6, 5)
    other, far = box("dog", 1, 1, 6, 6), box("cat", 5, 5, 9, 9)
    assert alone_of([outline, same, near, other, far]) == [other, far]


@pytest.mark.parametrize("seed", range(10))
def test_the_pixels_are_those_of_the_whole_image(seed: int) -> None:
    draw = np.random.default_rng(seed)
    ring = draw.uniform(-5, 20, (5, 2))
    found = region_of(polygon("cat", ring), SIZE)
    wanted = np.zeros(SIZE, bool)
    x0, y0, x1, y1 = found.corners
    wanted[y0:y1, x0:x1] = found.mask
    assert np.array_equal(filled([ring], SIZE), wanted)


def test_more_classes_than_masks_can_number() -> None:
    many = {str(number): number for number in range(MAX_CLASSES + 1)}
    with pytest.raises(ValueError, match="masks can number 254 classes, there are 255"):
        paint([square("3", 1, 1, 4)], SIZE, many, False)
