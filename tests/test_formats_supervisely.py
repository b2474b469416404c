"""pack of Supervisely's projects."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import wsss
from PIL import Image
from samples import compare, packed

from wsss_cli.artifacts import DatasetReader, open_dataset
from wsss_cli.core.marks import BOX, LINE, POINT, POLYGON, REGION
from wsss_cli.formats.shapes import Shape
from wsss_cli.formats.supervisely import drawing


def packed_bitmap(mask: Any) -> str:
    out = io.BytesIO()
    Image.fromarray(np.array(mask, np.uint8) * 255).save(out, "PNG")
    return base64.b64encode(zlib.compress(out.getvalue())).decode()


def thing(kind: str, *exterior: Any, name: Any = "cat", interior: Any = (), **more: Any) -> Any:
    points = {"exterior": [list(one) for one in exterior], "interior": interior}
    return {"classTitle": name, "geometryType": kind, "points": points, **more}


def bits(mask: Any, origin: Any) -> Any:
    data = packed_bitmap(mask)
    return {
        "classTitle": "cat", "geometryType": "bitmap", "bitmap": {"data": data, "origin": origin},
    }  # fmt: skip


def write(root: Path, name: str, *objects: Any, tags: Any = (), size: Any = (6, 8)) -> Path:
    """An image of 8 x 6 of a data set, and what was drawn on it."""
    dataset, last = name.split("/")
    image, file = root / dataset / "img" / last, root / dataset / "ann" / f"{last}.json"
    for one in (image, file):
        one.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6)).save(image)
    height, width = size
    content = {"tags": list(tags), "size": {"height": height, "width": width}, "objects": objects}
    file.write_text(json.dumps(content))
    return file


def meta(root: Path, *names: str) -> None:
    classes = [{"title": name, "shape": "any"} for name in names]
    (root / "meta.json").write_text(json.dumps({"classes": classes, "tags": []}))


def read(root: Path, *options: Any) -> DatasetReader:
    result = wsss("pack", root, "-o", root.parent / "out.h5", "--force", *options)
    assert result.exit_code == 0, result.output
    return open_dataset(root.parent / "out.h5")


def only(root: Path, *objects: Any) -> tuple[Shape, ...]:
    return drawing(write(root, "ds/a.png", *objects), "a").shapes


def test_what_the_program_writes(tmp_path: Path) -> None:
    data = packed("supervisely", tmp_path / "d.h5", "--fill-boxes")
    compare("supervisely", data, skip=("splits",), near=0.51)  # the truth names pixels' corners


def test_whole_numbers_name_pixels(tmp_path: Path) -> None:
    found = only(
        tmp_path,
        thing("point", (2, 3)),
        thing("line", (0, 0), (3, 4)),
        thing("rectangle", (4, 3), (1, 2)),
        thing("polygon", (0, 0), (4, 0), (4, 4), interior=[[[1, 1], [2, 1], [2, 2]]]),
        bits([[1, 0], [1, 1]], [3, 2]),
    )
    assert [one.kind for one in found] == [POINT, LINE, BOX, POLYGON, REGION]
    assert found[0].rings[0].tolist() == [[2.5, 3.5]]
    assert found[1].rings[0].tolist() == [[0.5, 0.5], [3.5, 4.5]]
    assert found[2].rings[0].tolist() == [[1, 2], [5, 4]]
    assert [len(ring) for ring in found[3].rings] == [3, 3]
    assert found[3].rings[1].tolist() == [[1.5, 1.5], [2.5, 1.5], [2.5, 2.5]]
    assert found[4].rings[0].tolist() == [[3, 2], [5, 4]]
    assert isinstance(found[4].region, np.ndarray)
    assert found[4].region.tolist() == [[True, False], [True, True]]


def test_one_decimal_makes_all_of_a_file_corners(tmp_path: Path) -> None:
    found = only(tmp_path, thing("rectangle", (1, 2), (4, 3)), thing("point", (2.25, 3.0)))
    assert [one.rings[0].tolist() for one in found] == [[[1, 2], [4, 3]], [[2.25, 3]]]


def test_instances_are_one_object(tmp_path: Path) -> None:
    square = ((0, 0), (2, 0), (2, 2))
    found = only(
        tmp_path,
        thing("polygon", *square, instance="k"),
        thing("polygon", *square, instance="k"),
        thing("polygon", *square),
    )
    assert [one.object for one in found] == [1, 1, -1]


def test_several_data_sets_with_classes_in_their_order(tmp_path: Path) -> None:
    root = tmp_path / "p"
    write(root, "one/a.png", thing("point", (1, 1), name="dog"))
    write(root, "two/a.png", tags=[{"name": "night", "value": None}, {"name": "w", "value": "3"}])
    meta(root, "dog", "cat")
    data = read(root)
    assert data.ids == ["one/img/a", "two/img/a"]
    assert data.classes == ["dog", "cat", "night"]
    assert [list(data.tags(name)) for name in data.ids] == [[0], [2]]


def test_a_project_without_meta(tmp_path: Path) -> None:
    root = tmp_path / "p"
    write(root, "one/a.png", thing("point", (1, 1), name="dog"), thing("point", (1, 1)))
    assert read(root).classes == ["cat", "dog"]


BAD: dict[str, Any] = {
    "null": [None],
    "no class": [{"geometryType": "point", "points": {"exterior": [[1, 1]]}}],
    "a class that is a number": [thing("point", (1, 1), name=3)],
    "a kind nobody knows": [thing("cuboid", (1, 1))],
    "a kind that is a list": [{"classTitle": "cat", "geometryType": []}],
    "no points": [{"classTitle": "cat", "geometryType": "point", "points": None}],
    "texts": [thing("point", ("1", "2"))],
    "no place": [thing("point", (1e300, 1))],
    "a rectangle of three": [thing("rectangle", (1, 1), (2, 2), (3, 3))],
    "a rectangle of none": [thing("rectangle")],
    "a polygon of two": [thing("polygon", (1, 1), (2, 2))],
    "a hole that is none": [thing("polygon", (0, 0), (4, 0), (4, 4), interior=[3])],
    "no bitmap": [{"classTitle": "cat", "geometryType": "bitmap"}],
    "no base64": [{**bits([[1]], [0, 0]), "bitmap": {"data": "abc", "origin": [0, 0]}}],
    "no zlib": [{**bits([[1]], [0, 0]), "bitmap": {"data": "YWJj", "origin": [0, 0]}}],
    "no origin": [{**bits([[1]], None)}],
    "an origin that is a text": [bits([[1]], ["a", 1])],
    "an origin outside": [bits([[1]], [-3, 1])],
    "an origin that is no place": [bits([[1]], [10**300, 1])],
}


@pytest.mark.parametrize("objects", BAD.values(), ids=BAD.keys())
def test_what_cannot_be_is_told(objects: list[Any], tmp_path: Path) -> None:
    root = tmp_path / "p"
    write(root, "ds/a.png", *objects)
    result = wsss("pack", root, "-o", tmp_path / "out.h5")
    assert result.exit_code == 3
    assert "1 of 1 images cannot be packed: ds/" in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"objects": 3}', '{"objects": [], "tags": 3}', '{"objects": [NaN]}']
)
def test_files_that_are_broken(content: str, tmp_path: Path) -> None:
    root = tmp_path / "p"
    write(root, "ds/a.png", thing("point", (1, 1)))
    write(root, "ds/b.png").write_text(content)
    result = wsss("pack", root, "-o", tmp_path / "out.h5")
    assert result.exit_code == 3
    assert "1 of 2 images cannot be packed: ds/ann/b.png.json: " in result.output


@pytest.mark.parametrize("content", ["", "[]", '{"classes": {}}', '{"classes": [{"title": 3}]}'])
def test_a_meta_that_is_none(content: str, tmp_path: Path) -> None:
    root = tmp_path / "p"
    write(root, "ds/a.png", thing("point", (1, 1)))
    (root / "meta.json").write_text(content)
    result = wsss("pack", root, "-o", tmp_path / "out.h5")
    assert result.exit_code == 3
    assert "meta.json: " in result.output


def test_an_image_of_another_size_and_one_that_is_missing(tmp_path: Path) -> None:
    root = tmp_path / "p"
    write(root, "ds/a.png", thing("point", (1, 1)), size=(60, 80))
    write(root, "ds/b.png", thing("point", (1, 1)))
    (root / "ds" / "img" / "b.png").unlink()
    result = wsss("pack", root, "-o", tmp_path / "out.h5")
    assert result.exit_code == 3
    assert "1 of 2 images cannot be packed: ds/img/b.png: no such image" in result.output
    write(root, "ds/b.png", thing("point", (1, 1)))
    result = wsss("pack", root, "-o", tmp_path / "out.h5")
    assert "drawn on 80x60 pixels, the image is 8x6" in result.output


def test_no_annotations(tmp_path: Path) -> None:
    result = wsss("pack", tmp_path, "--format", "supervisely", "-o", tmp_path / "out.h5")
    assert result.exit_code == 3
    assert "holds no ann/NAME.json of Supervisely" in result.output
