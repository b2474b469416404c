"""Which images and thresholds eval scores."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wsss_cli.errors import UsageError
from wsss_cli.scoring.protocol import parse_thresholds


@given(start=st.integers(0, 50), count=st.integers(1, 60), step=st.sampled_from(["0.01", "0.001"]))
def test_ranges_of_thresholds_are_exact_decimals(start: int, count: int, step: str) -> None:
    unit = {"0.01": 100, "0.001": 1000}[step]
    values = parse_thresholds(f"{start / unit}:{(start + min(count, 40)) / unit}:{step}")
    assert values == [(start + index) / unit for index in range(min(count, 40))]


@given(st.text(alphabet="0123456789.:,-+eE naif_", max_size=12))
def test_any_text_gives_rising_thresholds_or_a_usage_error(text: str) -> None:
    try:
        values = parse_thresholds(text)
    except UsageError:
        return
    assert values
    assert (np.diff(np.float32(values)) > 0).all()
    assert 0 <= values[0] <= values[-1] <= 1
