"""U-Net's decoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .base import Backbone
from .grids import to_stride
from .heads import Head, conv_norm_relu

MAX_DECODER_WIDTH = 256
MIN_DECODER_WIDTH = 32
IMAGE_WIDTH = 16  # of the full-resolution level that sees the image itself


class UNetHead(Head):
    """Decoder of a U-Net (Ronneberger et al., MICCAI 2015) over a pretrained encoder.

    From the coarsest map to the finest: enlarge bilinearly to the next finer map's stride, join
    that map, two 3 x 3 convolutions with normalisation and ReLU. Where maps share a stride the
    deepest stands for them. Stride 2 of a ResNet is that of its stem before the pool, stride 1 that
    of a VGG's first two convolutions; on other backbones two 3 x 3 convolutions of `IMAGE_WIDTH`
    channels look at the image, as the paper's first level does.

    Args:
        backbone: of any output stride.
        n_labels: background included.
        decoder_stride: pixels per cell of the logits; None for those of the backbone's finest
            stage.
    """

    def __init__(
        self, backbone: Backbone, n_labels: int, decoder_stride: int | None = None
    ) -> None:
        super().__init__()
        finest = backbone.strides[0] if decoder_stride is None else decoder_stride
        self.finer = finest < backbone.strides[0]
        sources = list(zip(backbone.strides, backbone.channels, strict=True))
        if self.finer:
            sources = [*backbone.finer, *sources]
        deepest = {stride: source for source, (stride, _) in enumerate(sources)}
        strides = sorted((s for s in deepest if s >= finest), reverse=True)
        self.steps = [(deepest[s], s) for s in strides]
        self.image: nn.Module | None = None
        width = sources[self.steps[0][0]][1]
        blocks = []
        for source, _ in self.steps[1:]:
            skip, least = sources[source][1], MIN_DECODER_WIDTH
            if self.finer and source == 0:
                skip = least = IMAGE_WIDTH
                self.image = _twice(sources[0][1], skip)
            outputs = min(MAX_DECODER_WIDTH, max(skip, least))
            blocks.append(_twice(width + skip, outputs))
            width = outputs
        self.blocks = nn.ModuleList(blocks)
        self.out = nn.Conv2d(width, n_labels, 1)
        self.stride = self.steps[-1][1]

    def forward(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        if self.image is not None:
            maps = [self.image(maps[0]), *maps[1:]]
        stage, stride = self.steps[0]
        x = maps[stage]
        for (stage, finer), block in zip(self.steps[1:], self.blocks, strict=True):
            x = torch.cat([to_stride(x, stride, finer, size), maps[stage]], dim=1)
            x, stride = block(x), finer
        return self.out(x)


def _twice(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*conv_norm_relu(inputs, outputs, 3), *conv_norm_relu(outputs, outputs, 3))


def head(backbone: Backbone, n_labels: int, decoder_stride: int | None = None) -> Head:
    """U-Net's decoder."""
    return UNetHead(backbone, n_labels, decoder_stride)
