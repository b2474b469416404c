"""SEAM: pixel correlation without an N x N matrix in memory, and the losses of a pair of views.

Source of all: SEAM (Wang et al., CVPR 2020), sections 3.2 to 3.4, and its published code, whose
min-pooling loss, suppression and detached features the paper does not mention. Maps are resized
with align_corners=True throughout, as there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .tags import is_present, tag_losses

EPS = 1e-5  # in every quotient of the method
TILE = 256  # columns of the affinity matrix that exist at a time
HARDEST = 0.2  # share of an image's map values that the cross regularisation averages
QUIETEST = 4  # the min-pooling loss takes one pixel of so many, the lowest


class _Correlate(torch.autograd.Function):
    """Means of values, weighted by rectified products of features; see `pixel_correlation`.

    Affinities are symmetric, so of each pair of tiles only one product is computed, and counts
    both ways: `below` are the columns that a tile has not met yet, `left` those after its own.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, features: Tensor, tile: int) -> Tensor:
        """(B, C, N) values and (B, D, N) features to (B, C, N)."""
        rows, counted = _rows(features), _with_ones(values)
        sums = torch.zeros_like(counted)
        for part, below, left in _tiles(features.shape[-1], tile):
            affinity = torch.bmm(rows[:, below], features[..., part]).relu_().to(values.dtype)
            sums[..., part] += torch.bmm(counted[..., below], affinity)
            after = slice(part.stop - part.start, None)
            sums[..., left] += torch.bmm(counted[..., part], _rows(affinity[:, after]))
        total = sums[:, -1:] + EPS
        out = sums[:, :-1] / total
        ctx.save_for_backward(values, features, out, total)
        ctx.tile = tile
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, None]:
        """The affinities are computed anew, a tile at a time."""
        values, features, out, total = ctx.saved_tensors
        rows, counted = _rows(features), _with_ones(values)
        grad = grad / total
        spent = (grad * out).sum(1, keepdim=True)  # through the denominator
        change = torch.cat([grad, -spent], dim=1)
        to_features = torch.zeros_like(features)
        to_values = torch.zeros_like(values) if ctx.needs_input_grad[0] else None
        for part, below, left in _tiles(features.shape[-1], ctx.tile):
            product = torch.bmm(rows[:, below], features[..., part])
            # of the affinity of a cell below with one of the tile, counted both ways
            each = torch.bmm(_rows(counted[..., below]), change[..., part])
            each.baddbmm_(_rows(change[..., below]), counted[..., part]).mul_(product > 0)
            after = slice(part.stop - part.start, None)
            to_features[..., part] += torch.bmm(features[..., below], each)
            to_features[..., left] += torch.bmm(features[..., part], _rows(each[:, after]))
            if to_values is not None:
                affinity = product.relu_()
                to_values[..., part] += torch.bmm(grad[..., below], affinity)
                to_values[..., left] += torch.bmm(grad[..., part], _rows(affinity[:, after]))
        return to_values, to_features, None


def _rows(columns: Tensor) -> Tensor:
    return columns.transpose(1, 2)


def _with_ones(values: Tensor) -> Tensor:
    return torch.cat([values, torch.ones_like(values[:, :1])], dim=1)


def _tiles(n: int, tile: int) -> Iterator[tuple[slice, slice, slice]]:
    """Of each tile: its columns, these and all after them, and those after them alone."""
    for start in range(0, n, tile):
        stop = min(n, start + tile)
        yield slice(start, stop), slice(start, n), slice(stop, n)


