"""COCO's annotations as shapes, and what files do not say of themselves."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import pytest

from wsss_cli.core.mark_kinds import BOX, POLYGON, REGION
from wsss_cli.errors import WsssError
from wsss_cli.formats.coco_json import Page
from wsss_cli.formats.coco_records import Annotation
from wsss_cli.formats.coco_rle import Rle
from wsss_cli.formats.coco_shapes import (
    Crowd,
    OnTop,
    Ways,
    border_named,
    drawing_of,
    ignores_crowds,
    is_stuff,
    which_on_top,
)
from wsss_cli.formats.shapes import BACKGROUND

NAMES = {1: "cat", 2: "dog", 3: BACKGROUND}
SMALL, LARGE = array("d", [1, 1, 4, 1, 4, 4, 1, 4]), array("d", [0, 0, 8, 0, 8, 6, 0, 6])
RLE = Rle(6, 8, array("q", [7, 2, 39]))


def one(category: int = 1, **more: Any) -> Annotation:
    return Annotation(1, category, **more)


def drawn(*found: Annotation, size: tuple[int, int] | None = (6, 8), **ways: Any) -> Any:
    return drawing_of(found, Ways(NAMES, **ways), "a.png", size)


def test_the_smaller_is_painted_later() -> None:
    found = (one(1, outline=(SMALL,)), one(2, outline=(LARGE,)), one(1, outline=RLE))
    kinds = [(shape.kind, shape.object) for shape in drawn(*found).shapes]
    assert kinds == [(POLYGON, 1), (BOX, 1), (POLYGON, 0), (BOX, 0), (REGION, 2), (BOX, 2)]
    later = drawn(*found, on_top=OnTop.later).shapes
    assert [shape.object for shape in later] == [0, 0, 1, 1, 2, 2]


def test_boxes_that_are_not_given_are_those_of_the_outline() -> None:
    for outline, inclusive, wanted in (
        ((SMALL,), False, [1, 1, 4, 4]),
        ((SMALL, array("d", [6, 5, 7, 5, 7, 6])), False, [1, 1, 7, 6]),
        ((SMALL,), True, [1, 1, 5, 5]),
        (RLE, False, [1, 1, 2, 3]),
    ):
        found = drawn(one(outline=outline), inclusive=inclusive)
        boxes = [shape.rings[0].ravel().tolist() for shape in found.shapes if shape.kind == BOX]
        assert boxes == [wanted]
        assert found.true_boxes
    assert not drawn(one(outline=Rle(6, 8, array("q", [48])))).true_boxes  # holds nothing


def test_boxes_are_of_all_objects_or_not_true() -> None:
    boxed, bare = one(box=(1, 1, 3, 3)), one()
    assert drawn().true_boxes
    assert drawn(boxed).true_boxes
    assert not drawn(boxed, bare).true_boxes
    assert not drawn(boxed, all_boxed=False).true_boxes


def test_stuff_and_background_have_no_boxes() -> None:
    (shape,) = drawn(one(outline=(SMALL,), box=(1, 1, 4, 4)), stuff=True).shapes
    assert (shape.kind, shape.thing) == (POLYGON, False)
    (shape,) = drawn(one(3, outline=(SMALL,), box=(1, 1, 4, 4))).shapes
    assert (shape.kind, shape.name) == (POLYGON, BACKGROUND)


def test_outlines_of_fractions_are_never_inclusive() -> None:
    part = array("d", [1, 1, 4.5, 1, 4, 4])
    shapes = drawn(one(outline=(SMALL, part)), inclusive=True).shapes
    assert [shape.inclusive for shape in shapes] == [True, False, False]


def test_run_lengths_say_the_size() -> None:
    assert drawn(one(outline=(SMALL,))).size == (6, 8)
    assert drawn(one(outline=RLE), size=None).size == (6, 8)
    assert drawn(one(outline=RLE), size=(8, 6)).size == (6, 8)
    with pytest.raises(ValueError, match="8x6 pixels, and is said to have 9x6"):
        drawn(one(outline=RLE), size=(6, 9))
    with pytest.raises(ValueError, match="5x6 pixels, and is said to have 8x6"):
        drawn(one(outline=RLE), one(outline=Rle(6, 5, array("q", [30]))))


def test_who_drew_it_and_what_it_is_called() -> None:
    (shape,) = drawn(one(2, box=(1, 1, 3, 3), annotator="7")).shapes
    assert (shape.source, shape.said) == ("7", "annotation 1 (dog)")


def page(name: str = "a.json", info: str = "") -> Page:
    return Page(Path(name), info, {}, ())


CROWD, TOOL = one(crowd=True), one(crowd=True, attributed=True)


@pytest.mark.parametrize(
    ("of", "crowds", "asked", "ignored"),
    [
        (page(), [], None, False),
        (page(), [CROWD], Crowd.ignore, True),
        (page(info="http://cocodataset.org"), [CROWD], None, True),
        (page(info="http://cocodataset.org"), [CROWD], Crowd.class_, False),
        (page(), [TOOL, TOOL], None, False),
        (page("stuff_val.json"), [CROWD], None, False),
    ],
)
def test_what_crowds_are(
    of: Page, crowds: list[Annotation], asked: Crowd | None, ignored: bool
) -> None:
    assert ignores_crowds(of, crowds, asked) is ignored


def test_crowds_of_which_nothing_is_known() -> None:
    with pytest.raises(WsssError, match=r"a\.json: 2 annotations have iscrowd 1") as caught:
        ignores_crowds(page(), [CROWD, TOOL], None)
    assert "--crowd class" in (caught.value.hint or "")
    shapes = drawn(one(outline=(SMALL,), crowd=True), ignore_crowds=True).shapes
    assert all(shape.crowd for shape in shapes)
    assert not any(shape.crowd for shape in drawn(one(outline=(SMALL,), crowd=True)).shapes)


def test_stuff_is_told_by_the_file_s_name() -> None:
    assert is_stuff(page("stuff_train2017.json"))
    assert not is_stuff(page("instances_train2017.json"))


def test_files_of_tools_are_in_the_order_of_painting() -> None:
    tool = one(attributed=True)
    assert which_on_top([], None) is OnTop.smaller
    assert which_on_top([tool, one()], None) is OnTop.smaller
    assert which_on_top([tool, tool], None) is OnTop.later
    assert which_on_top([tool, tool], OnTop.smaller) is OnTop.smaller


def test_outlines_that_end_a_pixel_before_their_box() -> None:
    named, edges = one(outline=(SMALL,), box=(1, 1, 5, 5)), one(outline=(SMALL,), box=(1, 1, 4, 4))
    parts = one(outline=(SMALL, array("d", [6, 5, 7, 5, 7, 5])), box=(1, 1, 8, 6))
    assert border_named([named, edges, parts, one(outline=RLE), one(outline=(SMALL,))]) == (2, 3)


def test_areas_are_those_of_the_outline() -> None:
    """Not of the box: a thin outline with a large box lies on top."""
    thin = one(1, outline=(array("d", [0, 0, 8, 5.9, 8, 6]),), box=(0, 0, 8, 6))
    shapes = drawn(thin, one(2, outline=(SMALL,), box=(1, 1, 4, 4))).shapes
    assert [shape.name for shape in shapes if shape.outline] == ["dog", "cat"]
