"""A small residual network that trains from scratch in a minute on a laptop's CPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """Two 3 x 3 convolutions with batch norm and a shortcut (He et al., CVPR 2016, figure 2)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(inner)) + self.shortcut(x))


def tiny_stages(channels: Sequence[int]) -> dict[str, nn.Module]:
    """Stages of stride 2, each with as many channels; 0.7 M parameters in all as `names` has them.

    Batch norm, trained with the rest (`--batchnorm train`): group norm would mix the statistics
    of the whole image into every cell, and activation maps would light up the ground.
    """
    stem = nn.Sequential(
        nn.Conv2d(3, channels[0], 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels[0]),
        nn.ReLU(),
    )
    stages: dict[str, nn.Module] = {"stem": stem}
    for index in range(1, len(channels)):
        stages[f"stage{index}"] = Block(channels[index - 1], channels[index], stride=2)
    for stage in stages.values():
        for module in stage.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return stages
