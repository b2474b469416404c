"""Where a threshold comes from: one place, and auto beside a number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from wsss_cli.errors import UsageError
from wsss_cli.options.thresholds import ThresholdChoice, score_or_auto

CHOICES: list[dict[str, Any]] = [
    {"threshold": 0.0},
    {"threshold": "auto"},
    {"threshold_from": Path("x")},
    {"calibrate_split": "val"},
    {"calibrate": 3},
    {"calibrate_ids": "-"},
]


def test_nothing_is_chosen_unless_told() -> None:
    assert not ThresholdChoice().is_made
    assert all(ThresholdChoice(**choice).is_made for choice in CHOICES)


@pytest.mark.parametrize("one", CHOICES)
@pytest.mark.parametrize("other", CHOICES)
def test_one_threshold_comes_from_one_place(one: dict[str, Any], other: dict[str, Any]) -> None:
    if one.keys() == other.keys():
        return
    with pytest.raises(UsageError) as caught:
        ThresholdChoice(**one, **other)
    assert str(caught.value) == (
        "--threshold, --threshold-from, --calibrate-split, --calibrate, --calibrate-ids: "
        "give only one"
    )


def test_a_number_or_auto() -> None:
    assert ThresholdChoice(threshold=0.25).given == 0.25
    assert ThresholdChoice(threshold="auto").given is None
    assert [score_or_auto(text) for text in ("0.25", "auto", "1")] == [0.25, "auto", 1.0]
    for text in ("", "Auto", "0,3"):
        with pytest.raises(typer.BadParameter, match="needs a number, or auto"):
            score_or_auto(text)


@pytest.mark.parametrize("value", [-0.1, 1.01, float("nan"), float("inf")])
def test_a_threshold_is_a_score(value: float) -> None:
    with pytest.raises(UsageError, match=r"--threshold .*: must lie in 0\.\.1"):
        ThresholdChoice(threshold=value)
