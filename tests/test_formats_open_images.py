"""pack of Open Images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import encode_png
from made import wsss
from PIL import Image
from samples import FORMATS, compare, packed

from wsss_cli.artifacts import DatasetReader, open_dataset
from wsss_cli.core.marks import BOX

HUMAN = "train-annotations-human-imagelabels.csv"
MACHINE = "train-annotations-machine-imagelabels.csv"
BOXES = "train-annotations-bbox.csv"
MASKS = "train-annotations-object-segmentation.csv"
LABEL_ROW, BOX_ROW = (
    "ImageID,Source,LabelName,Confidence\n",
    ("ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsGroupOf\n"),
)
MASK_ROW = "MaskPath,ImageID,LabelName,BoxID\n"
NAMES = {"class-descriptions.csv": "/m/1,cat\n/m/2,dog\n/m/3,cow\n"}


def pack(folder: Path, files: dict[str, str], *options: Any, code: int = 0) -> Any:
    """The data set, or what was said where `code` is not 0. There are images of 40x20 pixels."""
    for name in ("photos/a.png", "photos/b.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(encode_png(np.full((20, 40, 3), 90, np.uint8)))
    (folder / "csv").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "csv" / name).write_text(text)
    source, out = (folder / "csv", "--images", folder / "photos"), folder / "d.h5"
    result = wsss("pack", *source, "-o", out, "--force", *options)
    assert result.exit_code == code, result.output
    if code:
        assert "Traceback" not in result.output
        assert not out.exists()
        return result.stderr
    return open_dataset(out)


def names(data: DatasetReader, found: Any) -> list[str]:
    return [data.classes[index] for index in found]


def said(data: DatasetReader, key: str) -> tuple[list[str], list[str]]:
    """The classes that an image shows, and those that it is known not to."""
    absent = data.absent(key)
    assert absent is not None
    return names(data, data.tags(key)), names(data, absent)


@pytest.mark.parametrize("source", [".", "annotations"])
def test_what_datumaro_writes(source: str, tmp_path: Path) -> None:
    folder = FORMATS / "open_images"
    data = packed("open_images", tmp_path / "d.h5", "--images", folder, source=source)
    compare("open_images", data)


def test_labels_of_mids_with_what_is_verified_absent(tmp_path: Path) -> None:
    folder = FORMATS / "open_images"
    data = packed(
        "open_images", tmp_path / "d.h5", "--images", folder, source="human_labels_with_mids"
    )
    compare("open_images", data, skip=("boxes",))
    assert said(data, "images/train/img_0001") == (["apple", "bear"], ["red car"])
    assert said(data, "images/val/empty") == ([], ["apple", "bear", "red car"])


def test_three_values(tmp_path: Path) -> None:
    rows = "a,verification,/m/1,1\na,verification,/m/2,0\nb,crowd,/m/2,1\nb,verification,/m/1,0\n"
    rows += "b,crowd,/m/1,1\n"
    data = pack(tmp_path, {**NAMES, HUMAN: LABEL_ROW + rows})
    assert data.classes == ["cat", "dog"]
    assert said(data, "a") == (["cat"], ["dog"])
    assert said(data, "b") == (["dog"], [])  # two people say two things of the cat


def test_labels_of_machines_above_a_threshold(tmp_path: Path) -> None:
    human = LABEL_ROW + "a,verification,/m/1,0\nb,verification,/m/1,1\n"
    machine = LABEL_ROW + "a,machine,/m/1,0.9\na,machine,/m/2,0.8\nb,machine,/m/2,0.7\n"
    files = {**NAMES, HUMAN: human, MACHINE: machine}
    assert said(pack(tmp_path, files), "a") == ([], ["cat"])
    data = pack(tmp_path, files, "--machine-labels", "0.8")
    assert said(data, "a") == (["dog"], ["cat"])
    assert said(data, "b") == (["cat"], [])


def test_boxes_are_shares_and_those_of_groups_are_difficult_and_no_marks(tmp_path: Path) -> None:
    rows = "a,xclick,/m/1,1,0.25,0.5,0.1,0.6,0\na,xclick,/m/2,1,0,1,0,1,1\n"
    data = pack(tmp_path, {**NAMES, BOXES: BOX_ROW + rows})
    found = [(one.kind, one.label, one.xy.tolist()) for one in data.marks("a") or ()]
    assert found == [(BOX, 1, [[10, 2], [20, 12]])]
    true = data.true_boxes("a")
    assert true is not None
    assert true.difficult.tolist() == [False, True]
    assert said(data, "a") == (["cat", "dog"], [])


def test_masks_are_brought_to_the_size_of_the_image(tmp_path: Path) -> None:
    small = np.zeros((5, 10), np.uint8)
    small[1:3, 2:6] = 255
    (tmp_path / "csv" / "masks").mkdir(parents=True)
    Image.fromarray(small).convert("1").save(tmp_path / "csv" / "masks" / "a_m1.png")
    rows = "a_m1.png,a,/m/1,x\n"
    data = pack(tmp_path, {**NAMES, MASKS: MASK_ROW + rows})
    wanted = np.zeros((20, 40), np.uint8)
    wanted[4:12, 8:24] = 1
    assert (data.mask("a") == wanted).all()


def test_only_the_classes_asked_for(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("dog\n")
    rows = "a,xclick,/m/1,1,0.25,0.5,0.1,0.6,0\na,xclick,/m/2,1,0,1,0,1,0\n"
    data = pack(tmp_path, {**NAMES, BOXES: BOX_ROW + rows}, "--classes", tmp_path / "classes.txt")
    assert data.classes == ["dog"]
    assert len(data.marks("a") or ()) == 1


def test_images_that_were_not_fetched_are_counted(tmp_path: Path) -> None:
    rows = "a,verification,/m/1,1\nc,verification,/m/1,1\nd,verification,/m/1,1\n"
    assert pack(tmp_path, {**NAMES, HUMAN: LABEL_ROW + rows}).ids == ["a"]
    result = wsss(
        "pack", tmp_path / "csv", "--images", tmp_path / "photos", "-o", tmp_path / "e.h5"
    )
    assert f"2 images are not under {tmp_path / 'photos'} and left out, first c" in result.stderr


def test_two_labels_of_one_name_stay_two_classes(tmp_path: Path) -> None:
    files = {
        "class-descriptions.csv": "LabelName,DisplayName\n/m/1,bat\n/m/2,bat\n",
        HUMAN: LABEL_ROW + "a,verification,/m/1,1\nb,verification,/m/2,1\n",
    }
    assert pack(tmp_path, files).classes == ["bat (/m/1)", "bat (/m/2)"]


BROKEN = {
    "no number": {HUMAN: LABEL_ROW + "a,x,/m/1,yes\n"},
    "NaN": {HUMAN: LABEL_ROW + "a,x,/m/1,nan\n"},
    "a person who is half sure": {HUMAN: LABEL_ROW + "a,x,/m/1,0.5\n"},
    "no image": {HUMAN: LABEL_ROW + "c,x,/m/1,1\n"},
    "no name": {HUMAN: LABEL_ROW + ",x,/m/1,1\n"},
    "no class": {HUMAN: LABEL_ROW + "a,x,,1\n"},
    "cells are missing": {HUMAN: LABEL_ROW + "a,x\n"},
    "cells too many": {HUMAN: LABEL_ROW + "a,x,/m/1,1,1\n"},
    "a quote left open": {HUMAN: LABEL_ROW + 'a,"x,/m/1,1\n'},
    "a box of texts": {BOXES: BOX_ROW + "a,x,/m/1,1,left,1,0,1,0\n"},
    "an infinite box": {BOXES: BOX_ROW + "a,x,/m/1,1,0,1e999,0,1,0\n"},
    "a box far outside": {BOXES: BOX_ROW + "a,x,/m/1,1,30,40,30,40,0\n"},
    "no mask": {MASKS: MASK_ROW + "a_m2.png,a,/m/1,x\n"},
    "a label twice": {**NAMES, "class-descriptions.csv": "/m/1,cat\n/m/1,dog\n",
                      HUMAN: LABEL_ROW + "a,x,/m/1,1\n"},
    "a name that is none": {"class-descriptions.csv": "/m/1,\n", HUMAN: LABEL_ROW + "a,x,/m/1,1\n"},
    "outside": {HUMAN: LABEL_ROW + "../a,x,/m/1,1\n"},
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    text = pack(tmp_path, BROKEN[case], "--format", "open-images", code=3)
    assert text.count("wsss: error:") == 1


def test_a_mask_that_is_no_png(tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "a_m1.png").write_bytes(b"x")
    text = pack(tmp_path, {MASKS: MASK_ROW + "a_m1.png,a,/m/1,x\n"}, code=3)
    assert "its mask a_m1.png" in text
