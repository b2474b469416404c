"""Batch norms folded into the convolutions before them, for inference."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .norms import NormedConv2d

Network = TypeVar("Network", bound=nn.Module)


@torch.no_grad()
def fold_batchnorm(model: Network) -> Network:
    """Fold each fixed batch norm into the convolution that it follows, in place.

    A batch norm is taken to follow the convolution registered just before it in the same module,
    which holds for torchvision's networks, timm's and ours. What it did, the convolution's weights
    then do: equal up to rounding, with a pass over each map less. The activation that timm's
    batch norms have in them stays in their place.

    Args:
        model: in eval mode. Its state dict changes; it is not for training any more.

    Returns:
        the model.

    Raises:
        ValueError: a batch norm in training mode, or of other channels than its convolution.
    """
    for parent in list(model.modules()):
        before: tuple[str, nn.Module] | None = None
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm) and before and isinstance(before[1], nn.Conv2d):
                if child.training or before[1].out_channels != child.num_features:
                    raise ValueError(f"{name}: a batch norm that does not fit {before[0]}")
                setattr(parent, before[0], _fused(before[1], child))
                setattr(parent, name, getattr(child, "act", nn.Identity()))
            before = name, child
    return model


def _fused(conv: nn.Conv2d, norm: _BatchNorm) -> nn.Conv2d:
    if not isinstance(conv, NormedConv2d):
        return fuse_conv_bn_eval(conv, norm)
    weight, bias = conv.normed()
    plain: nn.Conv2d = copy.copy(conv)
    plain.__class__ = nn.Conv2d
    plain._parameters = {"weight": nn.Parameter(weight), "bias": nn.Parameter(bias)}
    return plain
