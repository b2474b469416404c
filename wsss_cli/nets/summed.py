"""The head of DeepLab v1 and v2: dilated convolutions whose logits are added up."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .base import Backbone
from .convolved import ConvolvedClassifier
from .heads import Head
from .names import facts_of

FC_WIDTH = 1024  # of the convolutional fc6 and fc7 on VGG-16


class SummedHead(Head):
    """Dilated convolutions side by side over the last map, whose logits are added up.

    On VGG-16 each is a convolutional fc6 (3 x 3, dilated), fc7 and fc8, of 1024 channels, with
    dropout; on other backbones one dilated 3 x 3 convolution straight to logits, as DeepLab v2 has
    on ResNet-101. What gives the logits starts from a Gaussian of 0.01.

    Args:
        backbone: of stride 8, as published, or 16, where rates are half as large.
        n_labels: background included.
        rates: dilations at stride 8.
        average: 3 x 3 mean over the map first, on VGG-16 (DeepLab v1's pool5a).
    """

    def __init__(
        self, backbone: Backbone, n_labels: int, rates: Sequence[int], average: bool = False
    ) -> None:
        super().__init__()
        self.stride = backbone.output_stride
        inputs, vgg = backbone.channels[-1], facts_of(backbone.name).vgg
        self.linear = not vgg
        self.average = nn.AvgPool2d(3, stride=1, padding=1) if average and vgg else nn.Identity()
        self.branches = nn.ModuleList()
        for rate in (rate * 8 // self.stride for rate in rates):
            layers: list[nn.Module] = []
            if vgg:
                layers.append(ConvolvedClassifier(inputs, FC_WIDTH, 3, rate, padding=rate))
                score = nn.Conv2d(FC_WIDTH, n_labels, 1)
            else:
                score = nn.Conv2d(inputs, n_labels, 3, padding=rate, dilation=rate)
            nn.init.normal_(score.weight, std=0.01)
            assert score.bias is not None
            nn.init.zeros_(score.bias)
            self.branches.append(nn.Sequential(*layers, score))

    def forward(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        x = self.average(maps[-1])
        total = self.branches[0](x)
        for branch in self.branches[1:]:
            total = total + branch(x)
        return total

    @torch.no_grad()
    def start_from(self, weight: Tensor, bias: Tensor) -> None:
        if not self.linear:
            super().start_from(weight, bias)
        for conv in (part for part in self.branches.modules() if isinstance(part, nn.Conv2d)):
            assert conv.bias is not None
            conv.weight.zero_()
            conv.weight[:, :, 1, 1] = weight / len(self.branches)
            conv.bias.copy_(bias / len(self.branches))
