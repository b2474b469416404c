"""pack of What's the Point."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made import wsss
from PIL import Image
from samples import compare, packed

from wsss_cli.artifacts import DatasetReader, open_dataset
from wsss_cli.core.marks import POINT
from wsss_cli.formats.sample import VOC_CLASSES


def click(x: Any, y: Any, label: Any, **more: Any) -> dict[str, Any]:
    return {"x": x, "y": y, "cls": label, **more}


def write(root: Path, clicks: Any, name: str = "points.json") -> Path:
    (root / "JPEGImages").mkdir(parents=True, exist_ok=True)
    for image in ("a", "b"):
        Image.new("RGB", (8, 6)).save(root / "JPEGImages" / f"{image}.jpg")
    (root / name).write_text(json.dumps(clicks))
    return root


def read(root: Path, *options: Any) -> DatasetReader:
    result = wsss("pack", root, "-o", root.parent / "out.h5", "--force", *options)
    assert result.exit_code == 0, result.output
    return open_dataset(root.parent / "out.h5")


@pytest.mark.parametrize("source", [".", "whats_the_point_trainval_main.json"])
def test_what_its_authors_publish(source: str, tmp_path: Path) -> None:
    data = packed("whats_the_point", tmp_path / "d.h5", source=source)
    compare("whats_the_point", data, skip=("splits", "mask"))
    assert [one.rank for one in data.marks("JPEGImages/2008_000100") or ()] == [1, 2]


def test_background_lies_in_a_file_of_its_own(tmp_path: Path) -> None:
    root = write(tmp_path / "set", {"a": [click(2, 3.25, 8, rank=1)], "b": []})
    write(root, {"a": [click(0, 0, 0)], "b": [click(7, 5, 0)]}, "points_background.json")
    (root / "other.json").write_text("[1]")
    data = read(root)
    assert (data.ids, data.classes) == (["JPEGImages/a", "JPEGImages/b"], list(VOC_CLASSES))
    marks = data.marks("JPEGImages/a") or ()
    assert [(one.kind, one.label, one.rank) for one in marks] == [(POINT, 8, 1), (POINT, 0, -1)]
    assert [one.xy.tolist() for one in marks] == [[[2.5, 3.75]], [[0.5, 0.5]]]
    assert [list(data.tags(name)) for name in data.ids] == [[7], []]


def test_images_elsewhere_and_other_classes(tmp_path: Path) -> None:
    root = write(tmp_path / "set", {"a": [click(1, 1, 2)]})
    (tmp_path / "classes.txt").write_text("roof\nroad\n")
    command = ("--images", root / "JPEGImages", "--classes", tmp_path / "classes.txt")
    data = read(root / "points.json", *command)
    assert (data.ids, data.classes, list(data.tags("a"))) == (["a"], ["roof", "road"], [1])


BAD: dict[str, Any] = {
    "no list": {"a": 3},
    "null": {"a": [None]},
    "no class": {"a": [{"x": 1, "y": 1}]},
    "a class beyond": {"a": [click(1, 1, 21)]},
    "a class below": {"a": [click(1, 1, -1)]},
    "a class that is a text": {"a": [click(1, 1, "8")]},
    "a class that is true": {"a": [click(1, 1, True)]},
    "no x": {"a": [{"y": 1, "cls": 1}]},
    "x is a text": {"a": [click("1", 1, 1)]},
    "beyond numbers": {"a": [click(10**400, 1, 1)]},
    "no place": {"a": [click(1e300, 1, 1)]},
    "a rank that is a text": {"a": [click(1, 1, 1, rank="1")]},
    "a rank below": {"a": [click(1, 1, 1, rank=-2)]},
    "a rank beyond": {"a": [click(1, 1, 1, rank=1 << 40)]},
}


@pytest.mark.parametrize("clicks", BAD.values(), ids=BAD.keys())
def test_what_cannot_be_is_told(clicks: dict[str, Any], tmp_path: Path) -> None:
    root = write(tmp_path / "set", {**clicks, "b": [click(1, 1, 1)]})
    result = wsss("pack", root / "points.json", "--format", "whats-the-point", "-o", root / "o.h5")
    assert result.exit_code == 3
    assert "1 of 2 images cannot be packed: " in result.output
    assert "Traceback" not in result.output
    assert not (root / "o.h5").exists()


def test_an_image_that_is_not_there(tmp_path: Path) -> None:
    root = write(tmp_path / "set", {"../a": [click(1, 1, 1)], "b": [], "c": [click(1, 1, 1)]})
    result = wsss("pack", root, "-o", tmp_path / "out.h5")
    assert result.exit_code == 3
    assert "2 of 3 images cannot be packed: ../a: '../a' leads out" in result.output
    assert "c: no such image" in result.output


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"a": [], "a": []}', '{"a": [NaN]}'])
def test_files_that_are_broken(content: str, tmp_path: Path) -> None:
    root = write(tmp_path / "set", {})
    (root / "points.json").write_text(content)
    file = root / "points.json"
    result = wsss("pack", file, "--format", "whats-the-point", "-o", tmp_path / "out.h5")
    assert result.exit_code == 3
    assert "points.json: " in result.output


def test_a_folder_without_any(tmp_path: Path) -> None:
    result = wsss("pack", tmp_path, "--format", "whats-the-point", "-o", tmp_path / "out.h5")
    assert result.exit_code == 3
    assert "holds no JSON of clicks" in result.output
