"""Comparisons of systems whose matrices are known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reports import NAMES, predictions, report_on, write_report_on

from wsss_cli.core.metrics import scores
from wsss_cli.core.permutation import holm
from wsss_cli.scoring.comparable import read_scored
from wsss_cli.scoring.comparing import compare
from wsss_cli.scoring.intervals import Resampling, add_intervals

Matrices = Mapping[str, np.ndarray]


def compared(
    folder: Path, first: list[Matrices], second: list[Matrices], **options: Any
) -> dict[str, Any]:
    sides = []
    for letter, group in (("a", first), ("b", second)):
        paths = [folder / f"{letter}{number}.json" for number in range(len(group))]
        for path, matrices in zip(paths, group, strict=True):
            write_report_on(path, matrices, run=path.name, average=options.get("average", "union"))
        sides.append([read_scored(path, "chosen") for path in paths])
    how = Resampling(options.get("draws", 300), options.get("seed", 0), options.get("clusters"))
    return compare(*sides, how, options.get("permutations", 300))


def total(matrices: Matrices) -> np.ndarray:
    return np.sum([*matrices.values()], axis=0)


def test_equal_systems_differ_by_nothing(tmp_path: Path) -> None:
    same = predictions(20, 1)
    found = compared(tmp_path, [same], [same])
    assert found["miou"] == {"difference": 0, "interval": (0, 0), "p": 1}
    for one in found["labels"]:
        assert (one["difference"], one["interval"], one["p"], one["p_holm"]) == (0, (0, 0), 1, 1)
    assert found["trainings"] is None


def test_figures_are_those_of_eval(tmp_path: Path) -> None:
    first, second = predictions(20, 1, 0.5), predictions(20, 2, 0.6)
    found = compared(tmp_path, [first], [second])
    one, two = scores(total(first)), scores(total(second))
    assert found["first"]["miou"] == pytest.approx(one.miou, abs=1e-15)
    assert found["second"]["miou"] == pytest.approx(two.miou, abs=1e-15)
    assert found["miou"]["difference"] == pytest.approx(two.miou - one.miou, abs=1e-15)
    assert [row["label"] for row in found["labels"]] == NAMES
    assert [row["first"] for row in found["labels"]] == pytest.approx(one.iou.tolist(), abs=1e-15)
    assert [row["images"] for row in found["labels"]] == [
        sum(matrix[label].any() for matrix in first.values()) for label in range(3)
    ]
    adjusted = holm(np.array([row["p"] for row in found["labels"]]))
    assert [row["p_holm"] for row in found["labels"]] == adjusted.tolist()
    low, high = found["miou"]["interval"]
    assert low < found["miou"]["difference"] < high
    json.dumps(found, allow_nan=False)


def test_swapping_the_systems_mirrors(tmp_path: Path) -> None:
    first, second = predictions(15, 1), predictions(15, 2, 0.62)
    there, back = (
        compared(tmp_path, *sides) for sides in (([first], [second]), ([second], [first]))
    )
    assert back["miou"]["difference"] == -there["miou"]["difference"]
    assert back["miou"]["p"] == there["miou"]["p"]
    low, high = there["miou"]["interval"]
    assert back["miou"]["interval"] == pytest.approx((-high, -low), abs=1e-15)
    for one, other in zip(there["labels"], back["labels"], strict=True):
        assert (one["p"], one["difference"]) == (other["p"], -other["difference"])


def test_one_image_shows_nothing(tmp_path: Path) -> None:
    found = compared(tmp_path, [predictions(1, 1)], [predictions(1, 2, 0.9)])
    difference = found["miou"]["difference"]
    assert found["miou"]["interval"] == pytest.approx((difference, difference))
    assert found["miou"]["p"] == 1


def test_a_better_system_is_found_and_its_interval_is_the_paired_one(tmp_path: Path) -> None:
    """Where images are hard for both, their difference varies little."""
    first = predictions(40, 1, 0.5)
    rng = np.random.default_rng(0)
    second = {}
    for number, (name, matrix) in enumerate(first.items()):
        first[name] = hard = matrix if number % 2 else matrix[:, [3, 0, 1, 2]]
        gain = rng.binomial(hard[:, 3], 0.3)  # some of what had no label is right now
        second[name] = hard.copy()
        second[name][:, 3] -= gain
        second[name][np.arange(3), np.arange(3)] += gain
    found = compared(tmp_path, [first], [second])
    assert found["miou"]["p"] == 1 / 301
    low, high = found["miou"]["interval"]
    assert 0 < low < high
    report = report_on(first)
    add_intervals(report, Resampling(300, 0))
    alone = report["scores"]["labels"]["miou_interval"]
    assert high - low < (alone[1] - alone[0]) / 2


def test_a_label_that_one_system_alone_predicts_counts_as_in_eval(tmp_path: Path) -> None:
    first, second = predictions(6, 1), predictions(6, 2)
    for matrices in (first, second):
        for name, matrix in matrices.items():
            matrix[2] = 0  # no dog in any mask
            matrix[:, 2] = 0
            matrix[0] = [50, 10, 0, 0]
            matrix[1] = [20, 30, 0, 0] if name != "i000" else [25, 25, 0, 0]
    second["i003"][0] = [45, 10, 5, 0]
    for average in ("union", "truth", "all"):
        found = compared(tmp_path, [first], [second], average=average)
        one, two = scores(total(first), average), scores(total(second), average)
        assert found["miou"]["difference"] == pytest.approx(two.miou - one.miou, abs=1e-15)
        assert [row["label"] for row in found["labels"]] == NAMES[:2]
        low, high = found["miou"]["interval"]
        assert low <= found["miou"]["difference"] <= high


def test_several_trainings(tmp_path: Path) -> None:
    first = [predictions(30, seed, quality) for seed, quality in ((1, 0.5), (2, 0.52), (3, 0.51))]
    second = [predictions(30, seed, quality) for seed, quality in ((4, 0.6), (5, 0.62), (6, 0.58))]
    found = compared(tmp_path, first, second)
    ones, twos = ([scores(total(one)).miou for one in group] for group in (first, second))
    assert found["first"]["mious"] == pytest.approx(ones, abs=1e-15)
    assert found["first"]["miou"] == pytest.approx(np.mean(ones))
    assert found["second"]["sd"] == pytest.approx(np.std(twos, ddof=1))
    pairs = np.array(twos) - np.array(ones)
    assert found["miou"]["difference"] == pytest.approx(pairs.mean())
    trainings = found["trainings"]
    assert trainings["differences"] == pytest.approx(pairs.tolist())
    assert (trainings["p"], trainings["least_p"], trainings["pairs"]) == (0.25, 0.25, 3)
    low, high = trainings["interval"]
    inner = found["miou"]["interval"]
    assert high - low > inner[1] - inner[0]
    assert low > 0


def test_images_of_a_cluster_are_drawn_and_swapped_together(tmp_path: Path) -> None:
    first, second = predictions(12, 1), predictions(12, 2, 0.7)
    file = tmp_path / "c.csv"
    file.write_text("image,cluster\n" + "".join(f"{name},film\n" for name in first))
    found = compared(tmp_path, [first], [second], clusters=file)
    assert found["miou"]["p"] == 1  # one cluster is one image
    assert found["bootstrap"]["units"] == 1
    assert found["images"] == 12
