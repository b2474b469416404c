"""What eval says in its JSON, and what it reads of one."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import masks_of, random_cams, write_cam, write_labels

from wsss_cli.artifacts import open_artifact, open_dataset
from wsss_cli.core.image_counts import ImageCounts, cells_of
from wsss_cli.core.metrics import scores
from wsss_cli.errors import WsssError
from wsss_cli.options.thresholds import ThresholdChoice
from wsss_cli.scoring.counts import Outcome, Point
from wsss_cli.scoring.protocol import Rules
from wsss_cli.scoring.report import (
    OF_BOXES,
    Asked,
    as_json,
    protocol_of,
    read_oracle,
    read_report,
    report_of,
    warnings,
    write_report,
)

RULES = Rules("all", "background", [0.1, 0.2], ThresholdChoice())
ASKED = Asked("val", "ids.txt", 3, RULES)
PERFECT = scores(np.array([[3, 0, 0], [0, 1, 0]]))
HALF = scores(np.array([[1, 0, 0], [1, 1, 0]]))
NOTHING = scores(np.zeros((2, 3), np.int64))


@pytest.fixture
def labels(tiny_data: Path, tmp_path: Path) -> Path:
    return write_labels(tmp_path / "p.h5", tiny_data, masks_of(tiny_data))


@pytest.fixture
def maps(tiny_data: Path, tmp_path: Path) -> Path:
    return write_cam(tmp_path / "c.h5", tiny_data, random_cams(tiny_data))


def test_the_protocol_says_what_makes_scores_comparable(labels: Path, maps: Path) -> None:
    outcome = Outcome(["b", "a"], without_mask=2)
    with open_artifact(labels) as found:
        of_labels = protocol_of(found, ASKED, outcome)
    with open_artifact(maps) as found:
        of_maps = protocol_of(found, ASKED, outcome)
    same = {
        "split": "val",
        "ids_from": "ids.txt",
        "images_counted": 2,
        "images_without_mask": 2,
        "images_missing": 3,
        "images_left_out": 0,
        "void": "pixels that are 255 in the mask are not counted",
        "average": "all",
        "average_rule": "mean over all labels, 0 for one that neither truth nor prediction holds",
    }
    assert of_labels == {
        **same,
        "resolution": "the masks' own; labels must be of the same size",
        "unlabelled": "background",
        "unlabelled_rule": "a predicted 255 counts as background",
    }
    assert of_maps == {
        **same,
        "resolution": "the masks' own; maps enlarged bilinearly, cell centres in place",
        "thresholds": [0.1, 0.2],
        "ties": "a class wins strictly above the threshold (float32); of equal classes the first",
    }


def report(file: Path, data: Path, outcome: Outcome) -> dict[str, Any]:
    with open_artifact(file) as found, open_dataset(data) as truth:
        return report_of(found, truth, ASKED, outcome)


def test_the_headline_is_never_the_oracles(tiny_data: Path, maps: Path) -> None:
    points = {"chosen": Point("a", HALF, 0, 0.15), "oracle": Point("b", PERFECT, 0, 0.2)}
    outcome = Outcome(["b", "a"], 0, points, [(0.1, math.nan), (0.2, 1.0)])
    found = report(maps, tiny_data, outcome)
    assert found["miou"] == 0.5
    assert found["scores"]["oracle"]["miou"] == 1
    assert found["sweep"] == [{"threshold": 0.1, "miou": None}, {"threshold": 0.2, "miou": 1.0}]
    assert found["ids"] == ["a", "b"]
    assert found["labels"] == ["background", "red", "green", "blue"]
    assert found["predictions"]["file"] == "c.h5"
    assert found["data"]["file"] == "data.h5"
    assert (found["format"], found["version"]) == ("wsss/eval", 2)


def test_matrices_of_images_are_in_the_order_of_the_ids(tiny_data: Path, labels: Path) -> None:
    one, other = np.array([[1, 0, 0], [0, 1, 0]]), np.array([[0, 0, 0], [0, 0, 7]])
    images = ImageCounts.of(2, [cells_of(one), cells_of(other)])
    points = {"labels": Point("as in the file", scores(one + other), 0, images=images)}
    found = report(labels, tiny_data, Outcome(["b", "a"], 0, points))
    assert found["ids"] == ["a", "b"]
    assert found["per_image"] == {"labels": [[5, 7], [0, 1, 4, 1]]}


def test_labels_that_the_truth_lacks_are_listed(tiny_data: Path, labels: Path) -> None:
    lacking = scores(np.array([[1, 0, 1, 0, 0], *np.zeros((3, 5), int)]))
    outcome = Outcome(["a"], 0, {"labels": Point("as in the file", lacking, 0)})
    assert report(labels, tiny_data, outcome)["labels_without_truth"] == ["red", "green", "blue"]


def test_labels_have_no_sweep(tiny_data: Path, labels: Path) -> None:
    outcome = Outcome(["a"], 0, {"labels": Point("as in the file", HALF, 0)})
    found = report(labels, tiny_data, outcome)
    assert found["miou"] == 0.5
    assert "sweep" not in found
    assert found["predictions"]["kind"] == "wsss/label"


def test_what_looks_like_a_mistake(tiny_data: Path, labels: Path, maps: Path) -> None:
    empty = Outcome(["a", "b"], 0, {"labels": Point("", NOTHING, 2)})
    part = "p.h5: lacks 3 images of the split: this is the score of a part"
    assert warnings(report(labels, tiny_data, empty)) == [
        "p.h5: only background is predicted, in every one of 2 images",
        part,
    ]
    good = Outcome(["a", "b"], 0, {"labels": Point("", HALF, 1)})
    assert warnings(report(labels, tiny_data, good)) == [part]
    points = {"chosen": Point("", HALF, 0, 0.1), "oracle": Point("", HALF, 2, 0.1)}
    assert warnings(report(maps, tiny_data, Outcome(["a", "b"], 0, points)))[0] == (
        "c.h5 (oracle): only background is predicted, in every one of 2 images"
    )


def test_a_report_comes_back_as_written(tmp_path: Path) -> None:
    told = {"format": "wsss/eval", "version": 1, "file": "Kühe", "miou": None}
    write_report(told, tmp_path / "r.json")
    assert (tmp_path / "r.json").read_bytes().endswith(b"}\n")
    assert "Kühe" in (tmp_path / "r.json").read_text("utf-8")
    assert read_report(tmp_path / "r.json") == told
    strange = {**told, "file": os.fsdecode(b"p\xff.h5")}  # a name that is no UTF-8
    write_report(strange, tmp_path / "s.json")
    assert read_report(tmp_path / "s.json") == strange
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_json({"miou": math.nan})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "not JSON (Expecting property name"),
        (b'{"miou": NaN}', "not JSON (it holds NaN)"),
        (b"\xff", "not UTF-8 text"),
        (b"[" * 100_000, "not JSON (nested too deeply)"),
        (b"[]", "not scores of wsss's"),
        (b'{"format": "wsss/eval"}', "not scores of wsss's"),
        (b'{"format": "other", "version": 1}', "not scores of wsss's"),
        (b'{"format": [], "version": 1}', "not scores of wsss's"),
        (b'{"format": "wsss/eval", "version": 0}', "not scores of wsss's"),
        (b'{"format": "wsss/eval", "version": true}', "not scores of wsss's"),
        (b'{"format": "wsss/eval", "version": 1.5}', "not scores of wsss's"),
        (
            b'{"format": "wsss/eval", "version": 99}',
            "scores of pixels in version 99 of wsss/eval; this wsss reads up to 2",
        ),
        (b'{"format": "wsss/localisation", "version": 1}', "holds scores of boxes, not scores of"),
        (b'{"format": "wsss/compare", "version": 1}', "holds a comparison, not scores of pixels"),
        (b'{"format": "wsss/eval", "version": "1"}', "not scores of wsss's"),
    ],
)
def test_what_is_no_report(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "r.json"
    file.write_bytes(content)
    with pytest.raises(WsssError) as caught:
        read_report(file)
    assert str(caught.value).startswith(f"{file}: {said}")


def test_reports_of_boxes_and_of_either(tmp_path: Path) -> None:
    pixels, boxes = tmp_path / "p.json", tmp_path / "b.json"
    for file, name in ((pixels, "wsss/eval"), (boxes, "wsss/localisation")):
        file.write_text(json.dumps({"format": name, "version": 1}))
        assert read_report(file, None)["format"] == name
    assert read_report(boxes, OF_BOXES)["format"] == OF_BOXES
    with pytest.raises(WsssError, match=r"p\.json: holds scores of pixels, not scores of boxes"):
        read_report(pixels, OF_BOXES)
    pixels.write_text('{"format": "wsss/compare", "version": 1}')
    with pytest.raises(WsssError, match=r"p\.json: holds a comparison, not scores$"):
        read_report(pixels, None)


def test_a_report_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match=r"gone\.json: No such file"):
        read_report(tmp_path / "gone.json")


@pytest.mark.parametrize(
    "change",
    [
        {"scores": {"labels": {}}},
        {"scores": {"oracle": {"threshold": 1.5, "miou": 0.5}}},
        {"scores": {"oracle": {"threshold": "few", "miou": 0.5}}},
        {"scores": {"oracle": {"threshold": 0.5, "miou": None}}},  # no pixel counted
        {"scores": {"oracle": {"threshold": True, "miou": 0.5}}},
        {"scores": {"oracle": {"threshold": "0.5", "miou": 0.5}}},
        {"scores": {"oracle": {"threshold": 10**400, "miou": 0.5}}},
        {"ids": None},
        {"ids": []},  # nothing could be told to be scored here, too
        {"ids": "ab"},
        {"ids": [1, 2]},
        {"scores": []},
    ],
)
def test_a_best_threshold_is_one_of_maps(tmp_path: Path, change: dict[str, Any]) -> None:
    file = tmp_path / "r.json"
    good = {
        "format": "wsss/eval",
        "version": 1,
        "scores": {"oracle": {"threshold": 0.25, "miou": 0.5}},
        "ids": ["a", "b"],
    }
    file.write_text(json.dumps(good))
    assert read_oracle(file) == (0.25, ["a", "b"])
    file.write_text(json.dumps(good | change))
    with pytest.raises(WsssError, match=r"r\.json: holds no best threshold of maps"):
        read_oracle(file)
