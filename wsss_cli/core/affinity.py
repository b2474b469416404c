"""Affinities between near cells, and the pair losses that train networks to predict them.

Everything loops over offsets and works on shifted slices, so that memory does not grow with the
number of pairs. The losses collect their gradients during the forward pass for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .pairs import (
    Border,
    Offset,
    PairLabels,
    border_margin,
    half_disk_offsets,
    pair_labels,
    pair_views,
    pair_windows,
    path_runs,
)

EPSILON = 1e-5  # of the published code: in every logarithm and every count


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

    Source: Ahn and Kwak, CVPR 2018, equation 1, with the mean over channels of the published code
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

    Source: Ahn, Cho and Kwak, CVPR 2019, equation 2, with the path of `pairs.path_cells`.

    Args:
        boundary: (h, w) or (B, h, w) float in [0, 1].
        offsets: P offsets (dy, dx).

    Returns:
        (P, h, w) or (B, P, h, w) in [0, 1], laid out as by `feature_affinity`. No gradients.
    """
    *batch, h, w = boundary.shape
    affinity = boundary.new_zeros((*batch, len(offsets), h, w))
    for i, strongest, _ in _path_maxima(boundary, offsets):
        pair_views(affinity[..., i, :, :], offsets[i])[0].copy_(1 - strongest)
    return affinity


def affinity_loss_psa(
    features: Tensor, labels: Tensor, radius: int = 5, border: Border = "full"
) -> AffinityLoss:
    """AffinityNet's loss: alike pairs should have affinity 1, different ones 0.

    A quarter of the mean of -log a over background pairs, a quarter over pairs of one class, half
    of the mean of -log(1 - a) over different pairs; means over the batch, 0 where there is none.

    Source: Ahn and Kwak, CVPR 2018, equations 6 and 7.

    Args:
        features: (B, D, h, w) float, any float type; computed in float32 or float64.
        labels: (B, h, w) uint8, 255 (IGNORE) unlabelled, on the same device.
        radius: of the disk of pairs, in cells.
        border: "reference" leaves out the sources that the published code leaves out.

    Returns:
        Total and parts, 0-dim. Gradients reach `features` through `total` only.

    Raises:
        ValueError: labels of another shape than the features.
    """
    if labels.shape != (features.shape[0], *features.shape[2:]):
        raise ValueError(f"labels {tuple(labels.shape)} for features {tuple(features.shape)}")
    margin = border_margin(radius, border)
    return AffinityLoss(*_AffinityLoss.apply(_at_least_float32(features), labels, radius, margin))


def boundary_loss_irn(
    boundary: Tensor,
    displacement: Tensor,
    labels: Tensor,
    radius: int = 10,
    border: Border = "full",
) -> BoundaryLoss:
    """IRNet's losses: no boundary between alike cells, displacements meeting at one centre.

    positive: half of the means of -log a over background pairs and over pairs of one class;
    negative: mean of -log(1 - a) over different pairs, with a as in `path_affinity`;
    displacement: mean distance of D(i) - D(j) from j - i over pairs of one class, and from 0 over
    background pairs, half per coordinate. Means over the batch, 0 where there is no such pair.

    Source: Ahn, Cho and Kwak, CVPR 2019, equations 4 to 8.

    Args:
        boundary: (B, 1, h, w) float in [0, 1], after the sigmoid.
        displacement: (B, 2, h, w) float, (dy, dx) in cells.
        labels: (B, h, w) uint8, 255 (IGNORE) unlabelled, on the same device.
        radius: of the disk of pairs, in cells.
        border: "reference" leaves out the sources that the published code leaves out.

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
    losses = _BoundaryLoss.apply(
        _at_least_float32(boundary.squeeze(1)),
        _at_least_float32(displacement),
        labels,
        radius,
        margin,
    )
    return BoundaryLoss(*losses)


def _at_least_float32(tensor: Tensor) -> Tensor:
    """At least float32: half precision has no room for the 1e-5 of the logarithms."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _path_maxima(
    boundary: Tensor, offsets: Sequence[Offset], margin: int = 0, index: Tensor | None = None
) -> Iterator[tuple[int, Tensor, Tensor | None]]:
    """Greatest boundary on each pair's path, offset by offset, as a maximum over straight runs.

    Args:
        boundary: (..., h, w).
        offsets: P offsets; those that fit in the grid are served, in an order of our own.
        margin: see `pairs.border_margin`.
        index: (..., h, w) any integers; wanted at the cell of each maximum.

    Yields:
        (position in offsets, maxima over the source window, `index` at the maxima or None).
    """
    h, w = boundary.shape[-2:]
    for vertical in (True, False):  # one direction's runs in memory at a time
        runs = [(boundary, index)]
        for i, (dy, dx) in enumerate(offsets):
            if (dy >= abs(dx)) is not vertical or dy >= h or abs(dx) >= w:
                continue
            (rows, columns), _ = pair_windows(h, w, (dy, dx), margin)
            best: tuple[Tensor, Tensor | None] | None = None
            for y, x, length in path_runs((dy, dx)):
                while len(runs) < length:
                    runs.append(_longer_run(runs, vertical))
                down = slice(rows.start + y, rows.stop + y)
                beside = slice(columns.start + x, columns.stop + x)
                value, at = runs[length - 1]
                run = value[..., down, beside], None if at is None else at[..., down, beside]
                best = run if best is None else _greater(best, run)
            if best is not None:
                yield i, *best


