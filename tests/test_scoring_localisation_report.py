"""The JSON of eval --boxes, read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.scoring.localisation_report import (
    doubts,
    facts_of,
)
from wsss_cli.scoring.report import OF_BOXES, read_oracle

REPORT: dict[str, Any] = {
    "format": "wsss/localisation",
    "version": 1,
    "predictions": {"file": "cam.h5"},
    "protocol": {
        "split": None, "images_counted": 2, "images_missing": 0, "pairs": 3,
        "pairs_without_map": 0, "truth": "masks",
    },
    "scores": {
        "chosen": {"threshold": 0.2, "corloc": 0.5, "max_box_acc": 0.4, "max_box_acc_v2": 0.3},
        "oracle": {"threshold": 0.3, "max_box_acc": 0.6, "max_box_acc_v2": 0.5},
        "pxap": None,
    },
    "ids": ["a", "b"],
}  # fmt: skip


def written(tmp_path: Path, report: object) -> Path:
    path = tmp_path / "loc.json"
    path.write_text(json.dumps(report))
    return path


def test_the_best_threshold_is_read_again(tmp_path: Path) -> None:
    assert read_oracle(written(tmp_path, REPORT), OF_BOXES) == (0.3, ["a", "b"])


@pytest.mark.parametrize(
    "report",
    [
        {**REPORT, "scores": {}},
        {**REPORT, "scores": {"oracle": {"threshold": 7}}},
        {**REPORT, "scores": {"oracle": {"threshold": None}}},
        {**REPORT, "ids": None},
    ],
)
def test_what_is_no_such_json_is_refused(tmp_path: Path, report: object) -> None:
    with pytest.raises(WsssError, match=r"loc\.json: holds no best threshold of boxes"):
        read_oracle(written(tmp_path, report), OF_BOXES)


def test_the_facts_name_the_chosen_threshold_and_the_oracle_apart() -> None:
    facts = facts_of(Path("loc.json"), REPORT)
    assert (facts["threshold"], facts["max_box_acc"]) == (0.2, 0.4)
    assert (facts["oracle_threshold"], facts["oracle_max_box_acc"]) == (0.3, 0.6)
    assert facts["split"] == "all"
    with pytest.raises(WsssError, match="scores with parts missing"):
        facts_of(Path("loc.json"), {**REPORT, "protocol": {}})


def test_doubts_are_of_missing_images_and_maps() -> None:
    assert doubts(REPORT) == []
    protocol = {**REPORT["protocol"], "images_missing": 4, "pairs_without_map": 1}
    assert doubts({**REPORT, "protocol": protocol}) == [
        "cam.h5: lacks 4 images of the split: this is the score of a part",
        "cam.h5: 1 of 3 pairs of image and class have no map, and count as not found",
    ]
