"""Scaled and mirrored copies of an image: their sizes and pixels."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from pictures import noise
from PIL import Image

from wsss_cli.core.images import to_input
from wsss_cli.core.views import (
    network_batch,
    resize_image,
    scaled_copies,
    scaled_size,
    working_size,
)


@given(
    height=st.integers(1, 9000), width=st.integers(1, 9000), limit=st.integers(1, 3000)
)  # fmt: skip
def test_working_size_fits_and_keeps_the_shape(height: int, width: int, limit: int) -> None:
    h, w = working_size((height, width), limit)
    assert 1 <= h <= height
    assert 1 <= w <= width
    assert max(h, w) == min(limit, max(height, width))
    assert abs(h - height * max(h, w) / max(height, width)) <= 0.5 or h == 1
    assert working_size((height, width), 0) == (height, width)


def test_scaled_sizes_are_those_of_the_reference() -> None:
    # numpy's round to even, as the published code has it
    for side in range(1, 700):
        for scale in (0.5, 1.5, 1.75):
            expected = max(1, int(np.round(side * scale)))
            assert scaled_size((side, side), scale) == (expected, expected)


def test_copies_are_pillows_bicubic_made_from_the_image_itself() -> None:
    image = noise(40, 60)
    copies = scaled_copies(image, (0.5, 1.0, 2.0), max_side=30)
    assert [copy.shape[:2] for copy in copies] == [(10, 15), (20, 30), (40, 60)]
    for copy in copies[:2]:
        picture = Image.fromarray(image).resize(copy.shape[1::-1], Image.Resampling.BICUBIC)
        assert np.array_equal(copy, np.asarray(picture))
    assert np.array_equal(copies[2], image)  # the working size is half of the image's
    assert resize_image(image, (40, 60)) is image


def test_batch_holds_the_image_and_its_mirror_image() -> None:
    x = to_input(noise(5, 8))
    y = to_input(noise(5, 8, seed=1))
    assert torch.equal(network_batch(x[None], flip=False), x[None])
    batch = network_batch(torch.stack([x, y]), flip=True)
    expected = [x, y, torch.flip(x, [2]), torch.flip(y, [2])]
    assert torch.equal(batch, torch.stack(expected))
    assert batch.is_contiguous(memory_format=torch.channels_last)
