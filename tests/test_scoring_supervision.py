"""What eval's JSON says of the labels behind what it scored, and of those that chose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from boxed import blobs, write_boxed
from made import masks_of, pack_like, random_cams, write_cam, wsss

from wsss_cli.artifacts import open_dataset
from wsss_cli.artifacts.supervision import CHOSEN, MASKS, TRUE_BOXES


@pytest.fixture
def cam(tiny_data: Path, tmp_path: Path) -> Path:
    return write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data))


def chosen_by(*line: object) -> list[dict[str, Any]]:
    """The entries of what an eval was only to choose by."""
    result = wsss("eval", *line, "-q", "--json", "-")
    assert result.exit_code == 0, result.output
    records = json.loads(result.stdout)["supervision"]
    return [one for one in records if one["use"] == CHOSEN]


def test_what_chose_no_threshold(cam: Path) -> None:
    for line in ((), ("--threshold", 0.3), ("--threshold", "auto")):
        assert chosen_by(cam, *line) == []


def test_masks_of_images_that_chose(cam: Path, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("a/1\na/4\n")
    for line, images in (
        (("--calibrate", 3), 3),
        (("--calibrate-ids", tmp_path / "ids.txt"), 2),
        (("--split", "train", "--calibrate-split", "val"), 2),
    ):
        (one,) = chosen_by(cam, *line)
        assert (one["what"], one["images"], one["by"]) == (MASKS, images, ["eval"])
        assert one["file"] == "data.h5"
        assert "rows" in one


def test_another_eval_chose(cam: Path, tiny_data: Path, tmp_path: Path) -> None:
    scores = tmp_path / "val.json"
    assert wsss("eval", cam, "--split", "val", "-q", "--json", scores).exit_code == 0
    (one,) = chosen_by(cam, "--split", "train", "--threshold-from", scores)
    with open_dataset(tiny_data) as data:
        assert (one["images"], one["run"]) == (2, data.run)
        images = {f"b/{image_id}": data.image(image_id) for image_id in data.ids[:3]}
        tags = {f"b/{image_id}": data.tags(image_id).tolist() for image_id in data.ids[:3]}
    assert "rows" in one
    masks = {f"b/{image_id}": mask for image_id, mask in masks_of(tiny_data).items()}
    other = pack_like(tmp_path / "other.h5", images, masks, tags, ["red", "green", "blue"])
    maps = write_cam(tmp_path / "maps.h5", other, random_cams(other))
    assert wsss("eval", maps, "-q", "--json", scores, "--force").exit_code == 0
    (one,) = chosen_by(cam, "--threshold-from", scores)
    assert (one["what"], one["images"], one["file"]) == (MASKS, 3, "other.h5")
    assert "rows" not in one


def test_true_boxes_that_chose(tmp_path: Path) -> None:
    data = write_boxed(tmp_path / "data.h5", missing=("d",))
    cam = write_cam(tmp_path / "cam.h5", data, blobs(), stride=1)
    line = (cam, "--boxes", "annotated", "--split", "one")
    assert chosen_by(*line) == []
    (one,) = chosen_by(*line, "--calibrate-split", "two")
    assert (one["what"], one["images"]) == (TRUE_BOXES, 2)  # of three, one has no boxes
