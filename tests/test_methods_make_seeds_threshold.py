"""make-seeds --method threshold: thresholds alone, by mode, and against a background."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scenes import params_of, row, seeds

from wsss_cli.errors import UsageError
from wsss_cli.inference.seeding import check_settings
from wsss_cli.methods.make_seeds.threshold import CARD, Mode, Overlap, Thresholds, settings
from wsss_cli.options.cards import Due

SCORES = [0.5, 0.3, 0.11, 0.09, 0.05, 0.0]


def test_thresholds_follow_from_the_mode_and_the_maps() -> None:
    usual = {"mode": "fixed", "overlap": "strongest"}
    assert settings(Thresholds(), False) == {**usual, "low": 0.05, "high": 0.3}
    assert settings(Thresholds(), True) == {**usual, "low": 0.5, "high": 0.5}
    assert settings(Thresholds(low=0.2), True) == {**usual, "low": 0.2, "high": 0.5}
    found = settings(Thresholds(mode=Mode.quantile, high=0.4), True)
    assert found == {**usual, "mode": "quantile", "low": 0.1, "high": 0.4}


def test_auto_is_a_score() -> None:
    assert settings(Thresholds(low="auto"), False)["low"] == "auto"
    for mode in (Mode.fraction_of_max, Mode.quantile):
        with pytest.raises(UsageError) as caught:
            settings(Thresholds(mode=mode, high="auto"), False)
        assert str(caught.value) == f"--mode {mode.value}: has no thresholds that are auto"


def test_defaults_follow_the_mode() -> None:
    own = CARD.own
    assert (own["mode"], own["overlap"]) == (Mode.fixed, Overlap.strongest)
    assert isinstance(own["low"], Due)
    assert str(own["low"]).startswith("0.05 (fixed, fraction-of-max), 0.1 (quantile)")
    assert str(own["high"]).startswith("0.3 (fixed), 0.2 (fraction-of-max, quantile)")
    assert CARD.crf == "none"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1, 1, 255, 255, 255, 0]),  # 0.3 and more; below 0.05
        ({"high": 0.09}, [1, 1, 1, 1, 255, 0]),
        ({"low": 0.11}, [1, 1, 255, 0, 0, 0]),
        # above a fifth of the strongest, 0.1; below 0.05
        ({"mode": Mode.fraction_of_max}, [1, 1, 1, 255, 255, 0]),
        # the top fifth of six is two, the lowest tenth one
        ({"mode": Mode.quantile}, [1, 1, 255, 255, 255, 0]),
        ({"mode": Mode.quantile, "high": 0.5, "low": 0.5}, [1, 1, 1, 0, 0, 0]),
    ],
)
def test_pixels_by_hand(options: dict[str, Any], expected: list[int]) -> None:
    assert seeds(CARD, row(SCORES), **options) == expected


def test_of_several_classes_the_strongest_or_the_smallest() -> None:
    maps = [0.9, 0.9, 0.9, 0.0], [0.4, 0.4, 0.0, 0.0]
    assert seeds(CARD, row(*maps, classes=[2, 4])) == [3, 3, 3, 0]
    smallest = {"overlap": Overlap.smallest_first}
    assert seeds(CARD, row(*maps, classes=[2, 4]), **smallest) == [5, 5, 3, 0]


def test_maps_with_a_background_are_compared_as_shares() -> None:
    """0.6 / (0.6 + 0.2) is 0.75; 0.2 / 0.8 is 0.25; equal scores are a share of one half."""
    scene = row([0.6, 0.2, 0.4, 0.0], background=[0.2, 0.6, 0.4, 0.0])
    assert seeds(CARD, scene) == [1, 0, 1, 0]
    assert seeds(CARD, scene, high=0.8) == [255, 0, 255, 0]
    assert seeds(CARD, scene, low=0.2) == [1, 255, 1, 0]


def test_what_is_recorded(tiny_data: Path) -> None:
    assert params_of(CARD, tiny_data, None, mode=Mode.quantile, high=0.25) == {
        **{"method": "threshold", "mode": "quantile", "low": 0.1, "high": 0.25},
        **{"overlap": "strongest", "crf": None},
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"low": 0.4}, "--method threshold: low 0.4 is above high 0.3"),
        ({"high": 1.5}, "--method threshold: low 0.05, high 1.5: must lie in 0..1"),
        ({"mode": Mode.quantile, "low": -0.1}, "--method threshold: low -0.1, high 0.2: must lie"),
        ({"high": float("nan")}, "--high nan: must be finite"),
    ],
)
def test_thresholds_that_are_none(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_settings(CARD, settings(Thresholds(**options), False))
    assert str(caught.value).startswith(said)
