"""The geometry that all stages share: images of (H, W) pixels and grids of (h, w) cells.

A grid of stride s covers an image with cells of s x s pixels, the last ones overhanging on the
right and below. Cell centres sit at s*i + (s-1)/2, which is align_corners=False.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def grid_size(height: int, width: int, stride: int) -> tuple[int, int]:
    """(h, w) of the grid that covers an image: ceil(side / stride).

    >>> grid_size(366, 500, 8)
    (46, 63)
    """
    return -(-height // stride), -(-width // stride)


def upsample_grid(maps: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """Bilinearly enlarge grid maps to pixels, cells staying where they are.

    Args:
        maps: (..., h, w) float with (h, w) = grid_size(H, W, stride).
        size: (H, W) of the image.
        stride: pixels per cell.

    Returns:
        (..., H, W) of the same dtype: enlarged exactly `stride` times, then cropped, since
        stretching h x w to H x W directly would shift cells wherever stride does not divide H.

    Raises:
        ValueError: the grid does not cover such an image.
    """
    h, w = maps.shape[-2:]
    if (h, w) != grid_size(*size, stride):
        raise ValueError(f"a {h}x{w} grid is not stride {stride} of a {size[0]}x{size[1]} image")
    if maps.numel() == 0:  # an image without classes
        return maps.new_zeros(*maps.shape[:-2], *size)
    if stride == 1:
        return maps
    # Of a single channels-last image the reshape alone would be a view, in which torch enlarges
    # one-image batches on a path for any strides: three times slower.
    flat = maps.reshape(1, -1, h, w).contiguous()
    large = F.interpolate(flat, size=(h * stride, w * stride), mode="bilinear", align_corners=False)
    return large[0, :, : size[0], : size[1]].reshape(*maps.shape[:-2], *size)


def pad_to_multiple(image: Tensor, multiple: int, value: float = 0.0) -> Tensor:
    """Pad (..., H, W) on the right and below until both sides divide by `multiple`."""
    height, width = image.shape[-2:]
    right, below = -width % multiple, -height % multiple
    return F.pad(image, (0, right, 0, below), value=value) if right or below else image
