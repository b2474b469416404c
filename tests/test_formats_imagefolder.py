"""Folders named by class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import encode_png
from made import wsss
from samples import packed

from wsss_cli.artifacts import open_dataset


def write(root: Path, names: dict[str, int]) -> Path:
    for name, level in names.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        image = encode_png(np.full((4, 6, 3), level, np.uint8))
        (root / name).write_bytes(image.tobytes())
    return root


def test_what_datumaro_writes(tmp_path: Path) -> None:
    data = packed("imagefolder", tmp_path / "d.h5")
    found = {key: [data.classes[tag] for tag in data.tags(key)] for key in data.ids}
    assert found == {
        "train/apple/img 2": ["apple", "red car"], "train/apple/img_0001": ["apple", "bear"],
        "val/bear/sub/img_0003": ["bear", "red car"], "val/no_label/empty": [],
    }  # fmt: skip
    assert data.split("val") == ["val/bear/sub/img_0003", "val/no_label/empty"]


def test_copies_are_one_image_and_namesakes_are_not(tmp_path: Path) -> None:
    root = write(tmp_path / "set", {"cat/a.png": 1, "dog/a.png": 1, "cat/b.png": 2, "dog/b.png": 3})
    result = wsss("pack", root, "-o", tmp_path / "d.h5")
    assert result.exit_code == 0, result.output
    assert "1 images lie in several folders" in result.stderr
    with open_dataset(tmp_path / "d.h5") as data:
        assert {key: data.tags(key).tolist() for key in data.ids} == {
            "cat/a": [0, 1], "cat/b": [0], "dog/b": [1],
        }  # fmt: skip
        assert data.splits == ["train"]


@pytest.mark.parametrize(
    "names",
    [
        {"cat/a.png": 1},
        {"images/a.png": 1, "masks/a.png": 1},
        {"n1/images/n1.png": 1, "n1/masks/x.png": 2, "n2/images/n2.png": 3, "n2/masks/y.png": 4},
        {"original/a.png": 1, "groundtruth/a.png": 2},
        {"train_labels/x/a.png": 1, "train_labels/y/a.png": 2, "cat/a.png": 3},
        {"a.png": 1, "cat/b.png": 2, "dog/c.png": 3},
    ],
)
def test_other_folders_are_not_taken_for_classes(names: dict[str, int], tmp_path: Path) -> None:
    result = wsss("pack", write(tmp_path / "set", names), "-o", tmp_path / "d.h5")
    assert result.exit_code == 3
    assert "imagefolder (" not in result.stderr


def test_an_image_outside_of_the_classes_is_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "set", {"a.png": 1, "cat/b.png": 2})
    result = wsss("pack", root, "--format", "imagefolder", "-o", tmp_path / "d.h5")
    assert result.exit_code == 3
    assert "a.png lies in no folder that names its class" in result.stderr
