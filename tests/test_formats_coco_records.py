"""COCO's records, made small as they are parsed."""

from __future__ import annotations

from array import array
from typing import Any

import pytest

from wsss_cli.formats.coco_records import Annotation, Panoptic, Picture, Segment, compact, id_of
from wsss_cli.formats.coco_rle import Rle


def outline(found: Any) -> Annotation:
    read = compact({"image_id": 1, "category_id": 2, "segmentation": found})
    assert isinstance(read, Annotation)
    return read


PART = array("d", [1, 1, 4, 1, 4, 4.5])


@pytest.mark.parametrize(
    ("found", "parts", "lost"),
    [
        ([[1, 1, 4, 1, 4, 4.5]], (PART,), 0),
        ([1, 1, 4, 1, 4, 4.5], (PART,), 0),  # flat
        ([[1, 1], [4, 1], [4, 4.5]], (PART,), 0),  # pairs
        ([[[1, 1], [4, 1], [4, 4.5]]], (PART,), 0),
        ([[1, 1, 4, 1, 4, 4.5, 1, 1]], (PART,), 0),  # closed
        ([[1, 1, 4, 1], [1, 1, 4, 1, 4, 4.5]], (PART,), 1),
        ([[1, 1, 4, 1, 1, 1]], None, 1),  # two points, closed
        ([[]], None, 1),
        ([], None, 0),
        (None, None, 0),
        ({"size": [2, 3], "counts": [6]}, Rle(2, 3, array("q", [6])), 0),
    ],
)
def test_outlines_in_all_forms(found: Any, parts: Any, lost: int) -> None:
    read = outline(found)
    assert (read.outline, read.lost, read.bad) == (parts, lost, None)


@pytest.mark.parametrize(
    "found", [[[1, 2, 3]], [["1", 2]], [[None, 2]], [{"counts": 1}], 5, [[[1, [2]]]], [[1, True]]]
)
def test_outlines_that_are_none(found: Any) -> None:
    assert (outline(found).bad or "").startswith("annotation None has ")


def test_boxes() -> None:
    def of(box: Any) -> Annotation:
        found: Annotation = compact({"image_id": 1, "category_id": 2, "bbox": box})
        return found

    assert of([1, 2, 3.5, 4]).box == (1, 2, 4.5, 6)
    for nothing in (None, [], [1, 2, 0, 4], [1, 2, 3, -4]):
        assert (of(nothing).box, of(nothing).bad) == (None, None)
    for bad in ([1, 2, 3], ["1", 2, 3, 4], "1 2 3 4", [[1], 2, 3, 4], [10**400, 1, 1, 1]):
        assert of(bad).bad is not None, bad


def test_the_rest_of_an_annotation() -> None:
    found = {"id": 4, "image_id": "7", "category_id": "3", "iscrowd": 1, "annotator": 5}
    wanted = Annotation(7, 3, crowd=True, attributed=True, annotator="5")
    assert compact({**found, "attributes": {}}) == wanted


def test_images() -> None:
    found = {"id": "5", "file_name": "a.png", "width": 8, "height": 6}
    assert compact(found) == Picture(5, "a.png", None, (6, 8), None)
    assert compact({"id": 5, "file_name": "a.png", "width": None}).size is None  # Label Studio's
    assert compact({"id": 5, "file_name": "a.png", "width": 8.0, "height": "6"}).size is None
    lvis = {"id": 5, "coco_url": "http://x/a.png", "neg_category_ids": [3, 4]}
    assert compact(lvis) == Picture(5, "http://x/a.png", "http://x/a.png", None, (3, 4))
    for bad in ({"id": [], "file_name": "a"}, {"id": 1, "file_name": 3}, {"id": 1}):
        assert compact(bad) is bad


def test_segments() -> None:
    parts = (
        compact({"id": 7, "category_id": 2}),
        compact({"id": 8, "category_id": 1, "iscrowd": 1}),
    )
    assert parts == (Segment(7, 2, False), Segment(8, 1, True))
    found = {"image_id": 1, "file_name": "a.png", "segments_info": list(parts)}
    assert compact(found) == Panoptic(1, "a.png", parts)
    for bad in (
        {**found, "file_name": None},
        {**found, "segments_info": {}},
        {**found, "segments_info": [{"id": 1}]},
        {**found, "segments_info": [parts[0], parts[0]]},
        {**found, "image_id": None},
    ):
        assert compact(bad).bad is not None


def test_ids_of_other_kinds() -> None:
    for bad in (None, [], {}, True, 1.5):
        with pytest.raises(ValueError, match="an id that is"):
            id_of(bad)
