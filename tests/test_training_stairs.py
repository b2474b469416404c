"""--stairs: a rate that falls in steps."""

from __future__ import annotations

import pytest

from wsss_cli.errors import UsageError
from wsss_cli.training.schedule import Stairs
from wsss_cli.training.stairs import Stepped, schedule_of


def test_unless_told_there_are_none() -> None:
    assert Stepped().stairs is None


@pytest.mark.parametrize(
    ("text", "parts", "ratio"),
    [("4,0.1", 4, 0.1), ("8,0.33", 8, 0.33), ("1,1", 1, 1.0), (" 2, 0.5", 2, 0.5)],
)
def test_parts_and_ratio(text: str, parts: int, ratio: float) -> None:
    schedule = schedule_of(text)(80, 3)
    assert schedule == Stairs(80, 3, parts=parts, ratio=ratio)


def test_the_rate_is_multiplied_after_each_part() -> None:
    """SEC's: a tenth after each quarter."""
    schedule = schedule_of("4,0.1")(8, 0)
    factors = [schedule.factor(step) for step in range(8)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


@pytest.mark.parametrize(
    "text",
    ["", "4", "4,", "0,0.1", "-1,0.1", "4,0", "4,-0.1", "4,1.01", "4,nan", "4,0.1,2", "x,0.1"],
)
def test_stairs_that_are_none(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        schedule_of(text)
    assert str(caught.value) == f"--stairs {text}: need N,RATIO, such as 4,0.1"
