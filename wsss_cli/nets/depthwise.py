"""Dilated depthwise convolutions, as MobileNets have them at output strides below 32."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..machine.precision import autocast_to, full_precision, no_autocast


class DilatedDepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution that trains in float32 on CPUs, whatever autocast says.

    In bfloat16, oneDNN's gradient of the weights is wrong for dilated depthwise kernels on
    channels-last maps more than 28 wide (PyTorch 2.15): of the size of memory left over from
    anything, up to infinite. Its output and the gradient of its input are right.
    """

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        half = autocast_to(x) if x.device.type == "cpu" else None
        if half is None or not (torch.is_grad_enabled() and weight.requires_grad):
            return super()._conv_forward(x, weight, bias)
        with no_autocast(x):
            return super()._conv_forward(full_precision(x), weight, bias).to(half)


def is_dilated_depthwise(conv: nn.Conv2d) -> bool:
    """Whether each channel has a kernel of its own, with gaps in it."""
    return conv.groups == conv.in_channels > 1 and max(conv.dilation) > 1
