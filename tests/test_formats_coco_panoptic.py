"""COCO's panoptic PNGs."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import wsss
from PIL import Image

from wsss_cli.artifacts import open_dataset
from wsss_cli.formats.coco_panoptic import drawing_of, numbers_of, segments_file
from wsss_cli.formats.coco_records import Panoptic, Segment
from wsss_cli.formats.shapes import IGNORED

NUMBERS = np.array([[0, 7, 7, 70000], [0, 7, 300, 70000], [300, 300, 300, 70000]])
NAMES = {1: "cat", 2: "sky", 3: "dog"}
PARTS = (Segment(7, 1, False), Segment(300, 2, False), Segment(70000, 3, True))


def png(numbers: np.ndarray) -> bytes:
    """By the definition: red the lowest byte."""
    colours = np.stack([numbers % 256, numbers // 256 % 256, numbers // 65536], axis=2)
    out = io.BytesIO()
    Image.fromarray(colours.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def test_numbers_are_those_of_the_colours() -> None:
    assert (numbers_of(png(NUMBERS)) == NUMBERS).all()
    grey = np.array([[0x050505, 0]])  # that Pillow could take for a grey image
    assert (numbers_of(png(grey)) == grey).all()
    palette = io.BytesIO()
    Image.open(io.BytesIO(png(NUMBERS))).quantize(8).save(palette, "PNG")
    assert (numbers_of(palette.getvalue()) == NUMBERS).all()
    out = io.BytesIO()
    Image.new("L", (2, 2)).save(out, "PNG")
    with pytest.raises(ValueError, match="no RGB image"):
        numbers_of(out.getvalue())


def drawn(folder: Path, parts: tuple[Segment, ...] = PARTS) -> Any:
    (folder / "a.png").write_bytes(png(NUMBERS))
    found = Panoptic(1, "a.png", parts)
    return drawing_of(found, folder / "a.png", NAMES, {1, 3}, True, "a.jpg")


def test_segments_are_shapes(tmp_path: Path) -> None:
    found = drawn(tmp_path)
    assert (found.size, found.true_boxes) == ((3, 4), True)
    outlines = {one.name: one for one in found.shapes if one.outline}
    for name, number in ((IGNORED, 0), ("cat", 7), ("sky", 300), ("dog", 70000)):
        assert (outlines[name].region == (number == NUMBERS)).all(), name
    assert [outlines[name].thing for name in ("cat", "sky", "dog")] == [True, False, True]
    boxes = {one.name: one for one in found.shapes if one.boxed}
    assert sorted(boxes) == ["cat", "dog"]
    assert boxes["cat"].rings[0].tolist() == [[1, 0], [3, 2]]
    assert (boxes["cat"].crowd, boxes["dog"].crowd) == (False, True)


def test_png_and_json_hold_the_same_segments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.png: hold number 70000, which the JSON does not"):
        drawn(tmp_path, PARTS[:2])
    with pytest.raises(ValueError, match=r"a\.png: do not hold number 8, which the JSON names"):
        drawn(tmp_path, (*PARTS, Segment(8, 1, False)))
    with pytest.raises(ValueError, match=r"b\.png: No such file"):
        drawing_of(Panoptic(1, "b.png", ()), tmp_path / "b.png", NAMES, (), True, "a")
    (tmp_path / "c.png").write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match=r"its segments c\.png: "):
        drawing_of(Panoptic(1, "c.png", ()), tmp_path / "c.png", NAMES, (), True, "a")


def test_names_stay_in_the_folder() -> None:
    assert segments_file(Path("f"), "sub\\a.png") == Path("f/sub/a.png")
    for bad in ("../a.png", "/etc/a.png", "sub/../../a.png"):
        with pytest.raises(LookupError, match="leads out of"):
            segments_file(Path("f"), bad)


def made(folder: Path, annotations: list[Any]) -> Path:
    (folder / "segments").mkdir(parents=True)
    (folder / "segments" / "a.png").write_bytes(png(NUMBERS))
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (4, 3)).save(folder / name)
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
        "categories": [
            {"id": 1, "name": "cat", "isthing": 1},
            {"id": 2, "name": "sky", "isthing": 0},
            {"id": 3, "name": "dog"},
        ],
        "annotations": annotations,
    }
    (folder / "segments.json").write_text(json.dumps(content))
    return folder


SAID = {
    "image_id": 1,
    "file_name": "a.png",
    "segments_info": [
        {"id": 7, "category_id": 1},
        {"id": 300, "category_id": 2},
        {"id": 70000, "category_id": 3, "iscrowd": 1},
    ],
}


def test_packed(tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    result = wsss("pack", made(tmp_path / "d", [SAID]), "-o", out)
    assert result.exit_code == 0, result.output
    data = open_dataset(out)
    mask, empty = data.mask("a"), data.mask("b")
    assert mask is not None
    assert empty is not None
    assert mask.tolist() == [[255, 1, 1, 255], [255, 1, 2, 255], [2, 2, 2, 255]]
    assert not empty.any()
    objects = [(data.classes[one.class_index], one.crowd) for one in data.true_objects("a") or ()]
    assert objects == [("cat", False), ("dog", True)]
    assert [(one.label, one.xy.ravel().tolist()) for one in data.marks("a") or ()] == [
        (1, [1, 0, 3, 2])
    ]
    assert wsss("pack", tmp_path / "d", "-o", out, "--force", "--crowd", "class").exit_code == 0
    mask = open_dataset(out).mask("a")
    assert mask is not None
    assert (mask[:, 3] == 3).all()


@pytest.mark.parametrize(
    ("annotations", "words"),
    [
        ([{**SAID, "file_name": "../a.png"}], "leads out of"),
        ([{**SAID, "file_name": "c.png"}], "its segments c.png: No such file"),
        ([SAID, SAID], "has 2 lists of segments"),
        ([{**SAID, "segments_info": [None]}], "segments without an id or a category_id"),
        ([{**SAID, "segments_info": [{"id": 7, "category_id": 9}]}], "category 9, which the file"),
        ([SAID, {"image_id": 1, "category_id": 1}], "annotation 2 of 2 is none"),
    ],
)
def test_what_makes_no_sense(annotations: list[Any], words: str, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    result = wsss("pack", made(tmp_path / "d", annotations), "-o", out)
    assert result.exit_code == 3, result.output
    assert words in result.stderr
    assert not out.exists()
