"""The table of images, by hand."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from reports import report_on

from wsss_cli.scoring.per_image import table_of, write_table

MATRICES = {
    'b,"1"': np.array([[6, 1, 1, 0], [0, 2, 0, 2], [0, 0, 0, 0]]),  # dog is predicted only
    "a": np.array([[5, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]),
    "c": np.zeros((3, 4), np.int64),  # no pixel is counted
}


def test_a_row_an_image() -> None:
    rows = [*csv.DictReader(table_of(report_on(MATRICES)).splitlines())]
    names = ["image", "pixels", "mIoU", "pixel accuracy"]
    assert [*rows[0]] == [*names, "IoU background", "IoU cat", "IoU dog"]
    assert [[*row.values()] for row in rows] == [
        ["a", "5", "1.000000", "1.000000", "1.000000", "", ""],
        ['b,"1"', "12", "0.383333", "0.666667", "0.750000", "0.400000", "0.000000"],
        ["c", "0", "", "", "", "", ""],
    ]


def test_of_maps_the_chosen_point_is_told() -> None:
    report = report_on(MATRICES, point="chosen")
    report["per_image"]["oracle"] = [[0, 1]] * 3
    assert table_of(report) == table_of(report_on(MATRICES))


def test_it_is_written_whole(tmp_path: Path) -> None:
    write_table(report_on({"Kühe": MATRICES["a"]}), tmp_path / "t.csv")
    assert "Kühe,5," in (tmp_path / "t.csv").read_text("utf-8")
    assert [one.name for one in tmp_path.iterdir()] == ["t.csv"]
