"""pack of YOLO's data sets."""

from __future__ import annotations

from pathlib import Path

import pytest
from samples import FORMATS, compare, packed


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


def test_label_images(tmp_path: Path) -> None:
    data = packed("ultralytics_semantic", tmp_path / "d.h5")
    compare("ultralytics_semantic", data)
    assert data.classes == ["apple", "bear", "red car"]


def test_label_studio(tmp_path: Path) -> None:
    images = FORMATS / "label_studio" / "images"
    data = packed("label_studio", tmp_path / "d.h5", "--images", images, source="converted/yolo")
    assert data.ids == ["2f1b3c9f-img_0001", "82f3cd7f-empty", "e1d1e9f1-img_2", "sub/img_0003"]
    assert data.classes == ["apple", "bear", "red car"]
