"""The heads of DeepLab's four versions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models.segmentation.deeplabv3 import ASPP, ASPPPooling, DeepLabHead

from .base import Backbone
from .grids import to_stride
from .names import BACKBONE_FACTS
from .norms import batch_to_group_norm
from .segmentation_base import Head, LastMapHead, conv_norm_relu
from .segmentation_fc import ConvolvedClassifier

LARGE_FOV = (12,)  # at stride 8, DeepLab v1 (Chen et al., ICLR 2015)
SUMMED_RATES = (6, 12, 18, 24)  # at stride 8, DeepLab v2's ASPP-L (Chen et al., arXiv:1606.00915)
ATROUS_RATES = (6, 12, 18)  # at stride 16, DeepLabv3 (Chen et al., arXiv:1706.05587, table 6)
FC_WIDTH = 1024  # of the convolutional fc6 and fc7 on VGG-16
LOW_LEVEL_CHANNELS, DECODER_CHANNELS = 48, 256  # DeepLab v3+ (Chen et al., ECCV 2018)
LOW_LEVEL_STAGE = 1


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
        inputs, vgg = backbone.channels[-1], BACKBONE_FACTS[backbone.name].vgg
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


def deeplabv1(backbone: Backbone, n_labels: int) -> Head:
    """LargeFOV: one convolution of dilation 12."""
    return SummedHead(backbone, n_labels, LARGE_FOV, average=True)


def deeplabv2(backbone: Backbone, n_labels: int) -> Head:
    """ASPP: dilations 6, 12, 18 and 24, summed."""
    return SummedHead(backbone, n_labels, SUMMED_RATES)


def deeplabv3(backbone: Backbone, n_labels: int) -> Head:
    """torchvision's head: atrous pyramid and image pooling, concatenated."""
    head = DeepLabHead(backbone.channels[-1], n_labels, rates_of(backbone))
    norm_each_image(head)
    return LastMapHead(head, backbone.output_stride)


def rates_of(backbone: Backbone) -> list[int]:
    """Dilations of the pyramid, which reach as many pixels at any output stride."""
    return [rate * 16 // backbone.output_stride for rate in ATROUS_RATES]


def norm_each_image(head: nn.Module) -> None:
    """Image pooling has one value per channel and image: no batch statistics."""
    for module in head.modules():
        if isinstance(module, ASPPPooling):
            batch_to_group_norm(module)
