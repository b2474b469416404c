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


def test_a_part_too_long_for_the_image_is_the_largest_of_its_aspect_in_the_middle() -> None:
    class Always:
        """A generator whose every part is the whole area."""

        def uniform(self, low: float, high: float) -> float:
            return high

    # 4:3 of the whole area of a square is wider than it; ten times over
    assert random_part((90, 90), (0.9, 1.0), Always()) == ((90, 90), (0, 0))  # type: ignore[arg-type]
    assert random_part((90, 400), (1.0, 1.0), Always()) == ((90, 120), (0, 140))  # type: ignore[arg-type]
    assert random_part((400, 90), (1.0, 1.0), Always()) == ((120, 90), (140, 0))  # type: ignore[arg-type]


def test_the_whole_image_is_a_part_of_its_own_shape() -> None:
    """Of an image 4:3 the part of all of its area that keeps to the aspect is the image."""
    window = Stretch(30, flip=False, area=(1.0, 1.0)).window((60, 80), np.random.default_rng(0))
    assert (window.crop, window.place, window.size) == (30, (0, 0), (30, 30))
    assert min(window.scaled) >= 30
    assert not window.mirrored
    seen = [
        Stretch(30).window((60, 80), np.random.default_rng(seed)).mirrored for seed in range(40)
    ]
    assert 8 < sum(seen) < 32
