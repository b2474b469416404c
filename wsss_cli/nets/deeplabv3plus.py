"""DeepLab v3+: v3's pyramid, and a decoder that sees a shallow stage too."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.segmentation.deeplabv3 import ASPP

from .base import Backbone
from .grids import to_stride
from .heads import Head, conv_norm_relu
from .pyramid import LOW_LEVEL_CHANNELS, LOW_LEVEL_STAGE, norm_each_image, rates_of

DECODER_CHANNELS = 256  # DeepLab v3+ (Chen et al., ECCV 2018)


class DecoderHead(Head):
    """DeepLab v3+: v3's pyramid, enlarged to stride 4 and joined with 48 channels of that stage.

    Two 3 x 3 convolutions of 256 channels with normalisation and ReLU, then 1 x 1 to logits.
    """

    def __init__(self, backbone: Backbone, n_labels: int) -> None:
        super().__init__()
        self.coarse = backbone.output_stride
        self.stride = backbone.strides[LOW_LEVEL_STAGE]
        low = backbone.channels[LOW_LEVEL_STAGE]
        self.aspp = ASPP(backbone.channels[-1], rates_of(backbone), DECODER_CHANNELS)
        norm_each_image(self.aspp)
        self.reduce = nn.Sequential(*conv_norm_relu(low, LOW_LEVEL_CHANNELS, 1))
        self.decode = nn.Sequential(
            *conv_norm_relu(DECODER_CHANNELS + LOW_LEVEL_CHANNELS, DECODER_CHANNELS, 3),
            *conv_norm_relu(DECODER_CHANNELS, DECODER_CHANNELS, 3),
            nn.Conv2d(DECODER_CHANNELS, n_labels, 1),
        )

    def forward(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        x = to_stride(self.aspp(maps[-1]), self.coarse, self.stride, size)
        return self.decode(torch.cat([x, self.reduce(maps[LOW_LEVEL_STAGE])], dim=1))


def head(backbone: Backbone, n_labels: int) -> Head:
    """v3's pyramid and the decoder."""
    return DecoderHead(backbone, n_labels)
