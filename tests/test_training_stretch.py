"""Random parts of images that are stretched to the crop."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.training.stretch import Stretch, random_part


@pytest.mark.parametrize("size", [(375, 500), (500, 375), (30, 400), (300, 9), (1, 1)])
def test_parts_lie_inside_and_have_the_area_and_aspect(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        (h, w), (top, left) = random_part(size, (0.5, 0.8), rng)
        assert 0 <= top <= size[0] - h
        assert 0 <= left <= size[1] - w
        assert h >= 1
        assert w >= 1
        if min(size) > 100:
            assert 0.49 < h * w / (size[0] * size[1]) < 0.81
        assert 0.74 < w / h < 1.35 or min(size) < 10
    window = Stretch(32, area=(0.9, 1)).window(size, rng)
    assert window.size == (32, 32)
    assert all(s + 32 <= whole for s, whole in zip(window.start, window.scaled, strict=True))


def test_a_part_fills_the_crop() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[..., 0] = np.arange(60) * 4
    image[..., 1] = np.arange(40)[:, None] * 6
    for seed in range(6):
        window = Stretch(30, area=(0.9, 1)).window((40, 60), np.random.default_rng(seed))
        assert (window.place, window.size) == ((0, 0), (30, 30))
        crop = Stretch(30, area=(0.9, 1))(image, None, np.random.default_rng(seed))[0]
        assert crop.shape == (3, 30, 30)
        red = crop[0, 15].float().diff()
        assert (red < 0).all() if window.mirrored else (red > 0).all()
        assert int(crop[0].max()) - int(crop[0].min()) > 170  # most of the width, of 236
        assert int(crop[1].max()) - int(crop[1].min()) > 190  # most of the height, of 234


class Wide:
    """A generator of parts as large and as wide as may be."""

    def __init__(self) -> None:
        self.drawn = 0

    def uniform(self, low: float, high: float) -> float:
        self.drawn += 1
        return high


@pytest.mark.parametrize(
    ("size", "part", "start"),
    [
        ((90, 90), (90, 90), (0, 0)),
        ((90, 400), (90, 120), (0, 140)),
        ((400, 90), (120, 90), (140, 0)),
    ],
)
def test_after_ten_that_do_not_fit_it_is_the_largest_in_the_middle(
    size: tuple[int, int], part: tuple[int, int], start: tuple[int, int]
) -> None:
    rng = Wide()
    area = (0.9, 2.0)  # more than there is, so that no part fits
    assert random_part(size, area, rng) == (part, start)  # type: ignore[arg-type]
    assert rng.drawn == 20  # an area and an aspect each


def test_half_of_the_parts_are_mirrored_unless_none_may_be() -> None:
    def mirrored(flip: bool) -> int:
        stretch = Stretch(30, flip=flip)
        windows = [stretch.window((60, 80), np.random.default_rng(seed)) for seed in range(40)]
        return sum(window.mirrored for window in windows)

    assert 8 < mirrored(True) < 32
    assert mirrored(False) == 0
