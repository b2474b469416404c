"""Intervals of a report, from the matrices in it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from reports import predictions, report_on

from wsss_cli.core.bootstrap import LabelSet, interval, resampled
from wsss_cli.core.image_counts import ImageCounts
from wsss_cli.errors import UsageError
from wsss_cli.scoring.intervals import FEW_UNITS, Resampling, add_intervals, doubts, resampling


def test_intervals_are_those_of_the_images() -> None:
    report = report_on(predictions(30, 1))
    add_intervals(report, Resampling(200, 5))
    tallies = ImageCounts.from_lists(3, report["per_image"]["labels"]).tallies()
    drawn = resampled(tallies, 200, 5)
    point = report["scores"]["labels"]
    assert point["iou_interval"] == [interval(drawn[:, label]) for label in range(3)]
    means = LabelSet.of(tallies.sum(axis=0), "union").mean(drawn)
    assert point["miou_interval"] == interval(means)
    assert point["miou_interval"][0] < report["miou"] < point["miou_interval"][1]
    told = report["bootstrap"]
    assert {key: told[key] for key in ("draws", "seed", "level", "drawn", "units")} == {
        "draws": 200,
        "seed": 5,
        "level": 0.95,
        "drawn": "images",
        "units": 30,
    }
    assert told["few"] == {}
    json.dumps(report, allow_nan=False)


def test_rare_labels_are_told_and_one_of_a_single_image_makes_a_doubt() -> None:
    matrices = predictions(20, 1)
    for matrix in [*matrices.values()]:
        matrix[1:] += 1
    for matrix in [*matrices.values()][1:]:
        matrix[2] = 0
    for matrix in [*matrices.values()][10:]:
        matrix[1] = 0
    report = report_on(matrices)
    assert doubts(report) == []
    add_intervals(report, Resampling(200, 0))
    assert report["bootstrap"]["few"] == {"dog": 1}
    assert [text.split(":")[0] for text in doubts(report)] == ["only one image holds dog"]
    low, high = report["scores"]["labels"]["iou_interval"][2]
    assert low < report["scores"]["labels"]["iou"][2] < high
    one = {name: matrices[name] for name in [*matrices][1:10]}
    report = report_on(one)
    add_intervals(report, Resampling(200, 0))
    assert report["bootstrap"]["few"] == {"background": 9, "cat": 9}
    assert doubts(report) == ["the intervals are drawn from 9 images only, and too narrow"]


def test_intervals_of_few_units_are_doubtful() -> None:
    for images, doubtful in ((FEW_UNITS - 1, True), (FEW_UNITS, False)):
        report = report_on(predictions(images, 1))
        add_intervals(report, Resampling(100, 0))
        assert any("are drawn from" in text for text in doubts(report)) == doubtful


def test_a_label_that_no_mask_holds_has_no_interval() -> None:
    matrices = predictions(5, 1)
    for matrix in matrices.values():
        matrix[2] = 0
    report = report_on(matrices)
    add_intervals(report, Resampling(100, 0))
    assert report["scores"]["labels"]["iou_interval"][2] is None
    assert report["scores"]["labels"]["miou_interval"] is not None


def test_clusters_are_drawn_together(tmp_path: Path) -> None:
    matrices = predictions(6, 2)
    file = tmp_path / "c.csv"
    file.write_text("image,cluster\n" + "".join(f"{name},film\n" for name in matrices))
    report = report_on(matrices)
    add_intervals(report, Resampling(100, 0, file))
    assert report["scores"]["labels"]["miou_interval"] == pytest.approx([report["miou"]] * 2)
    told = report["bootstrap"]
    assert (told["drawn"], told["units"], told["clusters_from"]) == ("clusters", 1, "c.csv")


def test_what_may_be_asked_for() -> None:
    assert resampling(0, 0, None) is None
    assert resampling(100, 3, None) == Resampling(100, 3)
    for draws in (-1, 99, 100_001):
        with pytest.raises(UsageError, match=f"--bootstrap {draws}: 0, or 100 to 100000"):
            resampling(draws, 0, None)
    with pytest.raises(UsageError, match="--clusters: needs --bootstrap"):
        resampling(0, 0, Path("c.csv"))


def test_the_order_of_images_does_not_matter_and_the_seed_does() -> None:
    matrices = predictions(12, 3)
    found = []
    for seed, names in ((0, [*matrices]), (0, [*matrices][::-1]), (1, [*matrices])):
        report = report_on({name: matrices[name] for name in names})
        add_intervals(report, Resampling(100, seed))
        found.append(report["scores"]["labels"]["miou_interval"])
    assert found[0] == found[1] != found[2]
    assert np.isfinite(found).all()
