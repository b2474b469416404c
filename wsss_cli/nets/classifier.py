"""The multi-label classifier whose class activation maps start the chain."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..machine.precision import full_precision, no_autocast
from .base import Backbone


class Classifier(nn.Module):
    """Backbone, global average pooling, and a 1 x 1 convolution without bias.

    Pooling and a linear layer without bias commute, so a class's logit is the mean of its map:
    the map says where the logit came from (CAM; Zhou et al., CVPR 2016, section 2).

    Attributes:
        backbone: a `Backbone`.
        head: the 1 x 1 convolution, weight (C, D, 1, 1).
        stride: image pixels per map cell.
        spreads: whether maps, once fused, are spread from their minimum to their maximum, instead
            of divided by their maximum.
    """

    spreads = False

    def __init__(self, backbone: Backbone, n_classes: int, dropout: float = 0.0) -> None:
        """
        Args:
            backbone: its last map is classified.
            n_classes: C >= 1.
            dropout: share of feature channels dropped in training (.5 in PSA, none in IRN).
                Dropped from the pooled vector, which equals dropping whole channels of the map.

        Raises:
            ValueError: no classes.
        """
        super().__init__()
        if n_classes < 1:
            raise ValueError(f"a classifier of {n_classes} classes")
        self.backbone = backbone
        self.dropout: nn.Module = nn.Dropout(dropout)
        self.head = nn.Conv2d(backbone.channels[-1], n_classes, 1, bias=False)
        self.n_classes = n_classes
        self.stride = backbone.output_stride

    def forward(self, x: Tensor) -> Any:
        """Logits (B, C) float32 of images (B, 3, H, W), under autocast too."""
        features = self.backbone(x)[-1]
        with no_autocast(x):
            pooled = self.dropout(full_precision(features).mean(dim=(2, 3)))
            return F.linear(pooled, self.head.weight.flatten(1))

    def cam_logits(self, x: Tensor) -> Tensor:
        """Maps (B, C, h, w) float32 before ReLU, (h, w) = grid_size(H, W, stride).

        In eval mode their mean over the cells is `forward(x)`, up to rounding; maps and logits of
        the same images need only this one call.
        """
        features = self.backbone(x)[-1]
        with no_autocast(x):
            return F.conv2d(full_precision(features), self.head.weight)

    def seen(self, x: Tensor, classes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What `make-cam` draws of images (B, 3, H, W), and what is recognised in them.

        Args:
            classes: (K,) int64 class indices to draw, or (B, K) of each image; None for all.

        Returns:
            maps (B, K, h, w) float32 before ReLU; logits (B, C), or of the K classes alone.
        """
        features = self.backbone(x)[-1]
        with no_autocast(x):
            maps = head_maps(self.head, full_precision(features), classes)
        return maps, maps.mean(dim=(2, 3))


def head_maps(head: nn.Conv2d, features: Tensor, classes: Tensor | None) -> Tensor:
    """What a 1 x 1 convolution gives of some of its classes.

    Args:
        features: (B, D, h, w).
        classes: (K,) class indices, or (B, K) of each image; None for all.

    Returns:
        (B, K, h, w).
    """
    weight, bias = head.weight, head.bias
    if classes is None or classes.dim() == 1:
        rows = slice(None) if classes is None else classes
        return F.conv2d(features, weight[rows], None if bias is None else bias[rows])
    maps = torch.bmm(weight.flatten(1)[classes], features.flatten(2))
    if bias is not None:
        maps = maps + bias[classes][..., None]
    return maps.unflatten(2, features.shape[2:])
