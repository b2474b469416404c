"""What a file says of itself, before it is printed; the commands' tests cover the rest."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from made import masks_of, random_cams, write_cam, write_labels, wsss

from wsss_cli.errors import UsageError
from wsss_cli.report.facts import describe, finite, ids_of, print_facts
from wsss_cli.report.scores import print_rows, protocol_lines
from wsss_cli.scoring.report import read_report, warnings


def test_artifacts(tiny_data: Path, tmp_path: Path) -> None:
    path = write_labels(tmp_path / "p.h5", tiny_data, masks_of(tiny_data))
    facts = describe(path)
    assert (facts["kind"], facts["items"]) == ("wsss/label", 6)
    assert ids_of(path) == [f"a/{number}" for number in range(6)]
    assert describe(tiny_data)["splits"].keys() >= {"train", "val"}


def test_scores_are_one_row_each_and_hold_no_images(
    tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data))
    scores = tmp_path / "cam.json"
    assert wsss("eval", path, "--json", scores).exit_code == 0
    row = describe(scores)
    assert (row["scored"], row["images"]) == ("cam.h5", 6)
    with pytest.raises(UsageError, match="scores hold no images"):
        ids_of(scores)
    capsys.readouterr()
    print_rows([row, {**row, "file": "other/cam.json"}])
    out = capsys.readouterr().out
    assert str(scores) in out  # the same file name twice: the folders tell them apart
    assert "other/cam.json" in out
    report = read_report(scores)
    assert list(protocol_lines(report))[:3] == ["scored", "data", "images"]
    assert warnings(report) == []
    report["protocol"]["images_missing"] = 2
    report["scores"]["oracle"]["images_without_class"] = 6
    assert [text.partition(": ")[0] for text in warnings(report)] == ["cam.h5 (oracle)", "cam.h5"]


def test_what_json_has_no_word_for() -> None:
    facts = {"a": [math.nan, 1.0], "b": (math.inf,), "c": "nan"}
    assert finite(facts) == {"a": [None, 1.0], "b": [None], "c": "nan"}


def test_lists_within_lists_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts({"params": {"range": [[810, 2040.5], [1, 2]], "bands": [4, 3]}})
    assert capsys.readouterr().out == (
        "params:\n  range: [810, 2040.5000], [1, 2]\n  bands: 4, 3\n"
    )


def test_parts_are_indented(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts({"kind": "x", "params": {"lr": 0.1}, "history": [{"epoch": 1, "loss": 2.0}]})
    assert capsys.readouterr().out.splitlines() == [
        "kind: x",
        "params:",
        "  lr: 0.1000",
        "history:",
        "  epoch 1, loss 2.0000",
    ]
