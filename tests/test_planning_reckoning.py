"""What is reckoned of the chain, apart from the command that prints it."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.artifacts import open_dataset
from wsss_cli.planning.chain import NAMES, STAGES, plain
from wsss_cli.planning.measure import Rate
from wsss_cli.planning.reckoning import Row, rows_of, total, validated, work_of
from wsss_cli.planning.table import _size, _time

FLAGS = dict.fromkeys(NAMES, "")


def test_the_images_of_the_splits(tiny_data: Path) -> None:
    with open_dataset(tiny_data) as data:
        work = work_of(data, None, None, predicts=True)
        assert (len(work.train), len(work.val), work.learnt) == (4, 2, 4)
        assert list(work.ids) == data.split("train")
        assert work.held_out
        assert work.val.masks == 2


def test_a_command_each_and_scores_behind_what_they_score(tiny_data: Path) -> None:
    with open_dataset(tiny_data) as data:
        work = work_of(data, None, None, predicts=False)
    rows = rows_of(STAGES[:2], work, FLAGS, {"make-cam": Rate(1, 0, 7.0)}, shards=1)
    assert [row.stage for row in rows] == ["train-cls", "make-cam", "eval cam.h5"]
    assert [row.memory for row in rows] == [None, 7.0, None]
    assert validated(STAGES[0], work.val) == 2


def test_sums_over_the_chain() -> None:
    rows = [Row("a", "a.pt", 10, 30, 5, 1), Row("b", "b.h5", 100, 110, 2, 2), Row("c", "c.h5")]
    assert total(rows) == {"disk": 110, "disk_at_peak": 130, "memory": 5, "seconds": None}
    assert total(rows[:2])["seconds"] == 3
    assert total([]) == {"disk": 0, "disk_at_peak": 0.0, "memory": None, "seconds": 0}


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


def test_plain_values() -> None:
    from wsss_cli.formats.voc import LabelsFrom

    assert (plain(LabelsFrom.xml), plain("xml"), plain(None)) == ("xml", "xml", None)
