"""Images and masks in folders of the same shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import encode_png
from made import wsss
from PIL import Image
from samples import FORMATS, compare, image_id, packed, truth_of

from wsss_cli.artifacts import open_dataset
from wsss_cli.core.images import encode_mask


def test_cityscapes_as_cvat_writes_it(tmp_path: Path) -> None:
    """Edges may differ: the truth was drawn by another program."""
    data = packed("cityscapes", tmp_path / "d.h5")
    compare("cityscapes", data, skip=("mask",))  # of the image without objects there is none
    for key, one in truth_of("cityscapes")["images"].items():
        label_image = data.mask(image_id(key))
        if not one["tags"]:
            assert label_image is None
            continue
        assert label_image is not None
        wanted = np.array(Image.open(FORMATS / "cityscapes" / one["mask"]))
        assert (label_image != wanted).sum() <= 8, key


def test_masks_beside_geotiffs(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("apple\nbear\nred car\n")
    words = ("--bands", "4,3,2", "--stretch", "2,98", "--on-error", "skip")
    data = packed("geotiff", tmp_path / "d.h5", "--classes", tmp_path / "c.txt", *words)
    compare("geotiff", data, skip=("splits",))


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
        tmp_path / "set", ["images/a.png", "images/sub/b.png"],
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
        assert tags == {"images/a": [0], "images/sub/b": [0, 1]}
        assert all(data.has_mask(key) for key in data.ids)


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


def packed_masks(root: Path, out: Path, *words: str) -> dict[str, tuple[list[str], list[int]]]:
    """Names of tags and the first row of the mask, by id."""
    result = wsss("pack", root, "-o", out, *words)
    assert result.exit_code == 0, result.output
    with open_dataset(out) as data:
        found = {}
        for key in data.ids:
            label_image = data.mask(key)
            assert label_image is not None
            names = [data.classes[tag] for tag in data.tags(key)]
            found[key] = names, label_image[0].tolist()
        return found


@pytest.fixture
def names(tmp_path: Path) -> str:
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    return str(tmp_path / "names.txt")


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (("train/images/a", "val/images/b"), ("train/masks/a", "val/masks/b")),
        (("Tile 1/images/a", "Tile 2/images/a"), ("Tile 1/masks/a", "Tile 2/masks/a")),
        (("train/a", "val/b"), ("trainannot/a", "valannot/b")),
        (("images/training/a", "images/val/b"), ("annotations/training/a", "annotations/val/b")),
        (("original/a", "original/b"), ("groundtruth/a", "groundtruth/b")),
        (("images/a", "images/b"), ("masks/a_mask", "masks/b_mask")),
    ],
)
def test_all_pairs_of_folders_are_read(
    images: tuple[str, ...], masks: tuple[str, ...], tmp_path: Path, names: str
) -> None:
    root = write(
        tmp_path / "set", [f"{one}.png" for one in images],
        {f"{masks[0]}.png": mask(0, 1, 1, 0), f"{masks[1]}.png": mask(2, 2, 0, 255)},
    )  # fmt: skip
    assert packed_masks(root, tmp_path / "d.h5", "--classes", names) == {
        images[0]: (["cat"], [0, 1, 1, 0]), images[1]: (["dog"], [2, 2, 0, 255]),
    }  # fmt: skip


def test_suffix_that_is_said(tmp_path: Path, names: str) -> None:
    root = write(
        tmp_path / "set", ["images/a_sat.png"], {"masks/a_mask.png": mask(0, 1, 1, 0)}
    )  # fmt: skip
    words = ("--format", "mask-folders", "--classes", names, "--mask-suffix", "_sat=_mask")
    found = packed_masks(root, tmp_path / "d.h5", *words)
    assert found == {"images/a_sat": (["cat"], [0, 1, 1, 0])}


def test_an_image_without_a_mask_is_not_one_without_classes(tmp_path: Path, names: str) -> None:
    root = write(
        tmp_path / "set", ["img_dir/train/a.png", "img_dir/train/b.png", "img_dir/test/c.png"],
        {"ann_dir/train/a.png": mask(0, 1, 1, 0), "ann_dir/train/b.png": mask(0, 0, 0, 0)},
    )  # fmt: skip
    result = wsss("pack", root, "-o", tmp_path / "d.h5", "--classes", names)
    assert result.exit_code == 3
    assert "img_dir/test/c.png: has no mask" in result.stderr
    words = ("--classes", names, "--split", "train")
    assert packed_masks(root, tmp_path / "d.h5", *words) == {
        "img_dir/train/a": (["cat"], [0, 1, 1, 0]), "img_dir/train/b": ([], [0, 0, 0, 0]),
    }  # fmt: skip


def test_numbers_of_a_file_hold_in_any_order_of_classes(tmp_path: Path) -> None:
    """And an image may be called X_mask itself."""
    root = write(
        tmp_path / "set", ["train/face_mask.png", "train/o.png"],
        {"train/face_mask_mask.png": mask(0, 1, 2, 0), "train/o_mask.png": mask(1, 1, 0, 0)},
    )  # fmt: skip
    (root / "train/_classes.csv").write_text("Pixel Value, Class\n0, background\n1, cat\n2, dog\n")
    (tmp_path / "names.txt").write_text("dog\ncat\n")
    found = packed_masks(root, tmp_path / "d.h5", "--classes", str(tmp_path / "names.txt"))
    assert found == {
        "train/face_mask": (["dog", "cat"], [0, 2, 1, 0]), "train/o": (["cat"], [2, 2, 0, 0]),
    }  # fmt: skip


def test_tables_of_splits_that_contradict(tmp_path: Path) -> None:
    root = write(
        tmp_path / "set", ["train/a.png", "valid/b.png"],
        {"train/a_mask.png": mask(0, 1, 1, 0), "valid/b_mask.png": mask(0, 1, 1, 0)},
    )  # fmt: skip
    (root / "train/_classes.csv").write_text("Pixel Value, Class\n0, background\n1, cat\n")
    (root / "valid/_classes.csv").write_text("Pixel Value, Class\n0, background\n1, dog\n")
    result = wsss("pack", root, "-o", tmp_path / "d.h5")
    assert result.exit_code == 3
    assert "valid/_classes.csv: 1 is 'dog', and 'cat' before" in result.stderr


def test_the_user_names_classes_in_cityscapes(tmp_path: Path) -> None:
    root = write(
        tmp_path / "set", ["leftImg8bit/train/city/x_leftImg8bit.png"],
        {"gtFine/train/city/x_gtFine_labelIds.png": mask(1, 2, 0, 0)},
    )  # fmt: skip
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    result = wsss("pack", root, "-o", tmp_path / "d.h5", "--classes", tmp_path / "names.txt")
    assert result.exit_code == 3
    assert "Cityscapes' labelIds: 'road' is no class" in result.stderr
