"""Attention maps accumulated over training: where a crop's maps lie in the image, what is kept of
them, and the loss of a network that learns all that was kept.

Source: OAA (Jiang et al., ICCV 2019), sections 3.2 and 3.3, and its published code.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .grid import grid_size

EPS = 1e-8  # in the code's quotient and in its logarithm
POSITIVE = 1e-3  # targets above it are to be enhanced, others constrained


@dataclass(frozen=True)
class Placing:
    """Where a crop's pixels come from; image -> scaled -> part -> mirrored -> crop.

    Attributes:
        height, width: of the image.
        scaled_height, scaled_width: of the whole image after scaling.
        top, left: of the part, in the scaled image.
        part_height, part_width: of the part.
        y, x: of the part, in the crop.
        mirrored: 1 where the part is mirrored left to right, else 0.
    """

    height: int
    width: int
    scaled_height: int
    scaled_width: int
    top: int
    left: int
    part_height: int
    part_width: int
    y: int
    x: int
    mirrored: int

    def tensor(self) -> Tensor:
        """(11,) int32, for a sample."""
        return torch.tensor(astuple(self), dtype=torch.int32)

    @classmethod
    def of(cls, row: Tensor) -> Placing:
        """The inverse of `tensor`."""
        return cls(*row.tolist())

    @classmethod
    def whole(cls, size: tuple[int, int], scaled: tuple[int, int]) -> Placing:
        """Of an image that is scaled and nothing else."""
        return cls(*size, *scaled, 0, 0, *scaled, 0, 0, 0)

    def axes(self) -> list[tuple[float, float, tuple[int, int]]]:
        """For rows and columns: factor and shift from image to crop, and the part's range there."""
        rows = self.scaled_height / self.height
        columns = self.scaled_width / self.width
        right = self.x + self.part_width
        across = (columns, float(self.x - self.left))
        if self.mirrored:
            across = (-columns, float(right + self.left))
        down = (rows, float(self.y - self.top))
        return [(*down, (self.y, self.y + self.part_height)), (*across, (self.x, right))]


def to_image(maps: Tensor, stride: int, placing: Placing, image_stride: int) -> Tensor:
    """A crop's maps on the image's grid, bilinearly; 0 where the crop does not show the image.

    Args:
        maps: (K, h, w) float on the crop's cells.
        stride: crop pixels per cell of `maps`.
        placing: of the crop.
        image_stride: image pixels per cell of the result.

    Returns:
        (K, h', w') with (h', w') = grid_size(H, W, image_stride).
    """
    sides = placing.height, placing.width
    weights = []
    for side, cells, (factor, shift, (low, high)) in zip(
        sides, maps.shape[-2:], placing.axes(), strict=True
    ):
        centres = _centres(side, image_stride)
        there = centres * factor + shift
        shown = centres.clamp(max=side - 0.5) * factor + shift  # the last cell may overhang
        weights.append(_weights(there / stride - 0.5, cells, (shown >= low) & (shown <= high)))
    return _resample(maps, weights)


def to_crop(
    maps: Tensor, image_stride: int, placing: Placing, crop: tuple[int, int], stride: int
) -> Tensor:
    """The inverse: an image's maps on a crop's grid; 0 where the crop does not show the image.

    Args:
        maps: (K, h, w) float on the image's cells.
        image_stride: image pixels per cell of `maps`.
        placing: of the crop.
        crop: (H, W) of the crop.
        stride: crop pixels per cell of the result; 1 gives pixels.
    """
    weights = []
    for side, cells, (factor, shift, (low, high)) in zip(
        crop, maps.shape[-2:], placing.axes(), strict=True
    ):
        centres = _centres(side, stride)
        there = (centres - shift) / factor
        shown = centres.clamp(max=side - 0.5)
        valid = (shown >= low) & (shown <= high)
        weights.append(_weights(there / image_stride - 0.5, cells, valid))
    return _resample(maps, weights)


def _centres(side: int, stride: int) -> Tensor:
    """(n,) float64 centres of the cells along a side, in pixels from its edge."""
    cells = grid_size(side, 1, stride)[0]
    return (torch.arange(cells, dtype=torch.float64) + 0.5) * stride


def _weights(positions: Tensor, cells: int, valid: Tensor) -> Tensor:
    """(n, cells) of linear interpolation at `positions`, counted in cells; 0 where not valid."""
    positions = positions.clamp(0, cells - 1)
    low = positions.floor().long()
    part = positions - low
    weights = torch.zeros(len(positions), cells, dtype=torch.float64)
    weights.scatter_add_(1, low[:, None], (1 - part)[:, None])
    weights.scatter_add_(1, (low + 1).clamp_max(cells - 1)[:, None], part[:, None])
    return weights * valid[:, None]


def _resample(maps: Tensor, weights: list[Tensor]) -> Tensor:
    rows, columns = (w.to(maps.device, maps.dtype) for w in weights)
    return torch.einsum("khw,yh,xw->kyx", maps, rows, columns)


def attention(maps: Tensor, stride: int, placing: Placing, image_stride: int) -> Tensor:
    """What a crop's maps say of the image: rectified, placed, each divided by its maximum.

    Divided after they are placed, so that a map that responds anywhere reaches 1.

    Args:
        maps: (K, h, w) before ReLU; the rest as for `to_image`.

    Returns:
        (K, h', w') uint8, 255 for 1.
    """
    placed = to_image(maps.detach().relu(), stride, placing, image_stride)
    placed = placed / (placed.amax((1, 2), keepdim=True) + EPS)
    return (placed * 255).round().to(torch.uint8)


def trusted(logits: Tensor, present: Tensor) -> Tensor:
    """(K,) bool: whether each of K present classes is among the K that score highest.

    Args:
        logits: (C,).
        present: (K,) int64 class indices.
    """
    return torch.isin(present, logits.topk(len(present)).indices)


def integral_loss(logits: Tensor, targets: Tensor, count: Tensor | None = None) -> Tensor:
    """The integral attention model's loss: enhance what was attended to, constrain the rest.

    For an image, over all its classes and cells: the mean over P of -t log s(x), plus the mean
    over the others of -log(1 - s(x) + 1e-8), where P = {t > 0.001}; a mean over nothing is 0.

    Args:
        logits: (B, C, h, w).
        targets: (B, C, h, w) in [0, 1]; 0 for absent classes, NaN where nothing is to be learned.
        count: images of the batch, where this is only a part of it.

    Returns:
        0-dim, mean over images.
    """
    positive, negative = targets > POSITIVE, targets <= POSITIVE  # NaN is neither
    enhance = -targets.nan_to_num(0) * F.logsigmoid(logits)
    constrain = -(torch.sigmoid(-logits) + EPS).log()
    total = logits.new_zeros(())
    for chosen, losses in ((positive, enhance), (negative, constrain)):
        kept = torch.where(chosen, losses, torch.zeros_like(losses)).flatten(1).sum(1)
        total = total + (kept / chosen.flatten(1).sum(1).clamp(min=1)).sum()
    return total / (len(logits) if count is None else count)
