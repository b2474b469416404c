"""pack of labelme's JSON files."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import wsss
from PIL import Image
from samples import compare, packed, truth_of

from wsss_cli.artifacts import DatasetReader, open_dataset
from wsss_cli.core.filling import filled
from wsss_cli.formats.labelme import drawing
from wsss_cli.formats.shapes import Shape


def png(mask: Any) -> str:
    out = io.BytesIO()
    Image.fromarray(np.array(mask, np.uint8) * 255).convert("1").save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def shape(kind: str | None, *points: tuple[float, float], label: str = "cat", **more: Any) -> Any:
    return {"label": label, "points": [list(p) for p in points], "shape_type": kind, **more}


def write(folder: Path, name: str, *shapes: Any, image: bool = True, **fields: Any) -> Path:
    """A file of labelme's and its image of 8 x 6."""
    file = folder / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "version": "7.9.1", "flags": {}, "shapes": list(shapes),
        "imagePath": f"{file.stem}.png", "imageData": None, "imageHeight": 6, "imageWidth": 8,
    }  # fmt: skip
    file.write_text(json.dumps({**content, **fields}))
    if image:
        Image.new("RGB", (8, 6), (9, 99, 9)).save(file.with_suffix(".png"))
    return file


def read(folder: Path, *options: Any) -> DatasetReader:
    out = folder.parent / "out.h5"
    result = wsss("pack", folder, "-o", out, "--force", *options)
    assert result.exit_code == 0, result.output
    return open_dataset(out)


def refused(folder: Path, *options: Any) -> str:
    out = folder.parent / "refused.h5"
    result = wsss("pack", folder, "--format", "labelme", "-o", out, *options)
    assert result.exit_code == 3
    assert not out.exists()
    assert "Traceback" not in result.output
    return result.output


def only(folder: Path, *shapes: Any, **fields: Any) -> tuple[Shape, ...]:
    return drawing(write(folder, "a", *shapes, **fields), "a.json").shapes


@pytest.mark.parametrize("name", ["labelme", "labelme6"])
def test_what_labelme_writes(name: str, tmp_path: Path) -> None:
    data = packed(name, tmp_path / "d.h5", "--fill-boxes")
    turned = truth_of(name)["images"]["img 2.jpg"].get("rotated_boxes", [])
    extra = [filled([np.array(one["corners"])], (48, 64)) for one in turned]
    compare(name, data, skip=("splits",), unsaid={"img 2": extra[0]} if extra else {})


def test_boxes_do_not_say_which_pixels_are_their_objects(tmp_path: Path) -> None:
    data = packed("labelme", tmp_path / "d.h5")
    mask = data.mask("img_0001")
    assert mask is not None
    assert set(np.unique(mask)) == {0, 1, 255}


