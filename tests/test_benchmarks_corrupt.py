"""Corrupted copies of a devkit: names, sizes and values, and that a rerun goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import SIZE, tiny_scene
from made import wsss
from PIL import Image

from wsss_cli.core.images import decode_mask, encode_mask
from wsss_cli.errors import WsssError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

from corrupt import ABOUT, VALUES, corrupt, corrupted, parse

GREY = np.full((60, 80, 3), 128, np.uint8)


def write_devkit(root: Path) -> Path:
    """The tiny scenes in VOC's layout, as JPEG of few losses; in the list val all but the first."""
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    for index in range(6):
        image, mask = tiny_scene(index)
        Image.fromarray(image).save(root / "JPEGImages" / f"s_{index}.jpg", quality=95)
        (root / "SegmentationClass" / f"s_{index}.png").write_bytes(encode_mask(mask))
    names = "".join(f"s_{index}\n" for index in range(1, 6))
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text(names)
    return root


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.fixture
def scene() -> np.ndarray:
    return tiny_scene(3)[0]


def test_names_are_a_kind_and_a_severity() -> None:
    assert parse("noise4") == ("noise", 0.26)
    assert all(len(values) == 5 for values in VALUES.values())
    for wrong in ("noise", "noise0", "noise6", "fog1", "noise44", ""):
        with pytest.raises(ValueError, match="severity of 1 to 5"):
            parse(wrong)


def test_darkness_multiplies_pixels(scene: np.ndarray) -> None:
    found = corrupted(scene, "dark", 0.25, "x").astype(float)
    assert np.abs(found - 0.25 * scene).max() <= 1


@pytest.mark.parametrize("value", VALUES["noise"][:2])
def test_noise_has_its_spread_and_no_drift(value: float) -> None:
    change = corrupted(GREY, "noise", value, "x").astype(float) - 128
    assert change.std() == pytest.approx(255 * value, rel=0.03)
    assert abs(change.mean()) < 255 * value / 20


def test_noise_is_that_of_the_image_whatever_was_drawn_before() -> None:
    first = corrupted(GREY, "noise", 0.08, "x")
    np.testing.assert_array_equal(corrupted(GREY, "noise", 0.08, "x"), first)
    assert (corrupted(GREY, "noise", 0.08, "y") != first).mean() > 0.9


def test_blur_is_a_gaussian_of_that_width() -> None:
    """Of a bright point, whose blur is the Gaussian itself."""
    point = np.zeros((41, 41, 3), np.uint8)
    point[20, 20] = 255
    found = corrupted(point, "blur", 1, "x")[..., 0].astype(float)
    y, x = np.mgrid[-20:21, -20:21]
    weights = np.exp(-(x**2 + y**2) / 2)
    assert np.abs(found - 255 * weights / weights.sum()).max() <= 1


def test_blur_of_an_image_smaller_than_its_kernel() -> None:
    even = np.full((3, 5, 3), 77, np.uint8)
    np.testing.assert_array_equal(corrupted(even, "blur", 6, "x"), even)


def test_jpeg_is_close_and_the_further_the_lower_the_quality(scene: np.ndarray) -> None:
    off = [
        np.abs(corrupted(scene, "jpeg", value, "x").astype(int) - scene).mean()
        for value in VALUES["jpeg"]
    ]
    assert 0 < off[0] < off[-1] < 40


def test_low_resolution_keeps_the_size_and_loses_what_is_fine(scene: np.ndarray) -> None:
    fine = np.indices((40, 40)).sum(0) % 2 * np.uint8(255)  # a chessboard of pixels
    board = np.repeat(fine[..., None], 3, axis=2).astype(np.uint8)
    assert np.abs(corrupted(board, "lowres", 0.25, "x").astype(float) - 127.5).max() < 30
    assert corrupted(scene, "lowres", 0.4, "x").shape == scene.shape


def test_small_images_have_small_masks(tmp_path: Path) -> None:
    voc = write_devkit(tmp_path / "voc")
    assert corrupt(voc, "val", "small2", tmp_path / "out") == 5
    half = SIZE[0] // 2, SIZE[1] // 2
    for index in range(1, 6):
        image = pixels(tmp_path / "out" / "JPEGImages" / f"s_{index}.png")
        stored = (tmp_path / "out" / "SegmentationClass" / f"s_{index}.png").read_bytes()
        mask, whole = decode_mask(stored), tiny_scene(index)[1]
        assert image.shape == (*half, 3)
        assert mask.shape == half
        places = [whole[y::2, x::2] for y in (0, 1) for x in (0, 1)]
        assert any(np.array_equal(mask, place) for place in places)  # one of every four pixels
    assert not (tmp_path / "out" / "JPEGImages" / "s_0.png").exists()


def test_a_corrupted_devkit_is_packed_and_its_source_untouched(tmp_path: Path) -> None:
    voc = write_devkit(tmp_path / "voc")
    before = {path: path.read_bytes() for path in voc.rglob("*.*")}
    for name in ("dark3", "small2"):
        out = tmp_path / name
        corrupt(voc, "val", name, out)
        (tmp_path / "classes.txt").write_text("red\ngreen\nblue\n")
        packed = wsss(
            "pack", "--voc", out, "--split", "val", "--labels-from", "mask",
            "--classes", tmp_path / "classes.txt", "-o", tmp_path / f"{name}.h5",
        )  # fmt: skip
        assert packed.exit_code == 0, packed.stderr
    assert {path: path.read_bytes() for path in voc.rglob("*.*")} == before


def test_a_rerun_goes_on_and_gives_the_same(tmp_path: Path) -> None:
    voc = write_devkit(tmp_path / "voc")
    out = tmp_path / "out"
    corrupt(voc, "val", "noise1", out)
    first = {path.name: path.read_bytes() for path in (out / "JPEGImages").iterdir()}
    (out / "JPEGImages" / "s_4.png").unlink()
    assert corrupt(voc, "val", "noise1", out) == 1
    assert {path.name: path.read_bytes() for path in (out / "JPEGImages").iterdir()} == first


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    voc = write_devkit(tmp_path / "voc")
    out = tmp_path / "out"
    corrupt(voc, "val", "blur1", out)
    with pytest.raises(WsssError, match=r"holds something else .*blur"):
        corrupt(voc, "val", "blur2", out)
    with pytest.raises(WsssError, match="is not empty"):
        corrupt(voc, "val", "blur2", voc)
    assert not (voc / ABOUT).exists()


def test_a_missing_image_is_said(tmp_path: Path) -> None:
    voc = write_devkit(tmp_path / "voc")
    (voc / "JPEGImages" / "s_2.jpg").unlink()
    with pytest.raises(WsssError, match="1 images are not there, first s_2"):
        corrupt(voc, "val", "blur1", tmp_path / "out")
