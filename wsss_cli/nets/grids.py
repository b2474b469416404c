"""Feature maps of several strides brought to one."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..core.grid import grid_size, upsample_grid


def to_stride(maps: Tensor, stride: int, target: int, size: tuple[int, int]) -> Tensor:
    """Resample (B, C, h, w) maps of one stride to another, cells staying where they are.

    Args:
        maps: (h, w) = grid_size(H, W, stride).
        stride: of the maps.
        target: one of the two strides divides the other.
        size: (H, W) of the network's input.

    Returns:
        (B, C, h', w') with (h', w') = grid_size(H, W, target): bilinear when finer, the mean of
        the cells inside the image when coarser.

    Raises:
        ValueError: neither stride divides the other, or the maps do not cover such an input.
    """
    if stride > target and stride % target == 0:
        return upsample_grid(maps, grid_size(*size, target), stride // target)
    if target % stride:
        raise ValueError(f"cannot bring stride {stride} to {target}")
    return F.avg_pool2d(maps, target // stride, ceil_mode=True) if target > stride else maps