def test_ignored_outlines_and_parts_of_one_object(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write(
        folder, "a",
        shape("polygon", (0, 0), (2, 0), (2, 2), (0, 2), group_id=3),
        shape("polygon", (4, 0), (6, 0), (6, 2), (4, 2), group_id=3),
        shape("polygon", (5, 1), (7, 1), (7, 3), (5, 3), label="__ignore__"),
    )  # fmt: skip
    data = read(folder)
    mask = data.mask("a")
    assert mask is not None
    assert mask[0].tolist() == [1, 1, 0, 0, 1, 1, 0, 0]
    assert mask[1].tolist() == [1, 1, 0, 0, 1, 255, 255, 0]
    (one,) = data.true_objects("a") or ()
    assert one.region.corners == (0, 0, 6, 2)
    assert one.region.mask.sum() == 8
    assert data.classes == ["cat"]


def test_flags_are_tags(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write(folder, "a", flags={"dog": True, "cat": False, "__ignore__": True})
    write(folder, "b", shape("point", (1, 1)), flags={"checked": True})
    data = read(folder)
    assert data.classes == ["cat", "checked", "dog"]
    assert [list(data.tags(name)) for name in "ab"] == [[2], [0, 1]]
    result = wsss("pack", folder, "-o", folder.parent / "out.h5", "--force")
    assert "'dog', 'checked', which no shape is of" in result.output
    data = read(folder, "--no-flags")
    assert data.classes == ["cat"]
    assert [list(data.tags(name)) for name in "ab"] == [[], [0]]


@pytest.mark.parametrize(
    "path", ["..\\photos\\a.png", "../photos/a.png", "C:\\Users\\me\\photos\\a.png"]
)
def test_images_beside(path: str, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write(folder, "json/a", shape("point", (1, 1)), image=False, imagePath=path)
    (folder / "photos").mkdir()
    Image.new("RGB", (8, 6)).save(folder / "photos" / "a.png")
    assert read(folder).ids == ["photos/a"]
    assert read(folder / "json", "--images", folder / "photos").ids == ["a"]


def test_a_renamed_pair_is_found_by_the_name_of_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write(folder, "sub/a", shape("point", (1, 1)), imagePath="old.png")
    assert read(folder).ids == ["sub/a"]


def test_an_image_inside(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    pixels = io.BytesIO()
    Image.new("RGB", (8, 6), (1, 2, 3)).save(pixels, "PNG")
    inside = base64.b64encode(pixels.getvalue()).decode()
    for name in ("one/a", "two/a"):
        write(folder, name, shape("point", (1, 1)), image=False, imageData=inside)
    data = read(folder)
    assert data.ids == ["one/a", "two/a"]
    assert (data.image("two/a") == (1, 2, 3)).all()
    write(tmp_path / "bad", "a", image=False, imageData="abc")
    assert "its imageData is not base64" in refused(tmp_path / "bad")


def test_an_image_of_another_size_is_refused_and_a_turned_one_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write(folder, "a", shape("point", (1, 1)), imageHeight=8, imageWidth=6)
    assert read(folder).ids == ["a"]
    write(folder, "a", shape("point", (1, 1)), imageHeight=60, imageWidth=80)
    assert "drawn on 80x60 pixels, the image is 8x6" in refused(folder)


def test_others_in_the_folder_are_said(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write(folder, "a", shape("point", (1, 1)))
    (folder / "config.json").write_text('{"a": 1}')
    Image.new("RGB", (8, 6)).save(folder / "left.png")
    result = wsss("pack", folder, "-o", tmp_path / "out.h5")
    assert result.exit_code == 0
    assert "1 JSON files are not labelme's, first config.json" in result.output
    assert "1 images have no JSON file and are left out, first left.png" in result.output


BAD: dict[str, Any] = {
    "shapes are a text": {"shapes": "x"},
    "a shape is null": {"shapes": [None]},
    "no label": {"shapes": [{"points": [[1, 1]], "shape_type": "point"}]},
    "a label is a number": {"shapes": [shape("point", (1, 1), label=3)]},  # type: ignore[arg-type]
    "points are null": {"shapes": [{"label": "a", "points": None, "shape_type": "point"}]},
    "points are texts": {"shapes": [{"label": "a", "points": [["1", "2"]], "shape_type": "point"}]},
    "three numbers": {"shapes": [{"label": "a", "points": [[1, 2, 3]], "shape_type": "point"}]},
    "no place": {"shapes": [{"label": "a", "points": [[1e999, 2]], "shape_type": "point"}]},
    "far": {"shapes": [shape("point", (1e300, 1))]},
    "beyond numbers": {"shapes": [shape("point", (10**400, 1))]},
    "two points": {"shapes": [shape("polygon", (1, 1), (2, 2))]},
    "a line of none": {"shapes": [shape("line")]},
    "a type nobody knows": {"shapes": [shape("blob", (1, 1))]},
    "a type that is a list": {"shapes": [shape([], (1, 1))]},  # type: ignore[arg-type]
    "a group that is a list": {"shapes": [shape("point", (1, 1), group_id=[])]},
    "a mask that is none": {"shapes": [shape("mask", (1, 1), (2, 2))]},
    "a mask that is no PNG": {"shapes": [shape("mask", (1, 1), (2, 2), mask="aGVsbG8=")]},
    "a mask of another size": {"shapes": [shape("mask", (1, 1), (2, 2), mask=png([[1]]))]},
    "a mask that begins outside": {"shapes": [shape("mask", (-1, 1), (-1, 1), mask=png([[1]]))]},
    "flags are a list": {"flags": ["cat"]},
    "a flag is a text": {"flags": {"cat": "yes"}},
    "the path is a number": {"imagePath": 3},
    "the image is a number": {"imageData": 3, "imagePath": "gone.png"},
    "no image": {"imagePath": "../../../etc/passwd"},
}


@pytest.mark.parametrize("fields", BAD.values(), ids=BAD.keys())
def test_what_cannot_be_is_told_in_one_line(fields: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write(folder, "a", image=fields.get("imagePath") is None, **fields)
    text = json.dumps({"shapes": [], **fields}).replace("Infinity", "1e999")
    (folder / "a.json").write_text(text)
    if fields.get("imagePath") is None:
        text = json.dumps({**json.loads(text), "imagePath": "a.png"}).replace("Infinity", "1e999")
        (folder / "a.json").write_text(text)
    output = refused(folder)
    assert "1 of 1 images cannot be packed: " in output or "shapes lie outside" in output


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"shapes": [NaN]}', "\0", "[" * 9999])
def test_files_that_are_broken(content: str, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write(folder, "a", shape("point", (1, 1)))
    (folder / "b.json").write_text(content)
    assert "1 of 2 images cannot be packed: b.json" in refused(folder)
    assert "b.json" in refused(folder / "b.json")


def test_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.json").write_text('{"images": []}')
    assert 'no JSON file of labelme (with "shapes")' in refused(tmp_path / "set")


def test_many_shapes_on_one_image(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write(folder, "a", *(shape("point", (n % 8, n % 6)) for n in range(100_000)))
    assert len(read(folder).marks("a") or ()) == 100_000


def test_shapes_of_a_negative_are_none(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write(folder, "a", shape("point", (1, 1), label="nothing here"))
    write(folder, "b", shape("point", (2, 2)))
    data = read(folder, "--negative", "nothing here")
    assert (data.classes, len(data.marks("b") or ())) == (["cat"], 1)
    assert not data.marks("a")
