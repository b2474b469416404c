"""Grid geometry against brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wsss_cli.core.grid import grid_size, pad_to_multiple, upsample_grid

sides = st.integers(1, 40)
strides = st.integers(1, 16)


@given(sides, sides, strides)
def test_grid_size_is_the_ceiling_and_irns_formula(height: int, width: int, stride: int) -> None:
    h, w = grid_size(height, width, stride)
    assert (h, w) == ((height - 1) // stride + 1, (width - 1) // stride + 1)
    assert (h - 1) * stride < height <= h * stride
    assert (w - 1) * stride < width <= w * stride


@pytest.mark.parametrize(
    ("side", "stride", "cells"), [(448, 8, 56), (500, 8, 63), (375, 8, 47), (366, 8, 46)]
)
def test_grid_size_of_published_sizes(side: int, stride: int, cells: int) -> None:
    assert grid_size(side, side, stride) == (cells, cells)


def brute_upsample(grid: np.ndarray, size: tuple[int, int], stride: int) -> np.ndarray:
    """Bilinear interpolation between cell centres in float64, pixel by pixel."""
    h, w = grid.shape
    result = np.zeros(size)
    for y in range(size[0]):
        for x in range(size[1]):
            row = min(max((y + 0.5) / stride - 0.5, 0), h - 1)
            column = min(max((x + 0.5) / stride - 0.5, 0), w - 1)
            i, j = int(row), int(column)
            i2, j2 = min(i + 1, h - 1), min(j + 1, w - 1)
            a, b = row - i, column - j
            top = grid[i, j] * (1 - b) + grid[i, j2] * b
            result[y, x] = top * (1 - a) + (grid[i2, j] * (1 - b) + grid[i2, j2] * b) * a
    return result


@given(st.integers(1, 13), st.integers(1, 13), st.integers(1, 5), st.integers(0, 99))
def test_upsample_grid_is_bilinear_between_cell_centres(
    height: int, width: int, stride: int, seed: int
) -> None:
    h, w = grid_size(height, width, stride)
    maps = torch.rand(2, 3, h, w, generator=torch.Generator().manual_seed(seed))
    large = upsample_grid(maps, (height, width), stride)
    assert large.shape == (2, 3, height, width)
    assert large.dtype == maps.dtype
    reference = brute_upsample(maps[1, 2].double().numpy(), (height, width), stride)
    np.testing.assert_allclose(large[1, 2].numpy(), reference, atol=1e-6)


@pytest.mark.parametrize("images", [1, 2])
def test_upsample_grid_gives_the_same_of_any_memory_layout(images: int) -> None:
    """In channels-last order, as convolutions leave it, and of a batch of one as of more."""
    maps = torch.randn(images, 5, 6, 8, generator=torch.Generator().manual_seed(0))
    expected = upsample_grid(maps, (45, 61), 8)
    found = upsample_grid(maps.to(memory_format=torch.channels_last), (45, 61), 8)
    assert torch.equal(found, expected)


def test_upsample_grid_keeps_a_ramp_in_place() -> None:
    # The value of each cell is the x of its centre, in pixels; so must be each pixel's.
    stride, width = 4, 18
    w = grid_size(1, width, stride)[1]
    centres = torch.arange(w) * stride + (stride - 1) / 2
    large = upsample_grid(centres.view(1, 1, w), (1, width), stride)[0, 0]
    inner = slice(2, width)  # left of the first centre the edge value holds
    torch.testing.assert_close(large[inner], torch.arange(width).float()[inner])


def test_upsample_grid_of_an_image_without_classes() -> None:
    assert upsample_grid(torch.zeros(0, 3, 4), (9, 10), 3).shape == (0, 9, 10)


def test_upsample_grid_of_a_wrong_size() -> None:
    with pytest.raises(ValueError, match="3x4 grid is not stride 3 of a 10x10"):
        upsample_grid(torch.zeros(1, 3, 4), (10, 10), 3)


@given(sides, sides, strides)
def test_pad_to_multiple_pads_right_and_below(height: int, width: int, multiple: int) -> None:
    image = torch.rand(3, height, width)
    padded = pad_to_multiple(image, multiple, value=-2.0)
    h, w = grid_size(height, width, multiple)
    assert padded.shape == (3, h * multiple, w * multiple)
    assert torch.equal(padded[:, :height, :width], image)
    assert (padded[:, height:] == -2).all()
    assert (padded[:, :, width:] == -2).all()
