"""pack of captions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import encode_png
from made import wsss

from wsss_cli.artifacts import open_dataset

NAMES = ("a.png", "b.png", "c.png")


def pack(
    folder: Path, files: dict[str, Any], source: str, *options: Any, code: int = 0
) -> tuple[Any, str]:
    """The data set, and what was said. There are three images; classes are cat and dog."""
    for name in NAMES:
        (folder / name).write_bytes(encode_png(np.full((20, 40, 3), 90, np.uint8)))
    (folder / "classes").write_text("cat\ndog\n")
    for name, found in files.items():
        text = found if isinstance(found, str) else json.dumps(found)
        (folder / name).write_text(text, encoding="utf-8")
    out = folder / "d.h5"
    result = wsss(
        "pack", "--captions", folder / source, "--classes", folder / "classes", "-o", out,
        "--force", *options,
    )  # fmt: skip
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    assert out.exists() == (code == 0)
    return (open_dataset(out) if code == 0 else None), result.stderr


def tags(data: Any) -> dict[str, list[str]]:
    return {key: [data.classes[tag] for tag in data.tags(key)] for key in data.ids}


WANTED = {"a": ["cat", "dog"], "b": []}
COCO = {
    "images": [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "b.png"}],
    "annotations": [
        {"id": 1, "image_id": 7, "caption": "two cats"},
        {"id": 2, "image_id": 7, "caption": "a cat and a DOG."},
        {"id": 3, "image_id": 8, "caption": "nothing"},
    ],
}
FORMS: dict[str, tuple[dict[str, Any], str]] = {
    "texts beside": ({"a.txt": "Two cats.\nA dog.\n", "b.txt": "A catalogue", "c.txt": ""}, "."),
    "a table": (
        {"t.csv": 'caption,image\n"two cats, a dog",a.png\na cat,a.png\nnothing,b.png\n'}, "t.csv",
    ),
    "columns": ({"t.csv": "image,caption_1,caption_2\na,a cat,a dog\nb,nothing,\n"}, "t.csv"),
    "COCO": ({"t.json": COCO}, "t.json"),
    "texts by image": ({"t.json": {"a.png": ["a cat", "dogs"], "b.png": "x", "c": []}}, "t.json"),
    "lines": (
        {"t.jsonl": '{"file_name": "a.png", "text": "cat dog"}\n{"file_name": "b.png", "text": '
         '"x"}\n'}, "t.jsonl",
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str, tmp_path: Path) -> None:
    files, source = FORMS[form]
    data, said = pack(tmp_path, files, source)
    assert tags(data) == WANTED
    assert data.classes == ["cat", "dog"]
    assert data.absent("b") is None
    assert "the captions of 1 of 2 images name no class" in said


def test_what_was_found_is_counted(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("cat: kitten\n: hot dog\n")
    text = "image,caption\na.png,A kitten and two cats\nb.png,a hot dog and a cat\nc.png,\n"
    data, said = pack(tmp_path, {"t.csv": text}, "t.csv", "--synonyms", tmp_path / "words")
    assert tags(data) == {"a": ["cat"], "b": ["cat"]}
    assert "cat 3 (cat 1, cats 1, kitten 1)" in said
    assert "1 images without a caption are left out" in said


def test_what_is_not_named_may_be_unknown(tmp_path: Path) -> None:
    files = {"t.csv": "image,caption\na.png,a cat\n"}
    data, _ = pack(tmp_path, files, "t.csv", "--unmentioned", "unknown")
    assert data.absent("a").tolist() == []


def test_a_folder_of_one_file_of_captions(tmp_path: Path) -> None:
    pack(tmp_path, {"captions_val.json": COCO}, ".")
    result = wsss("pack", tmp_path, "--classes", tmp_path / "classes", "-o", tmp_path / "e.h5")
    assert result.exit_code == 0, result.output
    assert "captions_val.json holds captions" in result.stderr


def test_classes_are_needed(tmp_path: Path) -> None:
    result = wsss("pack", "--captions", tmp_path, "-o", tmp_path / "d.h5")
    assert result.exit_code == 2
    assert "needs --classes" in result.stderr


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "not JSON": ({"t.json": "{"}, "t.json"),
    "a list": ({"t.json": []}, "t.json"),
    "null": ({"t.json": {"a.png": None}}, "t.json"),
    "no captions": ({"t.json": {**COCO, "annotations": [{"image_id": 7}]}}, "t.json"),
    "an unknown image": ({"t.json": {**COCO, "images": COCO["images"][:1]}}, "t.json"),
    "an id twice": ({"t.json": {**COCO, "images": [COCO["images"][0]] * 2}}, "t.json"),
    "images of texts": ({"t.json": {**COCO, "images": ["a"]}}, "t.json"),
    "no image": ({"t.csv": "image,caption\nx.png,a cat\n"}, "t.csv"),
    "outside": ({"t.csv": "image,caption\n../a.png,a cat\n"}, "t.csv"),
    "no column": ({"t.csv": "image,label\na.png,cat\n"}, "t.csv"),
    "commas": ({"t.csv": "image,caption\na.png,a cat, a dog\n"}, "t.csv"),
    "empty": ({"t.csv": "image,caption\na.png,\n"}, "t.csv"),
    "lines of lists": ({"t.jsonl": "[1]\n"}, "t.jsonl"),
    "broken lines": ({"t.jsonl": "{\n"}, "t.jsonl"),
    "no texts": ({"readme.txt": "x"}, "."),
    "not there": ({}, "none.csv"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    files, source = BROKEN[case]
    _, said = pack(tmp_path, files, source, code=3)
    assert said.count("wsss: error:") == 1