def _longer_run(
    runs: list[tuple[Tensor, Tensor | None]], vertical: bool
) -> tuple[Tensor, Tensor | None]:
    """Maxima over one cell more than the longest runs so far."""
    dim, length = (-2 if vertical else -1), len(runs)

    def part(tensor: Tensor | None, start: int, stop: int) -> Tensor | None:
        return None if tensor is None else tensor.narrow(dim, start, stop - start)

    (value, at), (cell, cell_at) = runs[-1], runs[0]
    side = cell.shape[dim]
    return _greater(
        (value.narrow(dim, 0, side - length), part(at, 0, side - length)),
        (cell.narrow(dim, length, side - length), part(cell_at, length, side)),
    )


def _greater(
    one: tuple[Tensor, Tensor | None], other: tuple[Tensor, Tensor | None]
) -> tuple[Tensor, Tensor | None]:
    """Element-wise maximum, with the index that belongs to it; ties go to the first."""
    if one[1] is None or other[1] is None:
        return torch.maximum(one[0], other[0]), None
    return torch.maximum(one[0], other[0]), torch.where(other[0] > one[0], other[1], one[1])


def _pair_counts(labels: Tensor, offsets: Sequence[Offset], margin: int) -> Tensor:
    """(3,) int64 numbers of background, one-class and different pairs."""
    counts = torch.zeros(3, dtype=torch.int64, device=labels.device)
    for offset in offsets:
        counts += torch.stack([mask.sum() for mask in pair_labels(labels, offset, margin)])
    return counts


