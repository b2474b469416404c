"""One JSON of COCO."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.coco_json import Page, read_page
from wsss_cli.formats.place import Place

IMAGES = [{"id": 1, "file_name": "a.png"}, {"id": "2", "file_name": "b.png"}]


def page(folder: Path, annotations: Any, categories: Any = (), images: Any = IMAGES) -> Page:
    file = folder / "a.json"
    content = {"images": images, "annotations": annotations, "categories": list(categories)}
    file.write_text(json.dumps(content))
    return read_page(Place(file), file)


def test_categories_stand_in_the_order_of_their_ids(tmp_path: Path) -> None:
    given = [
        {"id": "x", "name": "last", "isthing": 0},
        {"id": 90, "name": " dog ", "supercategory": "animal", "isthing": 1},
        {"id": "3", "name": "cat"},
    ]
    found = page(tmp_path, [], given).categories
    assert list(found) == [3, 90, "x"]
    assert [tuple(one) for one in found.values()] == [
        ("cat", None, True),
        ("dog", "animal", True),
        ("last", None, False),
    ]


def test_annotations_go_to_their_images(tmp_path: Path) -> None:
    said = [{"image_id": key, "category_id": 1} for key in (1, "2", "1", 5, 2.0)]
    found = page(tmp_path, said)
    assert {key: len(some) for key, some in found.of.items()} == {1: 2, 2: 2}
    assert (found.strangers, found.panoptic) == ([5], False)


def test_most_annotations_are_of_images_that_are_listed(tmp_path: Path) -> None:
    said = [{"image_id": key, "category_id": 1} for key in (1, 5, 6)]
    with pytest.raises(WsssError, match="2 of 3 annotations are of images that it does not list"):
        page(tmp_path, said)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    content = json.dumps({"images": IMAGES, "annotations": [], "categories": []})
    file.write_bytes(b"\xef\xbb\xbf" + content.encode())
    assert len(read_page(Place(file), file).pictures) == 2


def test_what_a_detector_writes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]')
    with pytest.raises(WsssError, match="holds a list, which is what a detector writes"):
        read_page(Place(file), file)


@pytest.mark.parametrize(
    ("categories", "words"),
    [
        ([None], "category 1 of 1 has no id or no name"),
        ([{"id": 1, "name": ""}], "category 1 of 1 has no id or no name"),
        ([{"id": None, "name": "a"}], "category 1 of 1 has an id that is None"),
        ([{"id": 1, "name": "a"}, {"id": "1", "name": "b"}], "two categories have the id 1"),
        ([{"id": 1, "name": "a"}, {"id": 2, "name": "a "}], "two categories are called 'a'"),
    ],
)
def test_categories_that_make_no_sense(categories: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(WsssError, match=words):
        page(tmp_path, [], categories)
