"""SEAM's classifier: maps of an image and of its small copy, refined by pixel correlation."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.seam import correlation_input, pixel_correlation
from ..machine.precision import autocast_to, full_precision, no_autocast
from .base import Backbone
from .classifier import Classifier

PAIR_SCALE = 0.3
LOW, MIDDLE, FEATURES = 64, 128, 192  # channels: of two backbone maps, and of what is correlated


class SeamNet(Classifier):
    """A classifier whose maps a pixel correlation module refines.

    The published head has a background channel that no loss reaches; here there is none.

    Attributes:
        low, middle: 1 x 1 convolutions of the backbone's third and fourth maps, both of stride 8
            in the published network; here they are resized to the last map's grid.
        project: 1 x 1 convolution of these and of the image to the features correlated.
        pair_scale: of the small copy.

    Source: SEAM (Wang et al., CVPR 2020), section 3.3, and its code.
    """

    spreads = True

    def __init__(
        self,
        backbone: Backbone,
        n_classes: int,
        dropout: float = 0.0,
        *,
        pair_scale: float = PAIR_SCALE,
        suppress: bool = True,
        detach: bool = True,
    ) -> None:
        """
        Args:
            backbone, n_classes: as for `Classifier`.
            dropout: share of the last map's channels dropped in training.
            pair_scale: side of the small copy over the image's, below 1.
            suppress: as `correlation_input` takes it.
            detach: keep what is correlated from training the backbone.
        """
        super().__init__(backbone, n_classes, dropout)
        self.dropout = nn.Dropout2d(dropout)
        self.low = nn.Conv2d(backbone.channels[2], LOW, 1, bias=False)
        self.middle = nn.Conv2d(backbone.channels[3], MIDDLE, 1, bias=False)
        self.project = nn.Conv2d(3 + LOW + MIDDLE, FEATURES, 1, bias=False)
        nn.init.kaiming_normal_(self.low.weight)
        nn.init.kaiming_normal_(self.middle.weight)
        nn.init.xavier_uniform_(self.project.weight, gain=4)
        self.pair_scale, self.suppress, self.detach = pair_scale, suppress, detach

    def forward(self, x: Tensor) -> Any:
        """Logits (B, C); in training mode the maps of the images and of their small copies.

        Returns:
            in training mode `cams`, two tensors (B, C, h, w) and (B, C, h', w') before ReLU, and
            `refined`, (B, 1 + C, h, w) and (B, 1 + C, h', w') in [0, 1], background first.
        """
        if not self.training:
            return self.cam_logits(x).mean(dim=(2, 3))
        size = (x.shape[-2], x.shape[-1])
        small = F.interpolate(
            x, size=small_size(size, self.pair_scale), mode="bilinear", align_corners=True
        ).contiguous(memory_format=torch.channels_last)
        one, other = self.maps(x), self.maps(small)
        return {"cams": (one[0], other[0]), "refined": (one[1], other[1])}

    def maps(self, x: Tensor, classes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Maps (B, C, h, w) float32 before ReLU, and refined (B, 1 + C, h, w).

        With `classes`, (K,) or (B, K), the refined maps are those of these alone, (B, K, h, w).
        """
        products = None if self.training else autocast_to(x)
        maps = self.backbone(x)
        with no_autocast(x):
            low, middle, last = (full_precision(m) for m in (maps[2], maps[3], maps[4]))
            cam = F.conv2d(self.dropout(last), self.head.weight)
            size = (cam.shape[-2], cam.shape[-1])
            seen = [_placed(full_precision(x), size)]
            for layer, features in ((self.low, low), (self.middle, middle)):
                features = features.detach() if self.detach else features
                seen.append(_placed(layer(features).relu(), size))
            features = self.project(torch.cat(seen, dim=1))
            spread = correlation_input(cam, self.suppress)
            if classes is not None:
                image = torch.arange(len(x), device=x.device)[:, None]
                spread = spread[:, 1:][image, classes]  # (K,) serves all images
            return cam, pixel_correlation(spread, features, products=products)

    def seen(self, x: Tensor, classes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        cam, refined = self.maps(x, classes)
        return refined if classes is not None else refined[:, 1:], cam.mean(dim=(2, 3))


def small_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """(H', W') of a small copy, rounded down.

    >>> small_size((448, 448), 0.3)
    (134, 134)
    """
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))


def _placed(maps: Tensor, size: tuple[int, int]) -> Tensor:
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=True)
