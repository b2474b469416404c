"""A plan as a table and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from wsss_cli.artifacts import open_dataset
from wsss_cli.planning.measure import Rate
from wsss_cli.planning.reckoning import Images, Row, Work
from wsss_cli.planning.table import _size, _time, print_plan, report_of


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "-"), (0, "0.0 kB"), (99_949, "99.9 kB"), (123_000, "123 kB"), (5e12, "5.0 TB")],
)
def test_bytes_in_words(number: float | None, text: str) -> None:
    assert _size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (119, "119 s"), (120, "2 min"), (9000, "2.5 h")]
)
def test_time_in_words(seconds: float | None, text: str) -> None:
    assert _time(seconds) == text


ROWS = [
    Row("train-cls", "cls.pt", 1e6, 3e6, 5e9, 60),
    Row("make-cam", "cam.h5", 2e6, 4e6, 7e9, 7200),
]


def work_of(sizes: list[tuple[int, int]]) -> Work:
    images = Images(np.array(sizes), np.ones(len(sizes), int), 0)
    return Work(images, images, ["x"] * len(sizes), len(sizes), True)


def test_the_table_ends_in_sums(capsys: pytest.CaptureFixture[str]) -> None:
    print_plan(work_of([(1000, 2000), (500, 1000)]), ROWS, measured=True, shards=3)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:4]] == [
        ["stage", "makes", "disk", "at", "its", "peak", "memory", "time"],
        ["train-cls", "cls.pt", "1.0", "MB", "3.0", "MB", "5.0", "GB", "60", "s"],
        ["make-cam", "cam.h5", "2.0", "MB", "4.0", "MB", "7.0", "GB", "2.0", "h"],
        ["all", "3.0", "MB", "5.0", "MB", "7.0", "GB", "2.0", "h"],
    ]
    assert lines[4:] == [
        "",
        "train: 2 images, 2.5 megapixels",
        "val: 2 images, 2.5 megapixels",
        "time and memory: measured on 4 images here, each stage in 3 shards",
        "memory: of the machine; what a GPU holds of its own is not counted",
        "disk: maps at 0.69, labels at 0.07 of their raw size, the largest seen; a stage's journal "
        "stands beside its file",
    ]


def test_what_was_not_measured_is_not_spoken_of(capsys: pytest.CaptureFixture[str]) -> None:
    print_plan(work_of([(10, 10)]), [Row("make-cam", "cam.h5", 1e3, 2e3)], False, 1)
    out = capsys.readouterr().out
    assert out.splitlines()[1].split() == ["make-cam", "cam.h5", "1.0", "kB", "2.0", "kB", "-", "-"]
    assert "measured" not in out
    print_plan(work_of([(10, 10)]), ROWS, True, 1)
    assert "measured on 4 images here, one process a stage" in capsys.readouterr().out


def test_the_json(tiny_data: Path) -> None:
    with open_dataset(tiny_data) as data:
        rates = {"make-cam": Rate(1, 2, 3)}
        found = report_of(data, work_of([(1000, 2000)]), ROWS, rates, shards=2)
        assert found["data"] == {
            "file": str(tiny_data),
            "run": data.run,
            "bytes": tiny_data.stat().st_size,
        }
    assert found["images"]["train"] == {"count": 1, "megapixels": 2.0}
    assert found["shards"] == 2
    assert [stage["makes"] for stage in found["stages"]] == ["cls.pt", "cam.h5"]
    assert found["total"]["seconds"] == 7260
    assert found["rates"]["make-cam"] == {
        **{"start": 1, "work": 2, "memory": 3},
        **{"per_image": 0.0, "weights": 0},
    }
    assert found["assumed"]["stored_maps"] == 0.69
    assert json.loads(json.dumps(found)) == found
