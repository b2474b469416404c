"""U-Net's decoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .base import Backbone
from .grids import to_stride
from .heads import Head, conv_norm_relu

MAX_DECODER_WIDTH = 256


class UNetHead(Head):
    """Decoder of a U-Net (Ronneberger et al., MICCAI 2015) over a pretrained encoder.

    From the coarsest map to the finest: enlarge bilinearly to the next finer map's stride, join
    that map, two 3 x 3 convolutions with normalisation and ReLU. Where stages share a stride the
    deepest stands for them, so its output has the stride of the backbone's finest map.
    """

    def __init__(self, backbone: Backbone, n_labels: int) -> None:
        super().__init__()
        deepest = {stride: stage for stage, stride in enumerate(backbone.strides)}
        self.steps = [(deepest[s], s) for s in sorted(deepest, reverse=True)]
        width = backbone.channels[self.steps[0][0]]
        blocks = []
        for stage, _ in self.steps[1:]:
            skip = backbone.channels[stage]
            outputs = min(MAX_DECODER_WIDTH, max(skip, 32))
            layers = conv_norm_relu(width + skip, outputs, 3) + conv_norm_relu(outputs, outputs, 3)
            blocks.append(nn.Sequential(*layers))
            width = outputs
        self.blocks = nn.ModuleList(blocks)
        self.out = nn.Conv2d(width, n_labels, 1)
        self.stride = self.steps[-1][1]

    def forward(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        stage, stride = self.steps[0]
        x = maps[stage]
        for (stage, finer), block in zip(self.steps[1:], self.blocks, strict=True):
            x = torch.cat([to_stride(x, stride, finer, size), maps[stage]], dim=1)
            x, stride = block(x), finer
        return self.out(x)


def head(backbone: Backbone, n_labels: int) -> Head:
    """U-Net's decoder."""
    return UNetHead(backbone, n_labels)
