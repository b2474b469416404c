"""pack of CVAT's segmentation masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import wsss
from PIL import Image
from samples import FORMATS, compare, packed, truth_of

from wsss_cli.artifacts import open_dataset

COLOURS = {"cat": (9, 8, 7), "background": (0, 0, 0), "dog": (200, 0, 0)}


def write(folder: Path, masks: dict[str, Any], labelmap: str | None = None) -> Path:
    """Images of 4 x 2, and the masks of those that have one, by names of classes."""
    lines = [f"{name}:{','.join(map(str, rgb))}::\n" for name, rgb in COLOURS.items()]
    listed = folder / "ImageSets" / "Segmentation" / "default.txt"
    for place in (listed.parent, folder / "JPEGImages", folder / "SegmentationClass"):
        place.mkdir(parents=True)
    (folder / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\n" + "".join(lines) if labelmap is None else labelmap
    )
    listed.write_text("".join(f"{name}\n" for name in masks))
    for name, mask in masks.items():
        Image.new("RGB", (4, 2)).save(folder / "JPEGImages" / f"{name}.png")
        if mask is not None:
            pixels = np.array([[COLOURS.get(one, (1, 2, 3)) for one in row] for row in mask])
            image = Image.fromarray(pixels.astype(np.uint8))
            image.save(folder / "SegmentationClass" / f"{name}.png")
    return folder


CAT = [["cat", "background", "dog", "dog"], ["cat", "background", "background", "dog"]]


@pytest.mark.parametrize("source", [".", "grey_variant", "export.zip"])
def test_what_cvat_writes(source: str, tmp_path: Path) -> None:
    if source.endswith(".zip"):
        pytest.importorskip("wsss_cli.artifacts.zips")
    truth_of("cvat_mask")
    images = FORMATS / "cvat_mask" / "images_given_apart"
    data = packed("cvat_mask", tmp_path / "d.h5", "--images", images, source=source)
    compare("cvat_mask", data, skip=("splits",))
    assert data.split("default") == data.ids
    if source == ".":
        objects = data.true_objects("img_0001") or ()
        assert sorted(data.classes[one.class_index] for one in objects) == ["apple", "bear"]
        assert data.true_objects("empty") == []


def test_background_is_not_first_and_a_listed_image_without_mask_shows_none(
    tmp_path: Path,
) -> None:
    folder = write(tmp_path / "set", {"a": CAT, "b": None})
    result = wsss("pack", folder, "-o", tmp_path / "out.h5")
    assert result.exit_code == 0, result.output
    data = open_dataset(tmp_path / "out.h5")
    assert data.classes == ["cat", "dog"]
    masks = [data.mask(name) for name in "ab"]
    assert [one.tolist() for one in masks if one is not None] == [
        [[1, 0, 2, 2], [1, 0, 0, 2]],
        [[0] * 4] * 2,
    ]
    assert [list(data.tags(name)) for name in "ab"] == [[0, 1], []]


def test_masks_without_background_are_told(tmp_path: Path) -> None:
    folder = write(tmp_path / "set", {"a": [["cat"] * 4] * 2, "b": CAT})
    result = wsss("pack", folder, "-o", tmp_path / "out.h5")
    assert result.exit_code == 0
    assert "1 masks hold no background, first that of a" in result.output


def test_no_images_are_asked_for(tmp_path: Path) -> None:
    folder = write(tmp_path / "set", {"a": CAT})
    (folder / "JPEGImages" / "a.png").rename(tmp_path / "a.png")
    (folder / "JPEGImages").rmdir()
    result = wsss("pack", folder, "-o", tmp_path / "out.h5")
    assert result.exit_code == 3
    assert "holds no images (JPEGImages/)" in result.output
    assert "--images names the folder" in result.output


@pytest.mark.parametrize(
    ("masks", "labelmap", "said"),
    [
        ({"a": [["bird"] * 4] * 2}, None, "holds the colour 1,2,3 in 8 pixels"),
        ({"a": CAT}, "cat:9,8,7::\ndog:9,8,7::\n", "9,8,7"),
        ({"a": CAT}, "cat\n", "is in colours"),
        ({"a": CAT[:1]}, None, "its mask is 4x1, the image 4x2"),
    ],
    ids=["unknown colour", "a colour twice", "no labelmap", "size"],
)
def test_what_cannot_be_is_told(
    masks: dict[str, Any], labelmap: str | None, said: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "set", masks, labelmap)
    result = wsss("pack", folder, "-o", tmp_path / "out.h5")
    assert result.exit_code == 3
    assert said in result.output
    assert not (tmp_path / "out.h5").exists()
