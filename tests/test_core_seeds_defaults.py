"""What the rules of seeds do unless told otherwise, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.core.labels import IGNORE
from wsss_cli.core.seeds.defaults import MODES
from wsss_cli.core.seeds.irn import irn_seeds
from wsss_cli.core.seeds.psa import psa_seeds
from wsss_cli.core.seeds.threshold import threshold_seeds

CLASS = np.array([0])


def row(*values: float) -> np.ndarray:
    return np.array([[values]], np.float32)


@pytest.mark.parametrize(
    ("mode", "values", "expected"),
    [
        ("fixed", [0.04, 0.05, 0.29, 0.30], [0, IGNORE, IGNORE, 1]),
        ("fraction-of-max", [0.04, 0.05, 0.08, 0.11, 0.5], [0, IGNORE, IGNORE, 1, 1]),
        # Of ten pixels one is background, and two are class.
        ("quantile", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1], [0, *[IGNORE] * 7, 1, 1]),
    ],
)
def test_thresholds_of_each_mode(mode: str, values: list[float], expected: list[int]) -> None:
    assert threshold_seeds(row(*values), CLASS, mode=mode).tolist() == [expected]


def test_each_mode_has_a_low_and_a_high_share() -> None:
    assert list(MODES) == ["fixed", "fraction-of-max", "quantile"]
    assert all(0 < low <= high < 1 for low, high in MODES.values())


def test_irns_scores() -> None:
    """0.05 and 0.30; a class wins strictly above them."""
    cam = row(0.05, 0.06, 0.30, 0.31)
    found = irn_seeds(np.zeros((1, 4, 3), np.uint8), cam, CLASS, crf=None)
    assert found.tolist() == [[0, IGNORE, IGNORE, 1]]


def test_psas_exponents() -> None:
    """(1 - m)^4 of 0.3 is 0.24, of 0.2 it is 0.41; (1 - m)^32 of 0.08 is 0.07, of 0.07 0.098."""
    cam = row(0.07, 0.08, 0.2, 0.3)
    found = psa_seeds(np.zeros((1, 4, 3), np.uint8), cam, CLASS, crf=None)
    assert found.tolist() == [[0, IGNORE, IGNORE, 1]]