def pixel_correlation(
    values: Tensor, features: Tensor, tile: int = TILE, products: torch.dtype | None = None
) -> Tensor:
    """Each cell's mean of all cells' values, weighted by how alike their features are (PCM).

    y_j = sum_i v_i a_ij / (sum_i a_ij + 1e-5), where a_ij = ReLU(f_i . f_j) and f are the features
    divided by (their norm + 1e-5).

    Args:
        values: (B, C, h, w) float.
        features: (B, D, h, w) float, of the same type.
        tile: columns of a that are in memory at a time, forward and backward; of no effect on the
            result but for the order of sums.
        products: type in which each f_i . f_j is computed, half precision where there is no
            gradient to follow; sums over cells keep the values' type. None: that too.

    Returns:
        (B, C, h, w): constant values stay, but for the 1e-5; none leaves its channel's range.

    Raises:
        ValueError: shapes that do not fit.
    """
    if values.shape[:1] + values.shape[2:] != features.shape[:1] + features.shape[2:]:
        raise ValueError(f"values {tuple(values.shape)}, features {tuple(features.shape)}")
    unit = features.flatten(2)
    unit = (unit / (unit.norm(dim=1, keepdim=True) + EPS)).to(products or values.dtype)
    return _Correlate.apply(values.flatten(2), unit, tile).view(values.shape)


def correlation_input(cam: Tensor, suppress: bool = True) -> Tensor:
    """What the pixel correlation spreads: normalised maps behind their background.

    Args:
        cam: (B, C, h, w) maps before ReLU.
        suppress: keep of each cell's classes only the strongest, as the code does.

    Returns:
        (B, 1 + C, h, w) in [0, 1], background first, without gradient.
    """
    maps = cam.detach().relu()
    maps = (maps - EPS).relu() / (maps.amax((2, 3), keepdim=True) + EPS)
    strongest = maps.amax(1, keepdim=True)
    if suppress:
        maps = torch.where(maps < strongest, torch.zeros_like(maps), maps)
    return torch.cat([1 - strongest, maps], dim=1)


def max_norm(maps: Tensor) -> Tensor:
    """Rectified maps (..., h, w), each spread from its minimum to its maximum.

    ReLU(ReLU(z) - min - 1e-5) / (max - min + 1e-5): in [0, 1), a constant map is 0.

    >>> max_norm(torch.tensor([[[-1.0, 1.0, 3.0]], [[2.0, 2.0, 2.0]]])).mul(100).round()
    tensor([[[  0.,  33., 100.]],
    <BLANKLINE>
            [[  0.,   0.,   0.]]])
    """
    if maps.numel() == 0:
        return maps.relu()
    maps = maps.relu()
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return (maps - low - EPS).relu() / (high - low + EPS)


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (C, h, w) at another size, corner on corner."""
    if maps.shape[-2:] == size or maps.numel() == 0:
        return maps if maps.shape[-2:] == size else maps.new_zeros(*maps.shape[:-2], *size)
    return F.interpolate(maps[None], size=size, mode="bilinear", align_corners=True)[0]


def mean_resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C) means of maps (B, C, h, w) as `resize` would make them, without making them."""
    along = [_mean_weights(maps, *pair) for pair in zip(maps.shape[-2:], size, strict=True)]
    return torch.einsum("bchw,h,w->bc", maps, *along)


def _mean_weights(like: Tensor, cells: int, side: int) -> Tensor:
    """(cells,) what each cell counts for in the mean of a line stretched to `side`."""
    unit = torch.eye(cells, dtype=like.dtype, device=like.device)[None]
    return F.interpolate(unit, size=side, mode="linear", align_corners=True)[0].mean(-1)


