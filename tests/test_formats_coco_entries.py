"""The images of COCO's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wsss_cli.formats.coco_entries import Reading, Said, reading_of
from wsss_cli.formats.coco_json import read_page
from wsss_cli.formats.coco_shapes import OnTop
from wsss_cli.formats.place import Place
from wsss_cli.formats.reading import Asked
from wsss_cli.formats.shapes import Drawing

IMAGES = [{"id": 1, "file_name": "sub/a.png"}, {"id": 2, "file_name": "b.png"}]
CATS = [{"id": 4, "name": "dog"}, {"id": 3, "name": "cat"}]


def write(file: Path, annotations: Any = (), categories: Any = CATS, images: Any = IMAGES) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"images": images, "annotations": list(annotations), "categories": categories}
    file.write_text(json.dumps(content))
    return file


def reading(root: Path, files: dict[Path, str | None], **said: Any) -> Reading:
    place = Place(root)
    pages = [(read_page(place, file), split) for file, split in files.items()]
    return reading_of(pages, place, Asked(), Said(**said))


def said(image: int, category: int, **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, **more}


def test_names_that_an_image_may_have(tmp_path: Path) -> None:
    for where, names in (
        ("annotations", ["images/val/sub/a.png", "val/sub/a.png", "images/sub/a.png"]),
        ("top/annotations", ["top/sub/a.png", "top/images/val/sub/a.png", "top/val/sub/a.png"]),
        ("valid", ["valid/sub/a.png"]),
        (".", ["images/val/sub/a.png"]),
    ):
        file = write(tmp_path / where / "x.json")
        first = reading(tmp_path, {file: "val"}).entries[0]
        assert (first.name, first.splits) == ("sub/a.png", ("val",))
        assert set(names) <= set(first.names), where
        assert "sub/a.png" not in first.names
        file.unlink()


def test_tags_and_drawings(tmp_path: Path) -> None:
    found = [said(1, 4, bbox=[1, 1, 2, 2]), said(1, 3), said(1, 4)]
    read = reading(tmp_path, {write(tmp_path / "x.json", found): None})
    assert read.classes == ("cat", "dog")
    assert [one.tags for one in read.entries] == [("dog", "cat"), ()]
    drawing = read.entries[0].drawing
    assert callable(drawing)
    assert [shape.name for shape in drawing().shapes] == ["dog"]
    assert read.remarks == [
        "2 annotations have neither an outline nor a box: only their class counts"
    ]
    assert read.notes == {"on_top": "smaller"}


def test_classes_of_several_files_go_by_name(tmp_path: Path) -> None:
    one = write(tmp_path / "train" / "x.json", [said(1, 4)])
    swapped = [{"id": 3, "name": "dog"}, {"id": 5, "name": "cow"}, {"id": 4, "name": "cat"}]
    other = write(tmp_path / "valid" / "x.json", [said(1, 4), said(2, 3)], swapped)
    read = reading(tmp_path, {one: "train", other: "valid"})
    assert read.classes == ("cat", "dog", "cow")
    assert [entry.tags for entry in read.entries] == [("dog",), (), ("cat",), ("dog",)]


@pytest.mark.parametrize(
    ("parent", "annotations", "classes"),
    [
        ("none", [], ("dog",)),
        ("none", [said(1, 0)], ("things", "dog")),
        ("thing", [], ("things", "dog")),  # of another: a class
    ],
)
def test_the_parent_that_roboflow_makes_up_is_no_class(
    parent: str, annotations: Any, classes: tuple[str, ...], tmp_path: Path
) -> None:
    categories = [
        {"id": 0, "name": "things", "supercategory": parent},
        {"id": 1, "name": "dog", "supercategory": "things"},
    ]
    file = write(tmp_path / "x.json", annotations, categories)
    assert reading(tmp_path, {file: None}).classes == classes


def test_a_class_that_is_its_own_parent_is_one(tmp_path: Path) -> None:
    file = write(tmp_path / "x.json", [], [{"id": 1, "name": "person", "supercategory": "person"}])
    assert reading(tmp_path, {file: None}).classes == ("person",)


def test_two_of_one_name_are_one_image(tmp_path: Path) -> None:
    images = [
        {"id": 1, "file_name": "a.png", "width": 8, "height": 6},
        {"id": 2, "file_name": "a.png", "width": None, "height": None},
        {"id": 3, "file_name": "b.png", "width": 8, "height": 6},
        {"id": 4, "file_name": "b.png", "width": 9, "height": 6},
    ]
    found = [said(1, 3, bbox=[0, 0, 2, 2]), said(2, 4, bbox=[0, 0, 3, 3])]
    read = reading(tmp_path, {write(tmp_path / "x.json", found, images=images): None})
    first, second = read.entries
    assert first.tags == ("cat", "dog")
    assert second.problem == "is listed with several sizes"
    assert read.remarks == ["2 images are listed twice, and taken as one each"]


def test_what_the_user_says_and_what_is_seen(tmp_path: Path) -> None:
    square = {"segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]], "bbox": [1, 1, 3, 3]}
    file = write(tmp_path / "x.json", [said(1, 3, **square)])
    read = reading(tmp_path, {file: None})
    assert read.notes == {"inclusive": True, "on_top": "smaller"}
    assert "1 outlines name the pixels on their border" in read.remarks[0]
    read = reading(tmp_path, {file: None}, inclusive=False, on_top=OnTop.later)
    assert (read.notes, read.remarks) == ({"on_top": "later"}, [])
    drawing = read.entries[0].drawing
    assert callable(drawing)
    assert not drawing().shapes[0].inclusive


def test_an_image_without_segments_is_background(tmp_path: Path) -> None:
    parts = {"image_id": 1, "file_name": "a.png", "segments_info": [{"id": 1, "category_id": 3}]}
    read = reading(tmp_path, {write(tmp_path / "x.json", [parts]): None})
    assert read.entries[0].tags == ("cat",)
    assert read.entries[1].drawing is not None
    assert isinstance(read.entries[1].drawing, Drawing)
    assert read.entries[1].drawing.shapes == ()
