"""A small residual network that trains from scratch in a minute on a laptop's CPU."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .norms import group_norm

CHANNELS = (16, 32, 64, 128, 160)


class Block(nn.Module):
    """Two 3 x 3 convolutions with group norm and a shortcut (He et al., CVPR 2016, figure 2)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = group_norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = group_norm(outputs)
        self.shortcut = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), group_norm(outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(inner)) + self.shortcut(x))


def tiny_stages() -> dict[str, nn.Module]:
    """Five stages of stride 2 each with `CHANNELS` channels; 0.7 M parameters.

    Group norm, since there are no pretrained statistics and batches may be small.
    """
    stem = nn.Sequential(
        nn.Conv2d(3, CHANNELS[0], 3, stride=2, padding=1, bias=False),
        group_norm(CHANNELS[0]),
        nn.ReLU(),
    )
    stages: dict[str, nn.Module] = {"stem": stem}
    for index in range(1, len(CHANNELS)):
        stages[f"stage{index}"] = Block(CHANNELS[index - 1], CHANNELS[index], stride=2)
    for stage in stages.values():
        for module in stage.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return stages
