"""What is reckoned of the chain, apart from the command that prints it."""

from __future__ import annotations

from pathlib import Path

import wsss_cli.cli  # noqa: F401 - tells the chain its commands
from wsss_cli.artifacts import open_dataset
from wsss_cli.planning.chain import NAMES, STAGES
from wsss_cli.planning.measure import Rate
from wsss_cli.planning.reckoning import Row, rows_of, total, validated, work_of

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
