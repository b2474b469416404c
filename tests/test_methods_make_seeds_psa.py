"""make-seeds --method psa: sure against much background, or background even where it is little."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from scenes import params_of, row, seeds

from wsss_cli.core.crf import PRESETS
from wsss_cli.errors import UsageError
from wsss_cli.inference.seeding import check_settings
from wsss_cli.methods.make_seeds.psa import CARD
from wsss_cli.options.refine import RefineOptions


def test_defaults_are_those_of_the_published_code() -> None:
    assert CARD.own == {"alpha_low": 4.0, "alpha_high": 32.0}
    assert CARD.refinement(RefineOptions(), "cpu", ["psa"]) == PRESETS["psa"]


def test_pixels_by_hand() -> None:
    """0.28 > 0.72^4 = 0.269, 0.27 < 0.73^4 = 0.284; 0.08 > 0.92^32 = 0.069, 0.07 < 0.93^32."""
    assert seeds(CARD, row([0.28, 0.27, 0.08, 0.07], classes=[2])) == [3, 255, 255, 0]
    two = row([0.9, 0.4, 0.2, 0.0], [0.4, 0.9, 0.1, 0.0], classes=[4, 7])
    assert seeds(CARD, two) == [5, 8, 255, 0]


def test_exponents_that_are_given() -> None:
    """At 1 a class needs more than one half; equal scores are background."""
    scores = row([0.51, 0.5, 0.28])
    assert seeds(CARD, scores, alpha_low=1.0, alpha_high=1.0) == [1, 0, 0]
    assert seeds(CARD, scores, alpha_low=1.0) == [1, 255, 255]
    assert seeds(CARD, scores) == [1, 1, 1]


def test_what_is_recorded(tiny_data: Path) -> None:
    assert params_of(CARD, tiny_data, None, alpha_high=24.0) == {
        **{"method": "psa", "alpha_low": 4.0, "alpha_high": 24.0, "crf": None}
    }
    assert params_of(CARD, tiny_data, PRESETS["psa"])["crf"] == asdict(PRESETS["psa"])


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (5.0, 4.0, "--method psa: alphas 5.0, 4.0: need 0 < low <= high"),
        (0.0, 4.0, "--method psa: alphas 0.0, 4.0: need 0 < low <= high"),
        (4.0, float("inf"), "--alpha-high inf: must be finite"),
    ],
)
def test_exponents_that_are_none(low: float, high: float, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_settings(CARD, {"alpha_low": low, "alpha_high": high})
    assert str(caught.value) == said
