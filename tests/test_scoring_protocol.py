"""Which images and thresholds eval scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import masks_of, pack_like, write_cam, write_labels

from wsss_cli.artifacts import open_artifact, open_dataset
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.options.thresholds import ThresholdChoice
from wsss_cli.scoring.protocol import (
    Rules,
    Threshold,
    choose_threshold,
    parse_thresholds,
    score,
    select_images,
)

IDS = [f"a/{number}" for number in range(6)]  # of the tiny data


@given(start=st.integers(0, 50), count=st.integers(1, 60), step=st.sampled_from(["0.01", "0.001"]))
def test_ranges_of_thresholds_are_exact_decimals(start: int, count: int, step: str) -> None:
    unit = {"0.01": 100, "0.001": 1000}[step]
    values = parse_thresholds(f"{start / unit}:{(start + min(count, 40)) / unit}:{step}")
    assert values == [(start + index) / unit for index in range(min(count, 40))]


@given(st.text(alphabet="0123456789.:,-+eE naif_", max_size=12))
def test_any_text_gives_rising_thresholds_or_a_usage_error(text: str) -> None:
    try:
        values = parse_thresholds(text)
    except UsageError:
        return
    assert values
    assert (np.diff(np.float32(values)) > 0).all()
    assert 0 <= values[0] <= values[-1] <= 1


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.5", [0.5]),
        ("0.5, 0.1,0.5", [0.1, 0.5]),
        ("0:0.3:0.1", [0, 0.1, 0.2]),
        ("0:0.31:0.1", [0, 0.1, 0.2, 0.3]),
        ("0.9:1.01:0.05", [0.9, 0.95, 1.0]),
        ("1", [1.0]),
    ],
)
def test_thresholds(text: str, values: list[float]) -> None:
    assert parse_thresholds(text) == values


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "0.1,", "nan", "inf", "-0.1", "1.1", "0:1", "0:1:0", "1:0:0.1", "0:1:0.1:2"),
        *("0:1,2:0.1", "0:1:0.00001", "0.1,0.1000000001", "0:1:-0.1"),
    ],
)
def test_what_is_no_thresholds(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_thresholds(text)
    assert str(caught.value) == f"--thresholds {text}: needs START:STOP:STEP or a list"
    assert "1 to 10000 of them, within 0..1" in str(caught.value.hint)


def test_the_images_that_are_scored(tiny_data: Path, tmp_path: Path) -> None:
    masks = masks_of(tiny_data)
    part = {image_id: masks[image_id] for image_id in ("a/0", "a/2", "a/3")}
    path = write_labels(tmp_path / "p.h5", tiny_data, part)
    (tmp_path / "ids").write_text("a/3\n")
    with open_dataset(tiny_data) as truth, open_artifact(path) as found:

        def chosen(split: str | None, listed: str | None = None, missing: bool = False) -> Any:
            return select_images(found, truth, split, listed, missing)

        assert chosen(None) == (["a/0", "a/2", "a/3"], 0)
        assert chosen("train", missing=True) == (["a/0", "a/3"], 2)
        assert chosen("train", str(tmp_path / "ids")) == (["a/3"], 0)
        with pytest.raises(WsssError) as caught:
            chosen("train")
        said = "lacks 2 of the 4 images of split train, first 'a/1'"
        assert str(caught.value) == f"{path}: {said}"
        with pytest.raises(WsssError, match=r"1 of 1 ids are not in .*data\.h5's split val"):
            chosen("val", str(tmp_path / "ids"))


def test_images_of_another_data_set(tiny_data: Path, tmp_path: Path) -> None:
    path = write_labels(tmp_path / "p.h5", tiny_data, masks_of(tiny_data))
    image = {"a/0": np.zeros((32, 48, 3), np.uint8)}
    other = pack_like(tmp_path / "o.h5", image, {}, {}, ["red", "green", "blue"])
    with (
        open_dataset(other) as truth,
        open_artifact(path) as found,
        pytest.raises(WsssError, match=r"5 of 6 images are not in .*, first 'a/1'"),
    ):
        select_images(found, truth, None, None, False)


def test_a_shard_alone(tiny_data: Path, tmp_path: Path) -> None:
    path = write_labels(tmp_path / "p.h5", tiny_data, masks_of(tiny_data), shard="2/2")
    with open_dataset(tiny_data) as truth, open_artifact(path) as found:
        with pytest.raises(WsssError, match="only shard 2/2 of a run"):
            select_images(found, truth, None, None, False)
        assert select_images(found, truth, None, None, True) == (["a/1", "a/3", "a/5"], 0)


def flat_cams(values: dict[str, float]) -> dict[str, dict[str, np.ndarray]]:
    """A map of one value of class 0 for each image."""
    one = np.zeros(1, np.uint16)
    return {
        image_id: {"cam": np.full((1, 8, 12), value, np.float16), "classes": one}
        for image_id, value in values.items()
    }


def test_the_threshold_is_chosen_without_the_masks_it_scores(
    tiny_data: Path, tmp_path: Path
) -> None:
    path = write_cam(tmp_path / "c.h5", tiny_data, flat_cams(dict.fromkeys(IDS, 0.375)))
    sweep = [0.125, 0.25, 0.5]

    def chosen(choice: ThresholdChoice, scored: list[str]) -> Threshold:
        with open_dataset(tiny_data) as truth, open_artifact(path) as found:
            return choose_threshold(Rules("union", "error", sweep, choice), found, truth, scored)

    assert chosen(ThresholdChoice(), IDS) == Threshold(0.15, "IRN's published constant for maps")
    given = ThresholdChoice(threshold=0.7)
    assert chosen(given, IDS) == Threshold(0.7, "given by --threshold")
    auto = ThresholdChoice(threshold="auto")
    with pytest.raises(WsssError, match="chooses no threshold: all scores are alike"):
        chosen(auto, IDS[:2])
    # In val class red is nowhere: only at 0.5 it is not predicted.
    by_split = ThresholdChoice(calibrate_split="val")
    said = "best on split val, 2 images not scored here"
    assert chosen(by_split, ["a/0", "a/1"]) == Threshold(0.5, said)
    with pytest.raises(WsssError) as caught:
        chosen(by_split, ["a/0", "a/2"])
    assert str(caught.value) == (
        "split val: chose its threshold with the masks of 1 images scored here, first 'a/2'"
    )
    report = tmp_path / "r.json"
    scores = {"oracle": {"threshold": 0.25, "miou": 0.5}}
    told = {"format": "wsss/eval", "version": 1, "scores": scores, "ids": ["a/3"]}
    report.write_text(json.dumps(told))
    said = "best in r.json, of 1 images none of which is scored here"
    by_report = ThresholdChoice(threshold_from=report)
    assert chosen(by_report, ["a/0"]) == Threshold(0.25, said)
    with pytest.raises(WsssError, match=r"^r\.json: chose its threshold with the masks of 1"):
        chosen(by_report, ["a/3"])


def test_a_split_that_is_void_throughout_chooses_nothing(tmp_path: Path) -> None:
    images = dict.fromkeys("xy", np.zeros((32, 48, 3), np.uint8))
    masks = {"x": np.zeros((32, 48), np.uint8), "y": np.full((32, 48), 255, np.uint8)}
    tags = {image_id: [0] for image_id in images}
    data = pack_like(tmp_path / "d.h5", images, masks, tags, ["a"], {"one": ["x"], "two": ["y"]})
    path = write_cam(tmp_path / "c.h5", data, flat_cams({"x": 0.5, "y": 0.5}))
    with open_dataset(data) as truth, open_artifact(path) as found:
        choice = ThresholdChoice(calibrate_split="two")
        with pytest.raises(WsssError, match="no pixel of the truth holds a class"):
            choose_threshold(Rules("union", "error", [0.5], choice), found, truth, ["x"])


def test_images_that_choose_the_threshold_are_left_out(tiny_data: Path, tmp_path: Path) -> None:
    path = write_cam(tmp_path / "c.h5", tiny_data, flat_cams(dict.fromkeys(IDS, 0.375)))
    (tmp_path / "few").write_text("a/4\na/2\n")
    by_list = ThresholdChoice(calibrate_ids=str(tmp_path / "few"))
    for choice, said in (
        (by_list, f"best on the 2 images of {tmp_path / 'few'}, which are not scored"),
        (ThresholdChoice(calibrate=2), "best on 2 images drawn (seed 3), which are"),
    ):
        rules = Rules("union", "error", [0.125, 0.25, 0.5], choice, seed=3)
        with open_dataset(tiny_data) as truth, open_artifact(path) as found:
            outcome = score(found, truth, IDS, rules, quiet=True)
            rest = [image_id for image_id in IDS if image_id not in outcome.left_out]
            alone = ThresholdChoice(threshold=outcome.points["chosen"].threshold)
            again = score(found, truth, rest, Rules("union", "error", rules.sweep, alone), True)
        assert len(outcome.left_out) == 2
        assert outcome.counted == rest
        assert outcome.points["chosen"].how.startswith(said)
        for name in ("chosen", "oracle"):  # as if the others had never been there
            ours, theirs = outcome.points[name].scores, again.points[name].scores
            np.testing.assert_array_equal(ours.matrix, theirs.matrix)
        if choice is by_list:
            assert outcome.left_out == ["a/2", "a/4"]


def test_labels_and_maps_are_scored_by_the_rules(tiny_data: Path, tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "p.h5", tiny_data, masks_of(tiny_data))
    cams = flat_cams(dict.fromkeys(IDS, 0.5))
    maps = write_cam(tmp_path / "c.h5", tiny_data, cams)
    for item in cams.values():
        item["background"] = np.full((8, 12), 0.25, np.float16)
    own = write_cam(tmp_path / "b.h5", tiny_data, cams)

    def points(path: Path, choice: ThresholdChoice) -> dict[str, float | None]:
        rules = Rules("union", "error", [0.1, 0.6], choice)
        with open_dataset(tiny_data) as truth, open_artifact(path) as found:
            outcome = score(found, truth, IDS, rules, quiet=True)
        assert outcome.counted == IDS
        return {name: point.threshold for name, point in outcome.points.items()}

    nothing, given = ThresholdChoice(), ThresholdChoice(threshold=0.3)
    assert points(labels, nothing) == {"labels": None}
    assert points(maps, nothing) == {"chosen": 0.15, "oracle": 0.6}
    assert points(own, nothing) == {"chosen": None, "oracle": 0.6}
    assert points(own, given) == {"chosen": 0.3, "background": None, "oracle": 0.6}
