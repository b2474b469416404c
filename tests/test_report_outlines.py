"""Tables of outlines' scores and of scores by size, as they are printed."""

from __future__ import annotations

from typing import Any

import pytest

from wsss_cli.report.outlines import print_outlines, size_names

REPORT: dict[str, Any] = {
    "labels": ["background", "cat", "dog"],
    "boundary": {
        "rule": "the rule of outlines",
        "band": 0.02,
        "tolerance": 0.0075,
        "boundary_iou": 0.5,
        "boundary_f": 0.625,
        "iou": [0.75, 0.25, None],
        "f": [0.8, 0.125, None],
    },
    "object_sizes": {
        "rule": "the rule of sizes",
        "limits": [0.01],
        "shares": True,
        "objects": [12, 3],
        "found": [0.25, 1.0],
        "mean_recall": [0.5, None],
        "mean_iou": [0.125, 0.75],
        "classes": [1, 2],
        "iou": [[None, None], [0.125, 0.5], [None, 1.0]],
        "elsewhere": [0, 40, 2],
    },
}


def lines_of(text: str) -> list[list[str]]:
    return [[cell for cell in line.split("  ") if cell] for line in text.splitlines()]


def test_what_was_not_asked_for_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_outlines({"labels": ["background"]})
    assert capsys.readouterr().out == ""


def test_outlines(capsys: pytest.CaptureFixture[str]) -> None:
    print_outlines({key: REPORT[key] for key in ("labels", "boundary")})
    out = capsys.readouterr().out
    assert "band of 2 % of the image's diagonal, tolerance of 0.75 %" in out
    assert "the rule of outlines" in out
    rows = [[cell.strip() for cell in line] for line in lines_of(out)]
    assert ["mean", "50.00", "62.50"] in rows
    assert ["background", "75.00", "80.00"] in rows
    assert ["cat", "25.00", "12.50"] in rows
    assert ["dog", "-", "-"] in rows
    assert "size of object" not in out


def test_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    print_outlines({key: REPORT[key] for key in ("labels", "object_sizes")})
    out = capsys.readouterr().out
    assert "the rule of sizes" in out
    assert "42 pixels are predicted a class that the image has no object of" in out
    rows = [[cell.strip() for cell in line] for line in lines_of(out)]
    assert ["under 1 %", "12", "25.00", "50.00", "12.50", "1"] in rows
    assert ["from 1 %", "3", "100.00", "-", "75.00", "2"] in rows
    assert ["cat", "12.50", "50.00"] in rows
    assert ["dog", "-", "100.00"] in rows
    assert not any(row[:1] == ["background"] for row in rows)  # is no object


def test_names_of_sizes() -> None:
    assert size_names([0.01, 0.125], True) == ["under 1 %", "1 to 12.5 %", "from 12.5 %"]
    assert size_names([1024], False) == ["under 1024 px", "from 1024 px"]
