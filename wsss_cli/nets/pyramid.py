"""The atrous pyramid of DeepLab v3, v3+ and the gated head, and the shallow stage that joins it."""

from __future__ import annotations

from torch import nn
from torchvision.models.segmentation.deeplabv3 import ASPPPooling

from .base import Backbone
from .norms import batch_to_group_norm

ATROUS_RATES = (6, 12, 18)  # at stride 16, DeepLabv3 (Chen et al., arXiv:1706.05587, table 6)
LOW_LEVEL_CHANNELS = 48  # DeepLab v3+ (Chen et al., ECCV 2018)
LOW_LEVEL_STAGE = 1


def rates_of(backbone: Backbone) -> list[int]:
    """Dilations of the pyramid, which reach as many pixels at any output stride."""
    return [rate * 16 // backbone.output_stride for rate in ATROUS_RATES]


def norm_each_image(head: nn.Module) -> None:
    """Image pooling has one value per channel and image: no batch statistics."""
    for module in head.modules():
        if isinstance(module, ASPPPooling):
            batch_to_group_norm(module)