def min_pool(maps: Tensor) -> Tensor:
    """Mean of the lowest quarter of the pixels' strongest classes, 0 where none is positive.

    Args:
        maps: (K, H, W).
    """
    if not len(maps):
        return maps.sum()
    strongest = maps.amax(0).flatten()
    count = max(1, len(strongest) // QUIETEST)
    return strongest.topk(count, largest=False, sorted=False).values.relu().mean()


def strongest_only(maps: Tensor) -> Tensor:
    """Maps (K, H, W) behind their background, 1 - the strongest; all others but it are 0."""
    if not len(maps):
        return maps.new_ones(1, *maps.shape[1:])
    strongest = maps.amax(0, keepdim=True)
    kept = torch.where(maps == strongest, maps, torch.zeros_like(maps))
    return torch.cat([1 - strongest, kept])


def hardest_mean(values: Tensor, total: int) -> Tensor:
    """Mean of the hardest fifth of `total` values >= 0, of which all but `values` are 0."""
    count = max(1, int(total * HARDEST))
    flat = values.flatten()
    if len(flat) > count:
        flat = flat.topk(count, sorted=False).values
    return flat.sum() / count


@dataclass(frozen=True)
class PairWeights:
    """What each loss counts beside that of classification; 1 each in the published code.

    Attributes:
        equivariance: of the difference between the two views' maps (ER).
        cross: of the difference between either's refined maps and the other's maps (ECR).
        quiet: of the refined maps' lowest quarter; 0 in the paper.
    """

    equivariance: float = 1.0
    cross: float = 1.0
    quiet: float = 1.0


def pair_losses(
    cams: tuple[Tensor, Tensor],
    refined: tuple[Tensor, Tensor],
    present: Tensor,
    sizes: tuple[tuple[int, int], tuple[int, int]],
) -> tuple[Tensor, Tensor, Tensor]:
    """The losses of one image that compare maps; absent classes count as maps of 0.

    Args:
        cams: (C, h, w) of the image and (C, h', w') of its small copy, before ReLU.
        refined: (1 + C, h, w) and (1 + C, h', w'), background first.
        present: (K,) int64 class indices.
        sizes: (H, W) of image and copy, at which maps are compared and pooled.

    Returns:
        ER, ECR and min-pool, 0-dim. ECR's targets get no gradient.
    """
    maps, spread, quiet = [], [], []
    channels = torch.cat([present.new_zeros(1), present + 1])
    for cam, fine, size in zip(cams, refined, sizes, strict=True):
        large, fine = resize(cam[present], size), resize(fine[channels], size)
        quiet.append(min_pool(fine[1:]))
        maps.append(resize(max_norm(large), sizes[1]))
        spread.append(resize(max_norm(fine), sizes[1]))
    cells, classes = sizes[1][0] * sizes[1][1], len(cams[0])
    equivariance = (maps[0] - maps[1]).abs().sum() / (classes * cells)
    targets = [strongest_only(m.detach()) for m in maps]
    cross = [
        hardest_mean((target - fine).abs(), (1 + classes) * cells)
        for target, fine in zip(reversed(targets), spread, strict=True)
    ]
    return equivariance, cross[0] + cross[1], (quiet[0] + quiet[1]) / 2


def seam_loss(
    cams: tuple[Tensor, Tensor],
    refined: tuple[Tensor, Tensor],
    tags: Tensor,
    sizes: tuple[tuple[int, int], tuple[int, int]],
    weights: PairWeights | None = None,
    counts: Tensor | None = None,
) -> Tensor:
    """All of SEAM's losses, mean over the images of a batch.

    Args:
        cams, refined, sizes: as for `pair_losses`, with a batch axis in front of the maps.
        tags: (B, C) of 1, 0 and NaN, see `core.tags`. Maps of classes of which nothing is said are
            not compared, as those of absent ones.
        weights: of the losses.
        counts: images of the batch and its tags that are said, where this is only a part of it.

    Returns:
        0-dim.
    """
    weights = weights or PairWeights()
    total = tags.new_zeros(())
    for cam, size in zip(cams, sizes, strict=True):
        logits = mean_resized(cam, size)
        total = total + tag_losses(logits, tags, counts).mean() * (len(tags) / 2)
    for index, tag in enumerate(tags):
        equivariance, cross, quiet = pair_losses(
            (cams[0][index], cams[1][index]),
            (refined[0][index], refined[1][index]),
            is_present(tag).nonzero().flatten(),
            sizes,
        )
        total = total + weights.equivariance * equivariance
        total = total + weights.cross * cross + weights.quiet * quiet
    return total / (len(tags) if counts is None else counts[0])
