"""The networks of OAA: a classifier with a deeper head, and the same with an output a cell."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..machine.precision import full_precision, no_autocast
from .base import Backbone
from .classifier import Classifier, head_maps

WIDTH = 512  # channels of the added layers


class AttentionNet(Classifier):
    """A classifier that gives its maps in training too; or one of cells, without pooling.

    Attributes:
        extra: `layers` 3 x 3 convolutions, each with ReLU.
        head: 1 x 1 convolution; with a bias where there are extra layers, as published.
        dense: each cell has its own answer; an image's logits are its cells' maxima.

    Source: OAA (Jiang et al., ICCV 2019) and its code, whose network is VGG-16 at stride 8 with
    three such layers.
    """

    def __init__(
        self,
        backbone: Backbone,
        n_classes: int,
        dropout: float = 0.0,
        *,
        layers: int = 3,
        dense: bool = False,
    ) -> None:
        super().__init__(backbone, n_classes, dropout)
        self.dropout = nn.Dropout2d(dropout)
        extra: list[nn.Module] = []
        width = backbone.channels[-1]
        for _ in range(layers):
            conv = nn.Conv2d(width, WIDTH, 3, padding=1)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # it has one
            extra += [conv, nn.ReLU()]
            width = WIDTH
        self.extra = nn.Sequential(*extra)
        if layers:
            self.head = nn.Conv2d(width, n_classes, 1)
            nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        self.dense = dense

    def forward(self, x: Tensor) -> Any:
        """Logits (B, C); in training mode `logits` and `maps` (B, C, h, w), before ReLU."""
        maps, logits = self.seen(x)
        return {"logits": logits, "maps": maps} if self.training else logits

    def cam_logits(self, x: Tensor) -> Tensor:
        return self.seen(x)[0]

    def seen(self, x: Tensor, classes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        features = self.extra(self.dropout(self.backbone(x)[-1]))
        with no_autocast(x):
            maps = head_maps(self.head, full_precision(features), classes)
        return maps, maps.amax(dim=(2, 3)) if self.dense else maps.mean(dim=(2, 3))


class MapsOf(nn.Module):
    """A classifier seen as what makes its maps, for `predictions`."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) before ReLU."""
        return self.model.cam_logits(x)
