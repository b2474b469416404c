"""A segmentation network with a second head, of tags, whose maps it can learn from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.cam import View, fuse_views
from ..core.grid import grid_size
from ..machine.precision import full_precision, no_autocast
from .classifier import Classifier
from .heads import unframed
from .segmentation import Segmenter


class TaggedSegmenter(Segmenter):
    """A `Segmenter` that also classifies the backbone's last map.

    In eval mode it is the segmenter it was made from.

    Attributes:
        tag_head: 1 x 1 convolution without bias, weight (C, D, 1, 1), as a `Classifier` has it.
        segments: in train mode, whether the segmentation head runs at all. Its parameters get
            zero gradients where it does not, so that a team of processes need not know.
    """

    def __init__(self, net: Segmenter, n_classes: int, dropout: float = 0.0) -> None:
        """
        Args:
            net: its backbone and heads are shared with this network.
            n_classes: C >= 1.
            dropout: share of feature channels that the tags do without in training.
        """
        super().__init__(net.backbone, net.head, net.aux_head)
        self.tag_head = nn.Conv2d(net.backbone.channels[-1], n_classes, 1, bias=False)
        self.dropout: nn.Module = nn.Dropout(dropout)
        self.segments = True

    def forward(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        """Logits (B, n_labels, H, W) of images (B, 3, H, W); in train mode more.

        Returns:
            in train mode "tags", logits (B, C); and if it `segments` "out", with an auxiliary head
            "aux" too, as `Segmenter` returns them.
        """
        if not self.training:
            return super().forward(x)
        size = (x.shape[-2], x.shape[-1])
        maps = self.maps(x)
        features = self._features(maps, size)
        with no_autocast(x):
            pooled = self.dropout(full_precision(features).mean(dim=(2, 3)))
            tags = F.linear(pooled, self.tag_head.weight.flatten(1))
        if not self.segments:
            idle = [m for m in (self.head, self.aux_head) if m is not None]
            sums = (p.sum() for m in idle for p in m.parameters() if p.requires_grad)
            return {"tags": tags + 0 * sum(sums, tags.new_zeros(()))}
        out = self.logits(maps, size)
        return {"tags": tags, **(out if isinstance(out, dict) else {"out": out})}

    @property
    def classifier(self) -> Classifier:
        """The classifier that it holds, sharing its parameters."""
        model = Classifier(self.backbone, self.tag_head.out_channels)
        model.head = self.tag_head
        return model.train(self.training)

    @torch.no_grad()
    def class_maps(self, x: Tensor, scales: Sequence[float], stride: int) -> Tensor:
        """Class activation maps of images at several scales, each rectified, added up.

        Args:
            x: (B, 3, H, W).
            scales: factors of the images' sides; resized bilinearly.
            stride: pixels of an image per cell of the maps.

        Returns:
            (B, C, h, w) float32, at least 0, (h, w) = grid_size(H, W, stride), of the network in
            eval mode. Not yet normalised.
        """
        training = self.training
        self.eval()
        try:
            views = [self._view(x, scale) for scale in scales]
        finally:
            self.train(training)
        size = (x.shape[-2], x.shape[-1])
        shape = (len(x), self.tag_head.out_channels, *grid_size(*size, stride))
        return fuse_views(views, size, stride).view(shape)

    def _view(self, x: Tensor, scale: float) -> View:
        """The maps of all images of a batch, one after the other, at one scale."""
        if scale != 1:
            sides = [max(1, round(side * scale)) for side in x.shape[-2:]]
            x = F.interpolate(x, size=sides, mode="bilinear", align_corners=False)
            x = x.contiguous(memory_format=torch.channels_last)
        size = (x.shape[-2], x.shape[-1])
        features = self._features(self.maps(x), size)
        with no_autocast(x):
            maps = F.conv2d(full_precision(features), self.tag_head.weight)
        return View(maps.flatten(0, 1), size, self.backbone.output_stride)

    def _features(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        """The last map's cells that the images themselves have."""
        return unframed(maps[-1], self.backbone.output_stride, self.head.frame, size)
