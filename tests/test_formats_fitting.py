"""What a drawing becomes on its image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wsss_cli.core.labels import IGNORE
from wsss_cli.core.mark_kinds import BOX, LINE, POINT, POLYGON, REGION
from wsss_cli.formats.fitting import Fitted, fit
from wsss_cli.formats.shapes import (
    BACKGROUND,
    IGNORED,
    Drawing,
    Outlines,
    Shape,
    Use,
    box,
    later_region,
    line,
    point,
    polygon,
    region,
)  # fmt: skip
from wsss_cli.formats.true_boxes import BadBox

SIZE = (10, 20)
CLASSES = {"cat": 0, "dog": 1}
SQUARE = [[2, 2], [6, 2], [6, 6], [2, 6]]


def fitted(*shapes: Shape, use: Use | None = None, **more: Any) -> Fitted:
    return fit(Drawing(shapes, "x.json", **more), SIZE, CLASSES, use or Use())


def test_points_lines_and_boxes_are_marks_in_their_order() -> None:
    found = fitted(
        point("dog", 3, 4, rank=2, source="ann"),
        line(BACKGROUND, [[0, 0], [30, 5]]),
        box("cat", 1, 1, 5, 5, object=4, source="bob"),
        point("cat", 1, 1, source="ann"),
    )
    assert [one.kind for one in found.marks] == [POINT, LINE, BOX, POINT]
    assert [one.label for one in found.marks] == [2, 0, 1, 1]
    assert [one.source for one in found.marks] == [0, -1, 1, 0]
    assert found.sources == ("ann", "bob")
    assert (found.marks[0].rank, found.marks[2].object) == (2, 4)
    assert found.marks[1].xy.tolist() == [[0, 0], [30, 5]]  # a line keeps its places
    assert found.label is None
    assert found.boxes is None


def test_outlines_are_truth_unless_they_are_asked_for_as_marks() -> None:
    shapes = (polygon("dog", SQUARE), point("dog", 3, 3))
    truth = fitted(*shapes)
    assert [one.kind for one in truth.marks] == [POINT]
    assert truth.label is not None
    wanted = np.zeros(SIZE, np.uint8)
    wanted[2:6, 2:6] = 2
    assert np.array_equal(truth.label, wanted)
    assert [one.class_index for one in truth.objects] == [1]
    assert truth.objects[0].region.corners == (2, 2, 6, 6)
    marks = fitted(*shapes, use=Use(Outlines.marks))
    assert [one.kind for one in marks.marks] == [POLYGON, POINT]
    assert (marks.label, marks.objects) == (None, ())
    both = fitted(*shapes, use=Use(Outlines.both))
    assert len(both.marks) == 2
    assert both.label is not None


def test_shares_of_the_image_are_of_its_width_and_height() -> None:
    found = fitted(point("cat", 0.5, 0.5), box("dog", 0.1, 0.2, 0.3, 1), fraction=True)
    assert found.marks[0].xy.tolist() == [[10, 5]]
    assert np.allclose(found.marks[1].xy, [[2, 2], [6, 10]])


def test_what_sticks_out_is_cut_and_what_lies_outside_is_left_out() -> None:
    found = fitted(
        box("cat", -5, 2, 4, 50),
        box("cat", 25, 2, 30, 5),
        point("dog", 20.4, 3),
        point("dog", 22, 3),
        polygon("dog", [[15, 5], [40, 5], [40, 8], [15, 8]]),
        region("cat", np.ones((4, 4), bool), left=18, top=8),
    )
    assert found.left_out == 2
    assert found.cut == 3
    assert [one.xy.tolist() for one in found.marks] == [[[0, 2], [4, 10]], [[20, 3]]]
    corners = sorted(one.region.corners for one in found.objects)
    assert corners == [(15, 5, 20, 8), (18, 8, 20, 10)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e9])
def test_coordinates_that_are_no_places_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=r"x\.json: .*no place"):
        fitted(point("cat", bad, 3))
    with pytest.raises(ValueError, match="no place"):
        fitted(polygon("cat", [[0, 0], [4, bad], [4, 4]]))


def test_a_drawing_of_another_size_is_refused_and_of_the_turned_file_is_not() -> None:
    assert fitted(point("cat", 3, 3), size=(20, 10)).left_out == 0
    with pytest.raises(ValueError, match=r"x\.json: it was drawn on 30x10 .* is 20x10"):
        fitted(point("cat", 3, 3), size=(10, 30))
    with pytest.raises(BadBox, match="turned by EXIF"):
        fitted(box("cat", 3, 3, 5, 5), size=(20, 10), strict=True)


def test_true_boxes_are_the_boxes_where_they_are_all() -> None:
    found = fitted(box("cat", 1, 1, 5, 5, difficult=True), box("dog", 2, 2, 9, 9), true_boxes=True)
    assert found.boxes is not None
    assert found.boxes.corners.tolist() == [[1, 1, 5, 5], [2, 2, 9, 9]]
    assert found.boxes.classes.tolist() == [0, 1]
    assert found.boxes.difficult.tolist() == [True, False]


def test_a_mask_is_decoded_when_it_is_needed_and_must_fit_its_corners() -> None:
    mask = np.eye(4, dtype=bool)
    found = fitted(later_region("cat", lambda: mask, (3, 2, 7, 6)))
    assert found.label is not None
    assert np.array_equal(found.label[2:6, 3:7] == 1, mask)
    with pytest.raises(ValueError, match="is 4x4, its corners say 5x4"):
        fitted(later_region("cat", lambda: mask, (3, 2, 8, 6)))


def test_an_outline_through_centres_is_a_region_as_a_mark() -> None:
    ring = np.array(SQUARE) + 0.5
    found = fitted(polygon("cat", ring, inclusive=True), use=Use(Outlines.both))
    assert [one.kind for one in found.marks] == [REGION]
    assert found.marks[0].xy.tolist() == [[2, 2], [7, 7]]
    assert found.label is not None
    assert (found.label == 1).sum() == 25


def test_the_digest_tells_drawings_apart() -> None:
    several = [
        fitted(), fitted(point("cat", 1, 1)), fitted(point("dog", 1, 1)),
        fitted(point("cat", 1, 2)),
        fitted(point("cat", 1, 1, source="ann")), fitted(polygon("cat", SQUARE)),
        fitted(polygon("cat", SQUARE), use=Use(Outlines.both)),
        fitted(polygon("cat", SQUARE, crowd=True)), fitted(box("cat", 1, 1, 4, 4)),
        fitted(box("cat", 1, 1, 4, 4), true_boxes=True), fitted(true_boxes=True),
    ]  # fmt: skip
    assert len({b"|".join(one.digest_parts()) for one in several}) == len(several)


def test_pixels_of_no_label() -> None:
    found = fitted(polygon("cat", SQUARE), polygon(IGNORED, [[4, 2], [9, 2], [9, 6], [4, 6]]))
    assert found.label is not None
    assert (found.label == IGNORE).sum() == 20
    assert [one.class_index for one in found.objects] == [0]
