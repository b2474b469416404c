"""Affinities between near cells, and the pair losses that train networks to predict them.

Everything loops over offsets and works on shifted slices, so that memory does not grow with the
number of pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .pair_losses import AffinityLossFunction, BoundaryLossFunction, count_pairs
from .pairs import Border, Offset, border_margin, half_disk_offsets, pair_views
from .paths import path_maxima


class AffinityLoss(NamedTuple):
    """AffinityNet's loss; `total` carries the gradient, its parts are for reading."""

    total: Tensor
    background: Tensor
    foreground: Tensor
    different: Tensor


class BoundaryLoss(NamedTuple):
    """IRNet's four losses, each with its gradient."""

    positive: Tensor
    negative: Tensor
    displacement_foreground: Tensor
    displacement_background: Tensor

    @property
    def total(self) -> Tensor:
        """Half of the boundary losses and half of the displacement losses."""
        displacement = self.displacement_foreground + self.displacement_background
        return (self.positive + self.negative + displacement) / 2


@torch.no_grad()
def feature_affinity(features: Tensor, offsets: Sequence[Offset]) -> Tensor:
    """exp(-mean over channels of |f_i - f_j|) of each pair.

    Source: Ahn and Kwak, CVPR 2018 (AffinityNet), with the mean over channels of the published code
    in place of the printed sum: a sum over hundreds of channels would leave no affinity at all.

    Args:
        features: (D, h, w) or (B, D, h, w) float.
        offsets: P offsets (dy, dx).

    Returns:
        (P, h, w) or (B, P, h, w) in [0, 1]; plane o at (y, x) is the pair of (y, x) with
        (y, x) + offsets[o], 0 where that lies outside the grid. No gradients; at least float32.
    """
    *batch, channels, h, w = features.shape
    flat = _at_least_float32(features).flatten(-2)
    affinity = flat.new_zeros((*batch, len(offsets), h, w))
    scratch, distances = torch.empty_like(flat), flat.new_empty((*batch, h, w))
    for i, (dy, dx) in enumerate(offsets):
        if dy >= h or abs(dx) >= w:
            continue
        # Flat cells in place of windows: whole rows at once, and what wraps around is not copied.
        shift, pairs = dy * w + dx, h * w - dy * w - dx
        difference = torch.sub(flat[..., :pairs], flat[..., shift:], out=scratch[..., :pairs])
        distances.flatten(-2)[..., :pairs] = difference.abs_().sum(-2)
        distance = pair_views(distances, (dy, dx))[0]
        pair_views(affinity[..., i, :, :], (dy, dx))[0].copy_((distance / -channels).exp_())
    return affinity


@torch.no_grad()
def path_affinity(boundary: Tensor, offsets: Sequence[Offset]) -> Tensor:
    """1 - the strongest boundary on the path between the cells of each pair.

    Source: Ahn, Cho and Kwak, CVPR 2019 (IRNet), with the path of `pairs.path_cells`.

    Args:
        boundary: (h, w) or (B, h, w) float in [0, 1].
        offsets: P offsets (dy, dx).

    Returns:
        (P, h, w) or (B, P, h, w) in [0, 1], laid out as by `feature_affinity`. No gradients.
    """
    *batch, h, w = boundary.shape
    affinity = boundary.new_zeros((*batch, len(offsets), h, w))
    for i, strongest, _ in path_maxima(boundary, offsets):
        pair_views(affinity[..., i, :, :], offsets[i])[0].copy_(1 - strongest)
    return affinity


def pair_counts(labels: Tensor, radius: int, border: Border = "full") -> Tensor:
    """How many pairs the means of both losses below are taken over.

    Args:
        labels: (B, h, w) uint8, 255 (IGNORE) unlabelled.
        radius, border: as for the losses.

    Returns:
        (3,) int64: background pairs, pairs of one class, different pairs.
    """
    return count_pairs(labels, half_disk_offsets(radius), border_margin(radius, border))


def affinity_loss_psa(
    features: Tensor,
    labels: Tensor,
    radius: int = 5,
    border: Border = "full",
    counts: Tensor | None = None,
) -> AffinityLoss:
    """AffinityNet's loss: alike pairs should have affinity 1, different ones 0.

    A quarter of the mean of -log a over background pairs, a quarter over pairs of one class, half
    of the mean of -log(1 - a) over different pairs; means over the batch, 0 where there is none.

    Source: Ahn and Kwak, CVPR 2018 (AffinityNet); the small constants are the published code's.

    Args:
        features: (B, D, h, w) float, any float type; computed in float32 or float64.
        labels: (B, h, w) uint8, 255 (IGNORE) unlabelled, on the same device.
        radius: of the disk of pairs, in cells.
        border: "reference" leaves out the sources that the published code leaves out.
        counts: `pair_counts` of the whole batch, where this is a part of it; the losses of all
            parts then add up to that of the whole.

    Returns:
        Total and parts, 0-dim. Gradients reach `features` through `total` only.

    Raises:
        ValueError: labels of another shape than the features.
    """
    if labels.shape != (features.shape[0], *features.shape[2:]):
        raise ValueError(f"labels {tuple(labels.shape)} for features {tuple(features.shape)}")
    margin = border_margin(radius, border)
    if counts is None:
        counts = pair_counts(labels, radius, border)
    return AffinityLoss(
        *AffinityLossFunction.apply(_at_least_float32(features), labels, counts, radius, margin)
    )


def boundary_loss_irn(
    boundary: Tensor,
    displacement: Tensor,
    labels: Tensor,
    radius: int = 10,
    border: Border = "full",
    counts: Tensor | None = None,
) -> BoundaryLoss:
    """IRNet's losses: no boundary between alike cells, displacements meeting at one centre.

    positive: half of the means of -log a over background pairs and over pairs of one class;
    negative: mean of -log(1 - a) over different pairs, with a as in `path_affinity`;
    displacement: mean distance of D(i) - D(j) from j - i over pairs of one class, and from 0 over
    background pairs, half per coordinate. Means over the batch, 0 where there is no such pair.

    Source: Ahn, Cho and Kwak, CVPR 2019 (IRNet); the small constants are the published code's.

    Args:
        boundary: (B, 1, h, w) float in [0, 1], after the sigmoid.
        displacement: (B, 2, h, w) float, (dy, dx) in cells.
        labels: (B, h, w) uint8, 255 (IGNORE) unlabelled, on the same device.
        radius: of the disk of pairs, in cells.
        border: "reference" leaves out the sources that the published code leaves out.
        counts: as for `affinity_loss_psa`.

    Returns:
        The four losses, 0-dim, float32 or float64.

    Raises:
        ValueError: inputs that disagree in shape.
    """
    batch, h, w = labels.shape
    if boundary.shape != (batch, 1, h, w) or displacement.shape != (batch, 2, h, w):
        raise ValueError(
            f"boundary {tuple(boundary.shape)} and displacement {tuple(displacement.shape)}"
            f" for labels {tuple(labels.shape)}"
        )
    margin = border_margin(radius, border)
    losses = BoundaryLossFunction.apply(
        _at_least_float32(boundary.squeeze(1)),
        _at_least_float32(displacement),
        labels,
        pair_counts(labels, radius, border) if counts is None else counts,
        radius,
        margin,
    )
    return BoundaryLoss(*losses)


def _at_least_float32(tensor: Tensor) -> Tensor:
    """At least float32: half precision has no room for the 1e-5 of the logarithms."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()
