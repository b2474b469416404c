"""What eval is told about pointing and faithfulness: defaults, and options without their use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wsss_cli.errors import UsageError
from wsss_cli.options.faithfulness import Faithfulness, Settings, Substrate


def test_nothing_is_asked_by_default() -> None:
    assert not Faithfulness().points
    assert Faithfulness(pointing=True).points
    assert Faithfulness(faithfulness=True).points


def test_what_is_not_given_is_as_published() -> None:
    usual = Faithfulness(faithfulness=True)
    assert usual.within == 15
    assert usual.settings() == Settings(28, Substrate.mean, Substrate.blurred, 224, None)
    own = Faithfulness(
        faithfulness=True,
        tolerance=0,
        steps=7,
        deletion_substrate=Substrate.blurred,
        insertion_substrate=Substrate.mean,
        max_side=0,
        batch_size=3,
    )
    assert own.within == 0
    assert own.settings() == Settings(7, Substrate.blurred, Substrate.mean, 0, 3)
    assert own.settings().record() == {
        "steps": 7,
        "deletion_substrate": "blurred",
        "insertion_substrate": "mean",
        "max_side": 0,
    }


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("weights", Path("cls.pt")),
        ("limit", 3),
        ("steps", 28),
        ("deletion_substrate", Substrate.mean),
        ("insertion_substrate", Substrate.mean),
        ("max_side", 0),
        ("batch_size", 1),
    ],
)
def test_an_option_without_its_use_is_refused(option: str, value: Any) -> None:
    spelled = f"--{option.replace('_', '-')}: needs --faithfulness"
    with pytest.raises(UsageError, match=spelled):
        Faithfulness(pointing=True, **{option: value})
    Faithfulness(faithfulness=True, **{option: value})


def test_a_tolerance_needs_a_game() -> None:
    with pytest.raises(UsageError, match="--tolerance: needs --pointing or --faithfulness"):
        Faithfulness(tolerance=15)
    assert Faithfulness(pointing=True, tolerance=3).within == 3
