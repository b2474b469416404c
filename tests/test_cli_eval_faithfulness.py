"""eval --pointing and --faithfulness: from a trained network's maps to tables and JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import masks_of, write_labels, wsss
from test_cli_make_cam import write_classifier

SHORT = ("--steps", 3, "--device", "cpu")


def report_of(*arguments: object, stdin: str | None = None) -> dict[str, Any]:
    result = wsss("eval", *arguments, "--json", "-", "-q", stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def make_maps(data: Path, *options: object, name: str = "cam.h5") -> Path:
    weights = data.with_name("cls.pt")
    if not weights.exists():
        write_classifier(data)
    out = data.with_name(name)
    command = ("make-cam", "-w", weights, "-o", out, "--scales", 1, "--no-flip", "-q", *options)
    result = wsss(*command)
    assert result.exit_code == 0, result.stderr
    return out


def test_pointing_needs_no_network(tiny_data: Path) -> None:
    cam = make_maps(tiny_data)
    tiny_data.with_name("cls.pt").unlink()
    report = report_of(cam, "--pointing", "--tolerance", 3)
    assert "faithfulness" not in report
    assert report["pointing"]["maps"] == 7
    assert report["pointing"]["protocol"]["tolerance"] == 3
    assert report_of(cam, "--pointing", "--tolerance", 0)["pointing"]["mean"]["random"] == 0
    plain = report_of(cam)
    assert {name: report[name] for name in plain} == plain  # the scores are the same
    refused = wsss("eval", cam, "--faithfulness")
    assert (refused.exit_code, refused.stdout) == (3, "")
    assert refused.stderr.splitlines() == [
        f"wsss: error: {tiny_data.with_name('cls.pt')}: no such file (the classifier that {cam} "
        "records)",
        "wsss: hint: --weights names the classifier's weights where they lie",
    ]


@pytest.mark.parametrize("method", ["cam", "gradcam", "gradcam++", "layercam"])
def test_maps_of_every_method_are_asked_about(tiny_data: Path, method: str) -> None:
    cam = make_maps(tiny_data, "--method", method)
    result = wsss("eval", cam, "--faithfulness", *SHORT, "--json", tiny_data.with_name("f.json"))
    assert result.exit_code == 0, result.stderr
    assert re.search(r"^pointing game, mean over classes %( +\d+\.\d\d){3}$", result.stdout, re.M)
    assert re.search(r"^insertion \(higher is better\)( +0\.\d{3}){3}$", result.stdout, re.M)
    assert re.search(
        r"^asked +cls\.pt \(wsss/cls, run .*\) about 7 maps of 5 images", result.stdout, re.M
    )
    found = json.loads(tiny_data.with_name("f.json").read_text())["faithfulness"]
    assert found["weights"]["made_the_maps"] is True
    assert (found["images"], found["count"], found["protocol"]["steps"]) == (5, 7, 3)
    values = found["per_map"]
    assert np.mean(values["insertion"]) == pytest.approx(found["mean"]["maps"]["insertion"])
    assert np.mean(values["drop_random"]) == pytest.approx(found["mean"]["random"]["average_drop"])
    assert {len(column) for column in values.values()} == {7}


def test_bytes_are_maps_too_and_the_same_seed_gives_the_same(tiny_data: Path) -> None:
    halves = report_of(make_maps(tiny_data), "--faithfulness", *SHORT)["faithfulness"]
    ints = make_maps(tiny_data, "--dtype", "uint8", name="u.h5")
    bytes_ = report_of(ints, "--faithfulness", *SHORT)["faithfulness"]
    assert bytes_["mean"]["maps"]["deletion"] == pytest.approx(
        halves["mean"]["maps"]["deletion"], abs=0.02
    )
    assert report_of(ints, "--faithfulness", *SHORT)["faithfulness"] == bytes_
    other = report_of(ints, "--faithfulness", *SHORT, "--seed", 1)["faithfulness"]
    assert other["mean"]["random"] != bytes_["mean"]["random"]


def test_fewer_images_and_other_substrates(tiny_data: Path) -> None:
    cam = make_maps(tiny_data)
    words = ("--faithfulness", *SHORT, "--max-side", 24, "--batch-size", 2)
    grounds = ("--deletion-substrate", "blurred", "--insertion-substrate", "mean")
    report = report_of(cam, *words, "--limit", 2, *grounds)
    found = report["faithfulness"]
    assert (found["images"], found["images_with_maps"]) == (2, 5)
    assert report["protocol"]["images_counted"] == 6  # the masks of all are scored
    assert report["pointing"]["maps"] == 7
    assert found["protocol"]["max_side"] == 24
    assert found["protocol"]["deletion_rule"].endswith("blurred image")
    assert found["protocol"]["insertion_rule"].endswith("mean colour")
    usual = report_of(cam, *words, "--limit", 2)["faithfulness"]
    assert usual["per_map"]["id"] == found["per_map"]["id"]
    assert usual["per_map"]["score"] == found["per_map"]["score"]
    swapped = [usual["per_map"][name] for name in ("score_deleted", "score_uninserted")]
    assert [found["per_map"][n] for n in ("score_uninserted", "score_deleted")] == swapped
    one = report_of(cam, *words, "--ids", "-", stdin="a/4\n")["faithfulness"]
    assert one["per_map"]["class"] == ["green", "blue"]


def test_what_makes_no_sense_is_refused(tiny_data: Path, tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "p.h5", tiny_data, masks_of(tiny_data))
    cam = make_maps(tiny_data)
    for code, words, said in (
        (2, (labels, "--faithfulness"), "holds labels, which point at nothing"),
        (2, (labels, "--pointing"), "holds labels, which point at nothing"),
        (2, (cam, "--steps", 3), "--steps: needs --faithfulness"),
        (2, (cam, "--tolerance", 3), "--tolerance: needs --pointing or --faithfulness"),
        (3, (cam, "--faithfulness", "-w", cam), "cam.h5: "),
        (3, (cam, "--faithfulness", "-w", tmp_path / "none.pt"), "none.pt: no such file"),
    ):
        result = wsss("eval", *words)
        assert (result.exit_code, result.stdout) == (code, ""), result.stderr
        assert said in result.stderr
        assert len(result.stderr.splitlines()) <= 2
