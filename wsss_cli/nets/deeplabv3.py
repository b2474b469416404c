"""DeepLab v3: an atrous pyramid and image pooling, concatenated."""

from __future__ import annotations

from torchvision.models.segmentation.deeplabv3 import DeepLabHead

from .base import Backbone
from .heads import Head, LastMapHead
from .pyramid import norm_each_image, rates_of


def head(backbone: Backbone, n_labels: int) -> Head:
    """torchvision's."""
    layers = DeepLabHead(backbone.channels[-1], n_labels, rates_of(backbone))
    norm_each_image(layers)
    return LastMapHead(layers, backbone.output_stride)
