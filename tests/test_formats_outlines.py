"""Which outlines name the pixels on their border."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.formats.outlines import names_border, whole


@pytest.mark.parametrize(
    ("xs", "ys", "box", "found"),
    [
        ([2, 4, 4, 2], [3, 3, 7, 7], (2, 3, 5, 8), True),
        ([2, 5, 5, 2], [3, 3, 8, 8], (2, 3, 5, 8), False),  # edges of pixels
        ([2, 4, 4, 2], [3, 3, 8, 8], (2, 3, 5, 8), False),  # one side alone shows nothing
        ([2, 4, 4, 2.5], [3, 3, 7, 7], (2, 3, 5, 8), False),
        ([2, 4, 4, 2], [3, 3, 7, float("nan")], (2, 3, 5, 8), False),
    ],
)
def test_whole_numbers_that_end_a_pixel_before_the_box(
    xs: list[float], ys: list[float], box: tuple[float, float, float, float], found: bool
) -> None:
    assert names_border(xs, ys, box) is found
    assert names_border(np.array(xs), np.array(ys), box) is found


def test_whole_numbers() -> None:
    assert whole([])
    assert whole([-3.0, 7])
    assert not whole([float("inf")])
