"""Masks at the size of their image."""

from __future__ import annotations

import numpy as np

from wsss_cli.formats.open_images_masks import nearest


def test_nearest_takes_the_pixel_in_which_a_centre_lies() -> None:
    rng = np.random.default_rng(0)
    for shape, (height, width) in (((3, 5), (7, 4)), ((4, 4), (4, 4)), ((9, 2), (5, 11))):
        mask = rng.random(shape) < 0.5
        wanted = np.zeros((height, width), bool)
        for row in range(height):
            for column in range(width):
                y = int((row + 0.5) / height * shape[0])
                x = int((column + 0.5) / width * shape[1])
                wanted[row, column] = mask[y, x]
        assert (nearest(mask, height, width) == wanted).all()
