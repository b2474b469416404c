"""Normalisation layers: freezing batch statistics, and group norm in their place."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .depthwise import DilatedDepthwiseConv2d


class FixedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm that always uses its running statistics and never updates them.

    `.train()` leaves it in eval mode. Parameters, buffers and state-dict keys are those of
    `nn.BatchNorm2d`; whether the affine parameters train is up to their `requires_grad`.
    """

    def train(self, mode: bool = True) -> FixedBatchNorm2d:
        super().train(False)
        return self


class AbsorbedBatchNorm2d(FixedBatchNorm2d):
    """A fixed batch norm whose work the convolution before it does."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class FixedBatchNormAct2d(FixedBatchNorm2d):
    """A fixed batch norm that does what timm's batch norms do after normalising.

    Attributes:
        drop, act: dropout of blocks and activation, nn.Identity where there is none.
    """

    drop: nn.Module
    act: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.drop(super().forward(x)))


class AbsorbedBatchNormAct2d(FixedBatchNormAct2d):
    """The same where the convolution before it does the work of the batch norm."""

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.drop(x))


class NormedConv2d(nn.Conv2d):
    """A convolution that does the work of the fixed batch norm after it as well.

    Scaling its weights takes no time beside a pass over its output, forward and back. Parameters
    and state-dict keys of both stay as they are, and so do the gradients of all that trains.
    """

    _absorbed: list[FixedBatchNorm2d]  # a list, or the norm would be registered here too

    def normed(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of both together."""
        norm = self._absorbed[0]
        assert norm.running_var is not None
        assert norm.running_mean is not None
        scale = (norm.running_var + norm.eps).rsqrt()
        scale = scale if norm.weight is None else scale * norm.weight
        shift = -norm.running_mean if self.bias is None else self.bias - norm.running_mean
        shift = shift * scale if norm.bias is None else shift * scale + norm.bias
        return self.weight * scale[:, None, None, None], shift

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, *self.normed())


class NormedDilatedDepthwiseConv2d(NormedConv2d, DilatedDepthwiseConv2d):
    """The same for one that trains in float32."""


NORMED: dict[type[nn.Module], type[NormedConv2d]] = {
    nn.Conv2d: NormedConv2d,
    DilatedDepthwiseConv2d: NormedDilatedDepthwiseConv2d,
}
ABSORBED: dict[type[nn.Module], type[FixedBatchNorm2d]] = {
    FixedBatchNorm2d: AbsorbedBatchNorm2d,
    FixedBatchNormAct2d: AbsorbedBatchNormAct2d,
}


def _absorb(parent: nn.Module) -> None:
    """Have convolutions do the work of the fixed batch norms registered right after them."""
    before: nn.Module | None = None
    for child in parent.children():
        if (
            isinstance(before, nn.Conv2d)
            and type(before) in NORMED
            and isinstance(child, FixedBatchNorm2d)
            and type(child) in ABSORBED
            and child.num_features == before.out_channels
        ):
            child.__class__ = ABSORBED[type(child)]
            before.__class__ = NORMED[type(before)]
            before._absorbed = [child]  # type: ignore[assignment]  # it is a NormedConv2d now
        before = child


def _fixed(norm: Any, affine: bool) -> FixedBatchNorm2d:
    acts = hasattr(norm, "act")  # timm's
    kind = FixedBatchNormAct2d if acts else FixedBatchNorm2d
    fixed = kind(norm.num_features, norm.eps, norm.momentum, norm.affine)
    if isinstance(fixed, FixedBatchNormAct2d):
        fixed.drop, fixed.act = norm.drop, norm.act
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

    A batch norm is taken to follow the convolution registered just before it in the same module,
    which holds for torchvision's networks, timm's and ours; the convolution then does its work.

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
        _absorb(parent)
    return count


def trains_statistics(module: nn.Module) -> bool:
    """Whether a module is a batch norm of its own process's statistics, which it updates."""
    other = isinstance(module, FixedBatchNorm2d | nn.SyncBatchNorm)
    return isinstance(module, _BatchNorm) and not other


def synchronised(norm: nn.Module) -> nn.Module:
    """The batch norm with statistics of all processes, what timm's do after it included."""
    if not hasattr(norm, "act"):
        return nn.SyncBatchNorm.convert_sync_batchnorm(norm)
    from timm.layers import convert_sync_batchnorm

    found: nn.Module = convert_sync_batchnorm(norm)
    return found


def group_norm(channels: int, affine: bool = True) -> nn.GroupNorm:
    """Group norm with up to 32 groups of at least two channels (Wu & He, ECCV 2018).

    At least two, because a group of one channel on a 1 x 1 map has nothing to normalise.

    >>> [group_norm(c).num_groups for c in (16, 32, 240, 256)]
    [8, 16, 16, 32]
    """
    groups = math.gcd(32, channels)
    groups = groups if groups < channels or channels == 1 else groups // 2
    return nn.GroupNorm(groups, channels, affine=affine)


def batch_to_group_norm(module: nn.Module) -> None:
    """Replace every batch norm below a module, in place, by a fresh group norm.

    Group norm behaves the same for any batch size, one image included.
    """
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm):
                setattr(parent, name, group_norm(child.num_features, child.affine))
