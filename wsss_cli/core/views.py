"""Scaled and mirrored copies of an image, which a network looks at one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def working_size(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """(H, W) of an image shrunk until no side is longer than `max_side`; 0 is no limit.

    >>> working_size((375, 500), 1024), working_size((4000, 6000), 1024)
    ((375, 500), (683, 1024))
    """
    longest = max(size)
    if not max_side or longest <= max_side:
        return size
    return scaled_size(size, max_side / longest)


def scaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """(H, W) of a scaled image: rounded, at least 1 pixel.

    >>> scaled_size((375, 500), 0.5), scaled_size((1, 6000), 0.5)
    ((188, 250), (1, 3000))
    """
    height, width = size
    return max(1, round(height * scale)), max(1, round(width * scale))


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image at another size, by Pillow's bicubic filter, widened when it shrinks.

    The published code of PSA, IRN and SEAM scales so, and so do our training crops. On floats
    torch's antialiased filter differs by up to 10 levels at edges, since Pillow rounds and clips
    after each axis.

    Args:
        image: (H, W, 3) uint8.

    Returns:
        (H', W', 3) uint8, writeable; the image itself where it has that size already.
    """
    if image.shape[:2] == size:
        return image
    height, width = size
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def scaled_copies(image: np.ndarray, scales: Sequence[float], max_side: int) -> list[np.ndarray]:
    """One copy of an image for each scale, relative to its `working_size`.

    Args:
        image: (H, W, 3) uint8.

    Returns:
        uint8 arrays (H_s, W_s, 3), each resized from the image itself.
    """
    height, width = image.shape[:2]
    work = working_size((height, width), max_side)
    return [resize_image(image, scaled_size(work, scale)) for scale in scales]


def network_batch(copies: Tensor, flip: bool) -> Tensor:
    """Copies of one size, and with `flip` their mirror images after them, as one batch.

    In eval mode no image of a batch sees another, so this gives what single passes would.

    Args:
        copies: (B, 3, H, W) float.

    Returns:
        (B, 3, H, W) or (2 B, 3, H, W), channels last, which convolutions prefer.
    """
    pixels = copies.permute(0, 2, 3, 1)  # joined in channels-last order, nothing is moved twice
    batch = torch.cat([pixels, pixels.flip(2)]) if flip else pixels.contiguous()
    return batch.permute(0, 3, 1, 2)
