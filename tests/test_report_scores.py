"""Tables of scores, from reports made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from wsss_cli.report.scores import (
    PER_LABEL,
    SUMMARY,
    percent,
    print_report,
    print_rows,
    protocol_lines,
)


def point(**values: Any) -> dict[str, Any]:
    found: dict[str, Any] = dict.fromkeys(SUMMARY, 0.5)
    found |= {"how": "as in the file", "threshold": None, "images_without_class": 3}
    found |= {name: [0.25, None] for name in PER_LABEL}
    return found | values


def report(kind: str, **points: dict[str, Any]) -> dict[str, Any]:
    protocol = {
        "split": None,
        "ids_from": None,
        "images_counted": 6,
        "images_without_mask": 0,
        "images_missing": 0,
        "resolution": "the masks' own",
        "void": "not counted",
        "average": "union",
        "average_rule": "mean over labels",
    }
    if kind == "wsss/label":
        protocol |= {"unlabelled": "error", "unlabelled_rule": "a miss"}
    else:
        protocol |= {"ties": "strictly above"}
    return {
        "predictions": {"file": "p.h5", "kind": kind, "run": "12"},
        "data": {"file": "d.h5", "run": "34"},
        "protocol": protocol,
        "labels": ["background", "cat"],
        "labels_without_truth": [],
        "scores": points,
    }


def test_the_protocol_of_labels_in_words() -> None:
    assert protocol_lines(report("wsss/label", labels=point())) == {
        "scored": "p.h5 (wsss/label, run 12)",
        "data": "d.h5 (run 34)",
        "images": "6 counted (all of p.h5)",
        "resolution": "the masks' own",
        "void": "not counted",
        "average": "mean over labels (union)",
        "unlabelled": "a miss (error)",
    }


@pytest.mark.parametrize(
    ("average", "counted"),
    [
        ("union", "; one that is predicted all the same counts as 0 in mIoU"),
        ("truth", ""),
        ("all", "; each counts as 0 in mIoU"),
    ],
)
def test_labels_that_the_truth_lacks_are_spoken_of(average: str, counted: str) -> None:
    found = report("wsss/label", labels=point())
    found["protocol"]["average"] = average
    assert "not scored" not in protocol_lines(found)
    found["labels_without_truth"] = ["cat"]
    said = "no pixel of the truth holds 1 labels: cat"
    assert protocol_lines(found)["not scored"] == said + counted
    found["labels_without_truth"] = list("abcdefgh")
    assert ("8 labels: a, b, c, d, e, f, ..." + counted) in protocol_lines(found)["not scored"]


def test_images_left_out_are_spoken_of() -> None:
    found = report("wsss/label", labels=point())
    found["protocol"] |= {"split": "val", "ids_from": "ids.txt"}
    found["protocol"] |= {"images_without_mask": 2, "images_missing": 1}
    assert protocol_lines(found)["images"] == (
        "6 counted, 2 without a mask left out, 1 missing (split val, those in ids.txt)"
    )


def test_the_thresholds_of_maps_in_words() -> None:
    points = {"chosen": point(threshold=0.15, how="a constant"), "background": point(how="own")}
    lines = protocol_lines(report("wsss/cam", **points))
    assert list(lines)[-3:] == ["ties", "chosen", "background"]
    assert lines["chosen"] == "threshold 0.15: a constant"
    assert lines["background"] == "own"
    assert "unlabelled" not in lines


def test_the_tables_of_labels(capsys: pytest.CaptureFixture[str]) -> None:
    found = point(miou=0.123456, m_fp=1.23456, m_fn=None, coverage=1.0)
    print_report(report("wsss/label", labels=found))
    protocol, summary, labels = capsys.readouterr().out.split("\n\n")
    assert protocol.splitlines()[0] == "scored      p.h5 (wsss/label, run 12)"
    cells = dict(line.rsplit(maxsplit=1) for line in summary.splitlines()[1:])
    assert list(cells) == list(SUMMARY.values())
    assert cells["mIoU %"] == "12.35"
    assert cells["over-activation m_FP"] == "1.235"  # may exceed 1, so is no share
    assert cells["under-activation m_FN"] == "-"
    assert cells["pixels labelled %"] == "100.00"
    assert cells["images without a class"] == "3"
    assert [line.split() for line in labels.splitlines()[1:]] == [
        ["background", *["25.00"] * 5],
        ["cat", *["-"] * 5],
    ]


def test_the_tables_of_maps_have_a_column_a_point(capsys: pytest.CaptureFixture[str]) -> None:
    points = {"chosen": point(iou=[0.5, 0.25]), "oracle": point(iou=[0.75, None])}
    print_report(report("wsss/cam", **points))
    _, summary, labels = capsys.readouterr().out.split("\n\n")
    assert summary.splitlines()[0].split() == ["chosen", "oracle"]
    assert [line.split() for line in labels.splitlines()] == [
        ["label", "IoU", "%", "chosen", "IoU", "%", "oracle"],
        ["background", "50.00", "75.00"],
        ["cat", "25.00", "-"],
    ]


def row(file: str, **values: Any) -> dict[str, Any]:
    usual = {"file": file, "scored": "p.h5", "split": None, "images": 6, "miou": 0.5}
    return usual | {
        "pixel_accuracy": 0.754,
        "oracle_miou": None,
        "oracle_threshold": None,
        **values,
    }


def test_a_row_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    maps = row("c.json", scored="c.h5", split="val", oracle_miou=0.6, oracle_threshold=0.25)
    print_rows([row("p.json"), maps])
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.startswith("scored  split  images  mIoU %  pixel accuracy %")
    assert [line.split() for line in rows] == [
        ["p.h5", "all", "6", "50.0", "75.4"],
        ["c.h5", "val", "6", "50.0", "75.4", "60.0", "at", "0.25"],
    ]


def test_files_of_one_name_are_told_apart_by_their_scores(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_rows([row("1/p.json"), row("2/p.json", miou=None)])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [["1/p.json", "all", "6", "50.0", "75.4"], ["2/p.json", "all", "6", "75.4"]]


def test_intervals_stand_below_and_beside(capsys: pytest.CaptureFixture[str]) -> None:
    points = {
        "chosen": point(
            iou=[0.5, 0.25], miou_interval=[0.25, 0.75], iou_interval=[[0.4, 0.6], None]
        ),
        "oracle": point(iou=[0.75, None], miou_interval=None, iou_interval=[None, None]),
    }
    drawn = {"draws": 200, "seed": 3, "level": 0.95, "drawn": "clusters", "units": 4}
    drawn |= {"clusters_from": "c.csv", "few": {"cat": 4}}
    found = {**report("wsss/cam", **points), "bootstrap": drawn}
    assert protocol_lines(found)["intervals"] == (
        "95 %, Bayesian bootstrap: 200 random weightings of 4 clusters of c.csv (seed 3); too "
        "narrow for 1 label that is in fewer than ten clusters"
    )
    drawn["few"] = {"cat": 4, "background": 2}
    assert "for 2 labels that are in fewer than ten" in protocol_lines(found)["intervals"]
    drawn["few"] = {}
    assert protocol_lines(found)["intervals"].endswith("(seed 3)")
    print_report(found)
    _, summary, labels = capsys.readouterr().out.split("\n\n")
    assert [line.split() for line in summary.splitlines()[1:3]] == [
        ["mIoU", "%", "50.00", "50.00"],
        ["95", "%", "interval", "[25.00,", "75.00]", "-"],
    ]
    assert labels.splitlines()[0].endswith("95 % interval chosen")
    assert [line.split() for line in labels.splitlines()[1:]] == [
        ["background", "50.00", "75.00", "[40.00,", "60.00]"],
        ["cat", "25.00", "-", "-"],
    ]


def test_rows_have_intervals_where_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([row("p.json", miou_interval=[0.4, 0.6]), row("q.json", scored="q.h5")])
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.startswith("scored  split  images  mIoU %   95 % interval  pixel accuracy %")
    assert rows[0].split() == ["p.h5", "all", "6", "50.0", "[40.00,", "60.00]", "75.4"]
    assert rows[1].split() == ["q.h5", "all", "6", "50.0", "-", "75.4"]


def test_shares_are_percent_and_what_is_undefined_a_dash() -> None:
    assert (percent(0.12345), percent(1), percent(None)) == ("12.35", "100.00", "-")
