"""Normalisation layers: freezing batch statistics, and group norm in their place."""

from __future__ import annotations

import math

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


class FixedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm that always uses its running statistics and never updates them.

    `.train()` leaves it in eval mode. Parameters, buffers and state-dict keys are those of
    `nn.BatchNorm2d`; whether the affine parameters train is up to their `requires_grad`.
    """

    def train(self, mode: bool = True) -> FixedBatchNorm2d:
        super().train(False)
        return self


def _fixed(norm: _BatchNorm, affine: bool) -> FixedBatchNorm2d:
    fixed = FixedBatchNorm2d(norm.num_features, norm.eps, norm.momentum, norm.affine)
    # the very same tensors: an optimiser that already holds them keeps working
    fixed.weight, fixed.bias = norm.weight, norm.bias
    fixed.running_mean, fixed.running_var = norm.running_mean, norm.running_var
    fixed.num_batches_tracked = norm.num_batches_tracked
    if affine and norm.affine:
        fixed.weight.requires_grad_(False)
        fixed.bias.requires_grad_(False)
    return fixed.train(False)


def freeze_batchnorm(module: nn.Module, affine: bool = True) -> int:
    """Fix the batch norms inside a module, so that they survive `.train()`.

    Pretrained statistics estimated on a million images beat those of a batch of 4 to 16; the
    published PSA, IRN and SEAM recipes all fix them. PSA also fixes scale and shift
    (affine=True); IRN trains them (affine=False).

    Args:
        module: changed in place; every batch norm (synchronised ones too) below it is replaced by
            a `FixedBatchNorm2d` around the same tensors. `convert_sync_batchnorm` would undo
            this, so call that first.
        affine: also stop scale and shift from training.

    Returns:
        How many batch norms are fixed.

    Raises:
        ValueError: the module is itself a batch norm, or one keeps no running statistics.
    """
    if isinstance(module, _BatchNorm):
        raise ValueError("pass the module that holds the batch norm, not the batch norm")
    count = 0
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if not isinstance(child, _BatchNorm):
                continue
            if child.running_mean is None:
                raise ValueError(f"{name}: a batch norm without running statistics cannot be fixed")
            setattr(parent, name, _fixed(child, affine))
            count += 1
    return count


def group_norm(channels: int) -> nn.GroupNorm:
    """Group norm with up to 32 groups of at least two channels (Wu & He, ECCV 2018).

    At least two, because a group of one channel on a 1 x 1 map has nothing to normalise.

    >>> [group_norm(c).num_groups for c in (16, 32, 240, 256)]
    [8, 16, 16, 32]
    """
    groups = math.gcd(32, channels)
    return nn.GroupNorm(groups if groups < channels or channels == 1 else groups // 2, channels)


def batch_to_group_norm(module: nn.Module) -> None:
    """Replace every batch norm below a module, in place, by a fresh group norm.

    Group norm behaves the same for any batch size, one image included.
    """
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm):
                setattr(parent, name, group_norm(child.num_features))
