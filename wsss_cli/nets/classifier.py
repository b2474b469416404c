"""The multi-label classifier whose class activation maps start the chain."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.pooling import SHARPNESS, check_pool, pooled
from ..machine.precision import full_precision, no_autocast
from .base import Backbone


class Classifier(nn.Module):
    """Backbone, a 1 x 1 convolution without bias, and pooling.

    A class's logit is pooled from its map, so the map says where the logit came from. With global
    average pooling the mean may be taken first, since it and a linear layer without bias commute
    (CAM; Zhou et al., CVPR 2016, section 2).

    Attributes:
        backbone: a `Backbone`.
        head: the 1 x 1 convolution, weight (C, D, 1, 1).
        pool, sharpness: from map to logit, as `core.pooling.pooled` takes them.
        exclusive: whether an image is taken to show one class, and a softmax says which.
        stride: image pixels per map cell.
        spreads: whether maps, once fused, are spread from their minimum to their maximum, instead
            of divided by their maximum.
    """

    spreads = False

    def __init__(
        self,
        backbone: Backbone,
        n_classes: int,
        dropout: float = 0.0,
        *,
        pool: str = "gap",
        sharpness: float = SHARPNESS,
        exclusive: bool = False,
    ) -> None:
        """
        Args:
            backbone: its last map is classified.
            n_classes: C >= 1.
            dropout: share of feature channels dropped in training (.5 in PSA, none in IRN).
                Whole channels of the last map, or what equals them in their means.
            pool, sharpness, exclusive: see above.

        Raises:
            ValueError: no classes, or no such pooling.
        """
        super().__init__()
        if n_classes < 1:
            raise ValueError(f"a classifier of {n_classes} classes")
        check_pool(pool, sharpness)
        self.pool, self.sharpness, self.exclusive = pool, sharpness, exclusive
        self.backbone = backbone
        self.dropout: nn.Module = nn.Dropout(dropout)
        self.head = nn.Conv2d(backbone.channels[-1], n_classes, 1, bias=False)
        self.n_classes = n_classes
        self.stride = backbone.output_stride

    def forward(self, x: Tensor) -> Any:
        """Logits (B, C) float32 of images (B, 3, H, W), under autocast too."""
        features = self.backbone(x)[-1]
        with no_autocast(x):
            features = full_precision(features)
            if self.pool == "gap":
                means = self.dropout(features.mean(dim=(2, 3)))
                return F.linear(means, self.head.weight.flatten(1))
            kept = self.dropout(features.new_ones((*features.shape[:2], 1, 1)))
            return self._logits(F.conv2d(features * kept, self.head.weight))

    def _logits(self, maps: Tensor) -> Tensor:
        return pooled(maps, self.pool, self.sharpness)

    def cam_logits(self, x: Tensor) -> Tensor:
        """Maps (B, C, h, w) float32 before ReLU, (h, w) = grid_size(H, W, stride).

        In eval mode `forward(x)` is pooled from them, up to rounding; maps and logits of the same
        images need only this one call.
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
        return maps, self._logits(maps)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Of each class being in an image, of logits (..., C) of all classes."""
        return logits.softmax(dim=-1) if self.exclusive else logits.sigmoid()


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
