"""view: which images are drawn, what the sheet shows, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made import masks_of, pack_like, random_cams, write_cam, write_labels, wsss
from PIL import Image
from test_report_overlays import marked

from wsss_cli.artifacts import open_dataset
from wsss_cli.core.render import class_colours, paint_label, resize_image, resize_label
from wsss_cli.report.sheet import BETWEEN, FAINT, GAP, LINE, MARGIN

CELL = 96  # wide; the tiny images of 32x48 become 64x96
STEP = 64 + LINE + BETWEEN


def sheet_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.mode == "RGB"
        return np.array(image)


def picture(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
    top, left = MARGIN + LINE + row * STEP, MARGIN + column * (CELL + GAP)
    return sheet[top : top + 64, left : left + CELL]


@pytest.fixture
def files(tiny_data: Path, tmp_path: Path) -> tuple[Path, Path]:
    return (
        write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data)),
        write_labels(tmp_path / "seeds.h5", tiny_data, masks_of(tiny_data)),
    )


def test_a_sheet_shows_image_files_and_truth(
    tiny_data: Path, files: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "sheet.png"
    result = wsss("view", *files, "-o", out, "--cell", CELL)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"view: 6 images -> {out}\n"
    sheet = sheet_of(out)
    assert sheet.shape[1] == 2 * MARGIN + 4 * CELL + 3 * GAP
    assert sheet.shape[0] == 2 * MARGIN + LINE + 6 * STEP - BETWEEN + LINE + MARGIN
    with open_dataset(tiny_data) as data:
        for row, image_id in enumerate(data.ids):
            small = resize_image(data.image(image_id), (64, 96))
            assert (picture(sheet, row, 0) == small).all()
            label = resize_label(data.mask(image_id), (64, 96))
            expected = paint_label(small, label, class_colours(3))
            assert (picture(sheet, row, 2) == expected).all()  # the file holds the masks
            assert (picture(sheet, row, 3) == expected).all()
            assert (picture(sheet, row, 1) != small).any()
    again = tmp_path / "again.png"
    assert wsss("view", *files, "-o", again, "--cell", CELL, "-q").stderr == ""
    assert again.read_bytes() == out.read_bytes()


def test_images_alone_and_without_masks(tmp_path: Path) -> None:
    image = np.full((32, 48, 3), 9, np.uint8)
    data = pack_like(tmp_path / "d.h5", {"x": image}, {}, {"x": [0]}, ["Kühe 牛"])
    out = tmp_path / "s.png"
    result = wsss("view", "--data", data, "-o", out, "--cell", CELL)
    assert result.exit_code == 0, result.stderr
    sheet = sheet_of(out)
    assert sheet.shape[1] == 2 * MARGIN + CELL  # no column of truth where there is none
    assert (picture(sheet, 0, 0) == 9).all()
    cam = write_cam(
        tmp_path / "c.h5",
        data,
        {"x": {"cam": np.ones((1, 8, 12), np.float16), "classes": np.zeros(1, np.uint16)}},
    )
    assert wsss("view", cam, "-o", out, "--force").exit_code == 0


def test_an_image_that_a_listed_file_lacks_is_a_gap(tiny_data: Path, tmp_path: Path) -> None:
    masks = masks_of(tiny_data)
    one = write_labels(tmp_path / "one.h5", tiny_data, {"a/1": masks["a/1"]})
    out = tmp_path / "s.png"
    result = wsss("view", one, "-o", out, "--cell", CELL, "--ids", "-", stdin="a/1\na/0\n")
    assert result.exit_code == 0
    sheet = sheet_of(out)
    assert (picture(sheet, 0, 1)[-20:] != FAINT).any()
    assert (picture(sheet, 1, 1)[-20:] == FAINT).all()
    common = wsss("view", one, "-o", out, "--force")
    assert "view: 1 images" in common.stderr


def test_refusals(tiny_data: Path, files: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "s.png"
    masks = masks_of(tiny_data)
    wrong = write_labels(tmp_path / "w.h5", tiny_data, {"a/0": masks["a/0"][1:]})
    high = write_labels(tmp_path / "h.h5", tiny_data, {"a/0": np.full((32, 48), 9, np.uint8)})
    strange = {"cam": np.zeros((1, 8, 12), np.float16), "classes": np.array([9], np.uint16)}
    class9 = write_cam(tmp_path / "c9.h5", tiny_data, {"a/0": strange})
    coarse = write_cam(tmp_path / "c8.h5", tiny_data, random_cams(tiny_data), stride=8)
    image = np.zeros((4, 4, 3), np.uint8)
    other = pack_like(tmp_path / "o.h5", {"z": image}, {}, {}, ["red", "green", "blue"])
    for arguments, code, words in (
        ((), 3, "no data set given"),
        ((tiny_data,), 3, "holds wsss/dataset, not wsss/label or wsss/cam"),
        ((tmp_path / "missing.h5",), 3, "no such file"),
        ((wrong,), 3, f"a/0: is 32x48 in {tiny_data}, but 31x48 in {wrong}"),
        ((high,), 3, "image 'a/0': label 9 of 3 classes"),
        ((class9,), 3, "'a/0': classes do not rise, or are of no class"),
        ((coarse,), 3, "is not on the image's grid of stride 8"),
        ((files[0], "--data", other), 3, "no image of it is in every file"),
        ((files[0], "--split", "test"), 3, "has no split 'test'"),
        ((files[0], "--limit", "0"), 2, "--limit"),
        ((files[0], "--cell", "5"), 2, "--cell"),
    ):
        result = wsss("view", *arguments, "-o", out)
        assert result.exit_code == code, result.stderr
        assert words in result.stderr
        assert not out.exists()


def test_an_existing_sheet_is_kept_unless_forced(files: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "s.png"
    out.write_bytes(b"mine")
    result = wsss("view", *files, "-o", out)
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert out.read_bytes() == b"mine"
    assert wsss("view", *files, "-o", out, "--force").exit_code == 0
    assert sheet_of(out).size


def test_a_sheet_has_bounds(tmp_path: Path) -> None:
    many = [f"{index:03}" for index in range(70)]
    data = pack_like(
        tmp_path / "d.h5", dict.fromkeys(many, np.zeros((2, 2, 3), np.uint8)), {}, {}, ["x"]
    )
    result = wsss("view", "--data", data, "-o", tmp_path / "s.png", "--limit", 70, "--cell", 2048)
    assert result.exit_code == 2
    assert "pixels is too large" in result.stderr


def test_more_classes_than_labels_can_hold(tmp_path: Path) -> None:
    image = np.full((32, 48, 3), 9, np.uint8)
    classes = [f"class {index}" for index in range(300)]
    data = pack_like(tmp_path / "d.h5", {"x": image}, {}, {"x": [254]}, classes)
    maps = {"cam": np.ones((1, 8, 12), np.float16), "classes": np.array([254], np.uint16)}
    cam = write_cam(tmp_path / "c.h5", data, {"x": maps})
    out = tmp_path / "s.png"
    assert wsss("view", cam, "-o", out, "--cell", CELL).exit_code == 0
    swatch = (sheet_of(out) == class_colours(300)[254]).all(axis=2)
    assert swatch[-LINE - MARGIN :].sum() == 144  # not taken for the unlabelled, label 255
    scored = wsss("eval", cam)
    assert scored.exit_code == 3
    assert "has 300 classes; masks hold 254 at most" in scored.stderr


def test_marks_are_drawn_unless_left_out(tmp_path: Path) -> None:
    path = marked(tmp_path)
    for option, columns in (((), 2), (("--no-marks",), 1)):
        out = tmp_path / f"{columns}.png"
        result = wsss("view", "--data", path, "-o", out, "--cell", CELL, *option)
        assert result.exit_code == 0, result.output
        assert sheet_of(out).shape[1] == 2 * MARGIN + columns * (CELL + GAP) - GAP
