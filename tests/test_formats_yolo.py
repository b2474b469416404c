"""pack of YOLO's data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made import wsss
from PIL import Image
from samples import FORMATS, compare, packed

from wsss_cli.artifacts import DatasetReader, open_dataset
from wsss_cli.core.marks import BOX

LISTED = {
    "t.txt": "images/a.png\n../../x.png\n",
    "data.yaml": "train: t.txt\nnames: [cat]\n",
}


@pytest.mark.parametrize("source", [".", "data.yaml"])
def test_boxes(source: str, tmp_path: Path) -> None:
    data = packed("yolo_detect", tmp_path / "d.h5", source=source)
    compare("yolo_detect", data)
    assert data.marks("images/val/empty") is None


def test_outlines(tmp_path: Path) -> None:
    compare("yolo_segment", packed("yolo_segment", tmp_path / "d.h5"), skip=("boxes",))


@pytest.mark.parametrize("source", [".", "obj.data"])
def test_darknet(source: str, tmp_path: Path) -> None:
    compare("yolo_darknet", packed("yolo_darknet", tmp_path / "d.h5", source=source))


def test_outlines_of_border_pixels(tmp_path: Path) -> None:
    data = packed("sv_yolo", tmp_path / "d.h5", "--inclusive")
    compare("sv_yolo", data, skip=("splits", "boxes"))
    assert data.params["inclusive"] is True


def test_outlines_that_may_be_of_border_pixels_are_asked_about(tmp_path: Path) -> None:
    files = {
        "data.yaml": "nc: 1\nnames: [cat]\n",
        "labels/a.txt": "0 0.25 0.25 0.5 0.25 0.5 0.5 0.25 0.5 0.2 0.4\n",
    }
    folder = made(tmp_path / "s", files)
    for words, asked in (((), True), (("--inclusive",), False), (("--no-inclusive",), False)):
        result = wsss("pack", folder, "-o", tmp_path / "d.h5", "--force", *words)
        assert result.exit_code == 0, result.output
        assert ("as supervision writes it" in result.stderr) == asked


def test_label_images(tmp_path: Path) -> None:
    data = packed("ultralytics_semantic", tmp_path / "d.h5")
    compare("ultralytics_semantic", data)
    assert data.classes == ["apple", "bear", "red car"]


def test_label_studio(tmp_path: Path) -> None:
    images = FORMATS / "label_studio" / "images"
    data = packed("label_studio", tmp_path / "d.h5", "--images", images, source="converted/yolo")
    assert data.ids == ["2f1b3c9f-img_0001", "82f3cd7f-empty", "e1d1e9f1-img_2", "sub/img_0003"]
    assert data.classes == ["apple", "bear", "red car"]


def made(folder: Path, files: dict[str, str], images: tuple[str, ...] = ("images/a.png",)) -> Path:
    """A data set of 8x4 images and texts."""
    for name in images:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 4)).save(folder / name)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def pack(folder: Path, *options: str) -> DatasetReader:
    result = wsss("pack", folder, "-o", folder.parent / "out.h5", *options)
    assert result.exit_code == 0, result.output
    return open_dataset(folder.parent / "out.h5")


def test_roboflow(tmp_path: Path) -> None:
    files = {
        "data.yaml": "train: ../train/images\nval: ../valid/images\nnc: 1\nnames: ['cat']\n",
        "train/labels/images.txt": "0 0.5 0.5 0.25 0.5\n",
        "valid/labels/b.txt": "",
    }
    data = pack(
        made(tmp_path / "d", files, ("train/images/images.png", "valid/images/b.png")),
    )
    assert data.split("train") == ["train/images/images"]
    assert data.split("val") == ["valid/images/b"]
    (box,) = data.marks("train/images/images") or ()
    assert box.kind == BOX
    assert box.xy.tolist() == [[3, 1], [5, 3]]
    assert not len(data.tags("valid/images/b"))


def test_the_last_images_of_a_path_is_labels(tmp_path: Path) -> None:
    files = {
        "data.yaml": "train: images\nnames: [cat]\n",
        "images/x/labels/a.txt": "0 0.25 0.5 0.25 0.5\n",
    }
    data = pack(made(tmp_path / "d", files, ("images/x/images/a.png",)))
    (box,) = data.marks("images/x/images/a") or ()
    assert box.xy.tolist() == [[1, 1], [3, 3]]


def test_outlines_that_name_border_pixels(tmp_path: Path) -> None:
    row = "0 0.125 0.25 0.5 0.25 0.5 0.5 0.3125 0.5 0.125 0.5\n"
    files = {"data.yaml": "train: images\nnames: [cat]\n", "labels/a.txt": row}
    folder = made(tmp_path / "d", files)
    edges = pack(folder).mask("images/a")
    wanted = np.zeros((4, 8), np.uint8)
    wanted[1, 1:4] = 1
    assert edges is not None
    assert edges.tolist() == wanted.tolist()
    wanted[1:3, 1:5] = 1
    border = pack(folder, "--inclusive", "--force").mask("images/a")
    assert border is not None
    assert border.tolist() == wanted.tolist()


def test_four_corners_alone_are_turned_boxes(tmp_path: Path) -> None:
    files = {
        "data.yaml": "train: images\nnames: [cat]\n",
        "labels/a.txt": "0 0.5 0 0.75 0.5 0.5 1 0.25 0.5\n",
    }
    data = pack(made(tmp_path / "d", files))
    (mark,) = data.marks("images/a") or ()
    assert mark.xy.tolist() == [[4, 0], [6, 2], [4, 4], [2, 2]]
    assert not data.true_objects("images/a")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"labels/a.txt": "3 .5 .5 .1 .1\n"}, "there is no class 3"),
        ({"labels/a.txt": "0 9 9 4 4\n"}, "9 is no share"),
        ({"labels/b.txt": "0 .5 .5 .1 .1\n"}, "no image has a file of labels"),
        ({"data.yaml": "train: other\nnames: [cat]\n"}, "names no images that are there"),
        (
            {
                "t.txt": "images/a.png\n../../x.png\n",
                "data.yaml": "train: t.txt\nnames: [cat]\n",
                "labels/a.txt": "",
            },
            "x.png",
        ),
        ({"data.yaml": "names: &a [cat]\ntrain: *a\n"}, "aliases"),
    ],
)
def test_what_cannot_be_read(files: dict[str, str], said: str, tmp_path: Path) -> None:
    usual = {"data.yaml": "train: images\nnames: [cat]\n"}
    folder = made(tmp_path / "d", {**usual, **files})
    result = wsss("pack", folder, "--format", "yolo", "-o", tmp_path / "out.h5")
    assert result.exit_code in (1, 3), result.output
    assert said in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out.h5").exists()


def test_images_elsewhere(tmp_path: Path) -> None:
    made(tmp_path / "photos", {}, ("a/0.png", "a/1.png"))
    files = {
        "data.yaml": "train: images/train\nnames: [cat]\n",
        "labels/train/a/0.txt": "0 0.25 0.5 0.25 0.5\n",
        "labels/train/a/1.txt": "",
    }
    folder = made(tmp_path / "d", files, ())
    data = pack(folder, "--images", str(tmp_path / "photos"))
    assert data.split("train") == ["a/0", "a/1"]
    assert [len(data.tags(key)) for key in data.ids] == [1, 0]
