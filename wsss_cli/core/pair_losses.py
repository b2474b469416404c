"""The pair losses' values and gradients; `affinity` has the functions to call.

Each gradient is collected in the loop over offsets that also gives the loss: autograd would keep
the differences of every pair until the backward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .pairs import Offset, PairLabels, half_disk_offsets, pair_labels, pair_views
from .paths import path_maxima

EPSILON = 1e-5  # of the published code: in every logarithm and every count


def count_pairs(labels: Tensor, offsets: Sequence[Offset], margin: int) -> Tensor:
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


class AffinityLossFunction(torch.autograd.Function):
    """Loss and gradient of `affinity_loss_psa` in one loop: an offset's differences serve both."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, labels: Tensor, counts: Tensor, radius: int, margin: int
    ) -> tuple[Tensor, ...]:
        offsets, channels = half_disk_offsets(radius), features.shape[1]
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
        return gradient * grad_total, None, None, None, None


class BoundaryLossFunction(torch.autograd.Function):
    """The four losses of `boundary_loss_irn` and their gradients in one loop over offsets."""

    @staticmethod
    def forward(
        ctx: Any,
        boundary: Tensor,
        displacement: Tensor,
        labels: Tensor,
        counts: Tensor,
        radius: int,
        margin: int,
    ) -> tuple[Tensor, ...]:
        offsets = half_disk_offsets(radius)
        counts = counts.to(boundary.dtype)
        share = boundary.new_tensor([0.5, 0.5, 1.0]) / (counts + EPSILON)
        centre_share = 1 / (2 * counts[:2] + EPSILON)
        cells = torch.arange(boundary.numel(), dtype=torch.int32, device=boundary.device)
        to_boundary = boundary.new_zeros((2, boundary.numel()))
        to_displacement = displacement.new_zeros((2, *displacement.shape))
        losses = boundary.new_zeros(4)
        for i, strongest, at in path_maxima(boundary, offsets, margin, cells.view_as(boundary)):
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
