"""YOLO's rows, its layouts, and what of them is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import encode_png
from made import wsss
from samples import compare, packed

from wsss_cli.artifacts import DatasetReader, open_dataset
from wsss_cli.core.mark_kinds import BOX
from wsss_cli.formats.yolo_set import YoloSet

SIZE = (20, 40)
YAML = "names: [cat, dog]\ntrain: images/train\nval: images/val\n"


@pytest.mark.parametrize("name", ["yolo_detect", "yolo_segment", "yolo_darknet"])
def test_what_tools_write(name: str, tmp_path: Path) -> None:
    data = packed(name, tmp_path / "d.h5")
    compare(name, data, skip=() if name != "yolo_segment" else ("boxes",))


def test_outlines_of_border_pixels(tmp_path: Path) -> None:
    data = packed("sv_yolo", tmp_path / "d.h5", "--inclusive")
    compare("sv_yolo", data, skip=("splits", "boxes"))


def test_masks_of_ultralytics(tmp_path: Path) -> None:
    data = packed("ultralytics_semantic", tmp_path / "d.h5")
    compare("ultralytics_semantic", data)


def write(root: Path, files: dict[str, str | None]) -> Path:
    """Text files; an image where there is None."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            image = np.full((*SIZE, 3), len(name), np.uint8)
            (root / name).write_bytes(encode_png(image).tobytes())
        else:
            (root / name).write_text(text)
    return root


def small(root: Path, rows: str, yaml: str = YAML) -> Path:
    return write(
        root,
        {
            "data.yaml": yaml, "images/train/a.png": None, "images/val/b.png": None,
            "labels/train/a.txt": rows,
        },
    )  # fmt: skip


def read(root: Path, *options: Any) -> DatasetReader:
    result = wsss("pack", root, "-o", root / "d.h5", "--force", *options)
    assert result.exit_code == 0, result.output
    return open_dataset(root / "d.h5")


def test_a_box_by_its_centre_and_an_image_without_a_file_of_rows(tmp_path: Path) -> None:
    data = read(small(tmp_path, "1 0.5 0.5 0.25 0.2\r\n\n0.0 0.1 0.2 0.1 0.1\n"))
    marks = list(data.marks("images/train/a") or ())
    assert [(one.kind, one.label) for one in marks] == [(BOX, 2), (BOX, 1)]
    assert np.allclose(marks[0].xy, [[15, 8], [25, 12]])
    true = data.true_boxes("images/train/a")
    assert true is not None
    assert len(true.corners) == 2
    assert data.marks("images/val/b") is None
    assert data.split("val") == ["images/val/b"]
    assert data.classes == ["cat", "dog"]


def test_outlines_are_truth(tmp_path: Path) -> None:
    data = read(small(tmp_path, "0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n"))
    mask = data.mask("images/train/a")
    assert mask is not None
    wanted = np.zeros(SIZE, np.uint8)
    wanted[5:15, 10:30] = 1
    assert np.array_equal(mask, wanted)
    other = data.mask("images/val/b")
    assert other is not None
    assert not other.any()


def test_a_pose_is_its_box(tmp_path: Path) -> None:
    yaml = YAML + "kpt_shape: [2, 3]\n"
    data = read(small(tmp_path, "0 0.5 0.5 0.2 0.2 0.5 0.5 2 0.4 0.4 1\n", yaml))
    assert [one.kind for one in data.marks("images/train/a") or ()] == [BOX]


@pytest.mark.parametrize(
    ("yaml", "split"),
    [
        ("path: .\nnames: {0: cat, 1: dog}\ntrain: [images/train, images/val]\n", 2),
        ("names: {1: dog, 0: cat}\ntrain: ../elsewhere/images/train\n", 1),
        ("path: /home/me/set\nnames: [cat, dog]\nnc: 2\ntrain: images/train\ntest:\n", 1),
        ("names: [cat, dog]\ntrain: list.txt\n", 1),
    ],
)
def test_ways_to_name_images(yaml: str, split: int, tmp_path: Path) -> None:
    root = small(tmp_path, "0 0.5 0.5 0.2 0.2\n", yaml)
    write(root, {"list.txt": "./images/train/a.png\n"})
    assert len(read(root).split("train")) == split


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("2 0.5 0.5 0.2 0.2", "no class has the number 2"),
        ("0.5 0.5 0.5 0.2 0.2", "no class has the number 0.5"),
        ("x 0.5 0.5 0.2 0.2", "no number"),
        ("0 0.5 nan 0.2 0.2", "no share of the image"),
        ("0 0.5 inf 0.2 0.2", "no share of the image"),
        ("0 0.5 1.5 0.2 0.2", "no share of the image"),
        ("0 0.5 0.5 0.2", "has 4 fields"),
        ("0 0.5 0.5 0.2 0.2 0.9", "has 6 fields"),
        ("0 0.5 0.5 0 0.2", "without a side"),
    ],
)
def test_rows_that_cannot_be(rows: str, said: str, tmp_path: Path) -> None:
    root = small(tmp_path, rows + "\n")
    result = wsss("pack", root, "-o", root / "d.h5")
    assert result.exit_code == 3
    assert said in result.stderr
    assert "labels/train/a.txt" in result.stderr
    assert not (root / "d.h5").exists()


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("names: []\ntrain: images/train\n", "names no classes"),
        ("names: [cat, cat]\ntrain: images/train\n", "twice"),
        ("names: {a: cat}\ntrain: images/train\n", "no number of a class"),
        ("names: [cat, dog]\nnc: 3\ntrain: images/train\n", "nc is 3"),
        ("names: [cat, dog]\ntrain: images/gone\n", "is not there"),
        ("names: &a [cat, dog]\nmore: *a\ntrain: images/train\n", "alias"),
        ("names: [cat\ntrain: images/train\n", "not YAML"),
        ("names: [cat, dog]\nnames: [cow]\n", "twice"),
    ],
)
def test_descriptions_that_cannot_be(yaml: str, said: str, tmp_path: Path) -> None:
    root = small(tmp_path, "0 0.5 0.5 0.2 0.2\n", yaml)
    result = wsss("pack", root, "--format", "yolo", "-o", root / "d.h5")
    assert result.exit_code == 3, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_set_says_nothing_of_itself_that_it_does_not_know() -> None:
    found = YoloSet(Path("data.yaml"), {0: "cat"})
    assert (dict(found.splits), found.masks, found.fields) == ({}, None, 0)
