"""Background of seeds where nothing catches the eye."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.core.labels import IGNORE
from wsss_cli.core.seeds.defaults import SALIENCY_BELOW
from wsss_cli.core.seeds.saliency import background_by_saliency


def test_background_is_what_lies_below_the_share_of_white() -> None:
    label = np.array([[0, 0, IGNORE, IGNORE, 4, 4]], np.uint8)
    saliency = np.array([[15, 16, 15, 16, 0, 255]], np.uint8)  # 0.06 of 255 is 15.3
    found = background_by_saliency(label, saliency, SALIENCY_BELOW)
    assert found.dtype == np.uint8
    assert found.tolist() == [[0, IGNORE, 0, IGNORE, 4, 4]]
    assert label.tolist() == [[0, 0, IGNORE, IGNORE, 4, 4]]  # its input stays


@pytest.mark.parametrize(
    ("below", "expected"), [(0.0, [IGNORE, IGNORE, IGNORE]), (1.0, [0, 0, IGNORE])]
)
def test_the_ends_of_the_share(below: float, expected: list[int]) -> None:
    saliency = np.array([[0, 254, 255]], np.uint8)
    found = background_by_saliency(np.zeros((1, 3), np.uint8), saliency, below)
    assert found.tolist() == [expected]


def test_what_is_refused() -> None:
    label = np.zeros((2, 1), np.uint8)
    with pytest.raises(ValueError, match=r"saliency of \(1, 2\) for labels of \(2, 1\)"):
        background_by_saliency(label, label.T, 0.1)
    for below in (-0.01, 1.01):
        with pytest.raises(ValueError, match=rf"a saliency of {below}: must lie in 0\.\.1"):
            background_by_saliency(label, label, below)
