"""Images and masks in folders of the same shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import encode_png
from made import wsss
from samples import compare, packed

from wsss_cli.artifacts import open_dataset
from wsss_cli.core.images import encode_mask


def test_cityscapes_as_cvat_writes_it(tmp_path: Path) -> None:
    compare("cityscapes", packed("cityscapes", tmp_path / "d.h5"), skip=("mask",))


def test_masks_of_roboflow(tmp_path: Path) -> None:
    data = packed("roboflow_masks", tmp_path / "d.h5")
    compare("roboflow_masks", data, skip=("splits",))
    assert sorted(data.splits) == ["train", "valid"]


def test_mmseg_needs_the_names(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("apple\nbear\nred car\n")
    data = packed("mmseg", tmp_path / "d.h5", "--classes", tmp_path / "c.txt")
    compare("mmseg", data)


def mask(*labels: int) -> np.ndarray:
    return np.array([labels, labels], np.uint8)


def write(root: Path, images: list[str], masks: dict[str, np.ndarray]) -> Path:
    for name in images:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encode_png(np.zeros((2, 4, 3), np.uint8)).tobytes())
    for name, labels in masks.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encode_mask(labels))
    return root


def test_tags_are_the_classes_of_the_mask(tmp_path: Path) -> None:
    root = write(
        tmp_path / "set", ["images/a.png", "images/sub/b.png", "images/c.png"],
        {"masks/a.png": mask(0, 1, 1, 255), "masks/sub/b.png": mask(2, 2, 0, 1)},
    )  # fmt: skip
    refused = wsss("pack", root, "-o", tmp_path / "d.h5")
    assert refused.exit_code == 3
    assert "nothing names the classes that masks number" in refused.stderr
    words = ("--mask-values", "0=background", "--mask-values", "1=cat", "--mask-values", "2=dog")
    assert wsss("pack", root, "-o", tmp_path / "d.h5", *words).exit_code == 0
    with open_dataset(tmp_path / "d.h5") as data:
        assert data.classes == ["cat", "dog"]
        tags = {key: data.tags(key).tolist() for key in data.ids}
        assert tags == {"images/a": [0], "images/c": [], "images/sub/b": [0, 1]}
        assert [data.has_mask(key) for key in data.ids] == [True, False, True]


@pytest.mark.parametrize(
    ("kind", "labels", "wanted"),
    [
        ("labelIds", (7, 26, 3, 0), (1, 14, 255, 255)),
        ("labelTrainIds", (0, 13, 255, 1), (1, 14, 255, 2)),
    ],
)
def test_cityscapes_own_numbers(
    kind: str, labels: tuple[int, ...], wanted: tuple[int, ...], tmp_path: Path
) -> None:
    root = write(
        tmp_path / "set", ["leftImg8bit/train/city/x_leftImg8bit.png"],
        {f"gtFine/train/city/x_gtFine_{kind}.png": mask(*labels)},
    )  # fmt: skip
    result = wsss("pack", root, "-o", tmp_path / "d.h5")
    assert result.exit_code == 0, result.output
    with open_dataset(tmp_path / "d.h5") as data:
        found = data.mask(data.ids[0])
        assert found is not None
        assert found[0].tolist() == list(wanted)
        assert data.split("train") == data.ids
        assert len(data.classes) == 19


def test_no_masks_at_all(tmp_path: Path) -> None:
    root = write(tmp_path / "set", ["images/a.png"], {})
    result = wsss("pack", root, "--format", "mask-folders", "-o", tmp_path / "d.h5")
    assert result.exit_code == 3
    assert "holds no images beside masks of the same names" in result.stderr
