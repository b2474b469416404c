"""torchvision's fully convolutional network."""

from __future__ import annotations

from torchvision.models.segmentation.fcn import FCNHead

from .base import Backbone
from .heads import Head, LastMapHead


def head(backbone: Backbone, n_labels: int) -> Head:
    """torchvision's head: 3 x 3 to a quarter of the channels, dropout, 1 x 1."""
    return LastMapHead(FCNHead(backbone.channels[-1], n_labels), backbone.output_stride)
