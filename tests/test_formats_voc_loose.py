"""VOC's XML files without a devkit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made import wsss
from PIL import Image
from samples import compare, packed

from wsss_cli.artifacts import DatasetReader, open_dataset


def xml(*objects: str, filename: str = "") -> str:
    return f"<annotation><filename>{filename}</filename>{''.join(objects)}</annotation>"


def thing(name: str, *sides: Any) -> str:
    tags = zip(("xmin", "ymin", "xmax", "ymax"), sides, strict=True)
    box = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags)
    return f"<object><name>{name}</name><difficult>0</difficult><bndbox>{box}</bndbox></object>"


def write(folder: Path, files: dict[str, str | None]) -> Path:
    """XML files, and images of 8 x 6 for names with None."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            Image.new("RGB", (8, 6)).save(file)
        else:
            file.write_text(content)
    return folder


def read(folder: Path, *options: Any) -> DatasetReader:
    out = folder.parent / "out.h5"
    result = wsss("pack", folder, "-o", out, "--force", *options)
    assert result.exit_code == 0, result.output
    return open_dataset(out)


def test_what_supervision_writes(tmp_path: Path) -> None:
    data = packed("sv_voc", tmp_path / "d.h5")
    compare("sv_voc", data, skip=("splits", "mask", "boxes"))
    found = {name: data.true_boxes(name) for name in data.ids}
    assert {name: one.corners.tolist() for name, one in found.items() if one is not None} == {
        "images/img_0001": [[8, 11, 32, 29], [26, 15, 52, 40]],
        "images/img 2": [[6, 8, 30, 42], [40, 10, 58, 26]],
        "images/empty": [],
        "images/sub_img_0003": [[30, 44, 48, 64], [0, 0, 14, 20], [16, 22, 44, 42]],  # by parts
    }


def test_whole_numbers_count_from_1_and_decimals_are_edges(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "set",
        {
            "a.png": None, "b.png": None,
            "a.xml": xml(thing("cat", 2, 1, 4, 3), thing("dog", 1, 1, 8, 6)),
            "b.xml": xml(
                thing("cat", "2.00", "1.00", "4.00", "3.00"),
                thing("dog", "0.00", "0.00", "7.50", "6.00"),
            ),
        },
    )  # fmt: skip
    data = read(folder)
    found = [data.true_boxes(name) for name in "ab"]
    assert [one.corners.tolist() for one in found if one is not None] == [
        [[1, 0, 4, 3], [0, 0, 8, 6]],
        [[2, 1, 4, 3], [0, 0, 7.5, 6]],
    ]


@pytest.mark.parametrize(
    ("file", "filename", "image"),
    [
        ("a.xml", "a.png", "a.png"),
        ("a.xml", "", "a.png"),
        ("a.xml", "old.jpg", "a.png"),  # renamed together
        ("a.xml", "C:\\me\\b.png", "b.png"),
        ("annotations/a.xml", "a.png", "images/a.png"),
        ("train/annotations/sub/a.xml", "a.png", "train/images/sub/a.png"),
        ("Annotations/a.xml", "a.png", "a.png"),
        ("xml/a.xml", "a.png", "img/a.png"),
    ],
)
def test_where_the_image_is(file: str, filename: str, image: str, tmp_path: Path) -> None:
    content = xml(thing("cat", 1, 1, 2, 2), filename=filename)
    folder = write(tmp_path / "set", {file: content, image: None})
    result = wsss("pack", folder, "-o", tmp_path / "out.h5")
    assert result.exit_code == 0, result.output
    assert open_dataset(tmp_path / "out.h5").ids == [image.removesuffix(".png")]
    assert "warning" not in result.output


def test_images_elsewhere(tmp_path: Path) -> None:
    folder = write(tmp_path / "set", {"xml/a.xml": xml(thing("cat", 1, 1, 2, 2)), "p/a.png": None})
    result = wsss("pack", "--voc", folder / "xml", "-o", tmp_path / "out.h5")
    assert result.exit_code == 3
    assert "1 of 1 images cannot be packed" in result.output


@pytest.mark.parametrize(
    "content",
    [
        "",
        "<annotation>",
        "<annotations/>",
        xml(thing("", 1, 1, 2, 2)),
        xml(thing("cat", "x", 1, 2, 2)),
        xml(thing("cat", "nan", 1, 2, 2)),
        xml(thing("cat", 3, 1, 2, 2)),
        xml(thing("cat", 1, 1, "1e999", 2)),
        xml(thing("cat", 1, 1, 90, 2)),
        '<!DOCTYPE a [<!ENTITY b "c">]><annotation><object><name>&c;</name></object></annotation>',
    ],
)
def test_what_cannot_be_is_told(content: str, tmp_path: Path) -> None:
    files = {"a.xml": content, "a.png": None, "b.xml": xml(thing("cat", 1, 1, 2, 2)), "b.png": None}
    folder = write(tmp_path / "set", files)
    result = wsss("pack", "--voc", folder, "-o", tmp_path / "out.h5")
    assert result.exit_code == 3
    assert "1 of 2 images cannot be packed: a" in result.output
    assert not (tmp_path / "out.h5").exists()