def _log_losses(
    affinity: Tensor, masks: PairLabels
) -> tuple[tuple[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Sums of -log a over background and one-class pairs and of -log(1 - a) over different ones.

    Also both derivatives by a, everywhere: -1 / (a + e) and 1 / (1 + e - a).
    """
    near, far = affinity + EPSILON, (1 + EPSILON) - affinity
    attract, repel = near.log().neg_(), far.log().neg_()
    sums = (
        (attract * masks.background).sum(),
        (attract * masks.foreground).sum(),
        (repel * masks.different).sum(),
    )
    return sums, (near.reciprocal_().neg_(), far.reciprocal_())


class _AffinityLoss(torch.autograd.Function):
    """Loss and gradient of `affinity_loss_psa` in one loop: an offset's differences serve both."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, labels: Tensor, radius: int, margin: int
    ) -> tuple[Tensor, ...]:
        offsets, channels = half_disk_offsets(radius), features.shape[1]
        counts = _pair_counts(labels, offsets, margin)
        share = features.new_tensor([0.25, 0.25, 0.5]) / (counts + EPSILON)
        gradient = torch.zeros_like(features) if ctx.needs_input_grad[0] else None
        sums = features.new_zeros(3)
        for offset in offsets:
            one, other = pair_views(features, offset, margin)
            difference = one - other
            affinity = difference.abs().sum(1).div_(-channels).exp_()
            masks = pair_labels(labels, offset, margin)
            parts, (attract, repel) = _log_losses(affinity, masks)
            sums += torch.stack(parts)
            if gradient is None:
                continue
            slope = attract * (share[0] * masks.background + share[1] * masks.foreground)
            slope += repel * (share[2] * masks.different)
            slope *= affinity / -channels  # d a / d |difference of one channel|
            change = difference.sign_().mul_(slope.unsqueeze(1))
            to_one, to_other = pair_views(gradient, offset, margin)
            to_one += change
            to_other -= change
        ctx.save_for_backward(gradient)
        means = (sums / (counts + EPSILON)).unbind()
        ctx.mark_non_differentiable(*means)
        return (sums * share).sum(), *means

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_total: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad_total, None, None, None


class _BoundaryLoss(torch.autograd.Function):
    """The four losses of `boundary_loss_irn` and their gradients in one loop over offsets."""

    @staticmethod
    def forward(
        ctx: Any, boundary: Tensor, displacement: Tensor, labels: Tensor, radius: int, margin: int
    ) -> tuple[Tensor, ...]:
        offsets = half_disk_offsets(radius)
        counts = _pair_counts(labels, offsets, margin).to(boundary.dtype)
        share = boundary.new_tensor([0.5, 0.5, 1.0]) / (counts + EPSILON)
        centre_share = 1 / (2 * counts[:2] + EPSILON)
        cells = torch.arange(boundary.numel(), dtype=torch.int32, device=boundary.device)
        to_boundary = boundary.new_zeros((2, boundary.numel()))
        to_displacement = displacement.new_zeros((2, *displacement.shape))
        losses = boundary.new_zeros(4)
        for i, strongest, at in _path_maxima(boundary, offsets, margin, cells.view_as(boundary)):
            assert at is not None
            masks = pair_labels(labels, offsets[i], margin)
            parts, (attract, repel) = _log_losses(1 - strongest, masks)
            attract *= share[0] * masks.background + share[1] * masks.foreground
            repel *= share[2] * masks.different
            to_boundary[0].index_add_(0, at.flatten(), attract.neg_().flatten())
            to_boundary[1].index_add_(0, at.flatten(), repel.neg_().flatten())
            centres = _centre_losses(displacement, to_displacement, masks, offsets[i], margin)
            losses += torch.stack(
                [
                    parts[0] * share[0] + parts[1] * share[1],
                    parts[2] * share[2],
                    centres[0] * centre_share[1],
                    centres[1] * centre_share[0],
                ]
            )
        to_displacement[0] *= centre_share[1]
        to_displacement[1] *= centre_share[0]
        ctx.save_for_backward(to_boundary.view(2, *boundary.shape), to_displacement)
        return tuple(losses.unbind())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        to_boundary, to_displacement = ctx.saved_tensors
        positive, negative, foreground, background = grads
        return (
            to_boundary[0] * positive + to_boundary[1] * negative,
            to_displacement[0] * foreground + to_displacement[1] * background,
            None,
            None,
            None,
        )


def _centre_losses(
    displacement: Tensor, gradient: Tensor, masks: PairLabels, offset: Offset, margin: int
) -> tuple[Tensor, Tensor]:
    """Sums of |D(i) - D(j) - (j - i)| over one-class pairs and of |D(i) - D(j)| over background.

    Adds the sums' gradients to gradient[0] and gradient[1], each of displacement's shape.
    """
    one, other = pair_views(displacement, offset, margin)
    apart = one - other
    wanted = apart.new_tensor(offset).view(2, 1, 1)
    sums = []
    for part, error, mask in (
        (gradient[0], apart - wanted, masks.foreground),
        (gradient[1], apart, masks.background),
    ):
        sums.append((error.abs() * mask.unsqueeze(1)).sum())
        to_one, to_other = pair_views(part, offset, margin)
        change = error.sign() * mask.unsqueeze(1)
        to_one += change
        to_other -= change
    return sums[0], sums[1]
