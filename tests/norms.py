"""Batch statistics as of a trained network."""

from __future__ import annotations

import torch
from torch import nn


def randomise_norms(module: nn.Module) -> None:
    """Batch statistics as of a trained network, so that forgetting them shows."""
    generator = torch.Generator().manual_seed(3)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            n = norm.num_features
            norm.running_mean.copy_(torch.randn(n, generator=generator) * 0.1)
            norm.running_var.copy_(torch.rand(n, generator=generator) + 0.5)
            with torch.no_grad():
                norm.weight.copy_(torch.rand(n, generator=generator) + 0.5)
                norm.bias.copy_(torch.randn(n, generator=generator) * 0.1)
