"""The head of FCN-32s and FCN-8s: scores of coarse maps, enlarged with fixed weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .base import Backbone
from .convolved import FC_SIDE, ConvolvedClassifier
from .grids import to_stride
from .heads import Head, unframed
from .names import facts_of

FC_WIDTH = 4096
SKIP_STRIDES = (16, 8)  # FCN-8s: pool4 and pool3 on VGG-16


class StridedHead(Head):
    """FCN-32s and FCN-8s (Long et al., CVPR 2015; Shelhamer et al., TPAMI 2017).

    Scores of the stride-32 map are enlarged bilinearly with fixed weights; FCN-8s goes by way of
    strides 16 and 8 and adds there the scores of those maps, so that its logits have stride 8.
    Every score layer starts from zero. On VGG-16 the scores are those of the convolutional fc6
    (7 x 7) and fc7, and the skips are pool4 and pool3; on other backbones, of the last stage
    itself and of the stages of strides 16 and 8.

    fc6 is not padded: the image gets a frame of 96 pixels, three cells of stride 32, instead. The
    published frame of 100 shifts all cells by 3 pixels, which its crops undo.

    Args:
        backbone: of output stride 32.
        n_labels: background included.
        skips: FCN-8s.

    Raises:
        ValueError: FCN-8s on a backbone without maps of strides 16 and 8.
    """

    def __init__(self, backbone: Backbone, n_labels: int, skips: bool) -> None:
        super().__init__()
        self.pooled = facts_of(backbone.name).vgg  # stages end before their pool
        stages = dict(zip(backbone.strides, range(len(backbone.strides)), strict=True))
        if skips and not self.pooled and not stages.keys() >= set(SKIP_STRIDES):
            raise ValueError(f"{backbone.name} has no maps of strides 16 and 8 beside its last")
        inputs = backbone.channels[-1]
        self.fc: nn.Module = nn.Identity()
        if self.pooled:
            self.fc = ConvolvedClassifier(inputs, FC_WIDTH, FC_SIDE)
            self.frame = FC_SIDE // 2 * backbone.output_stride
            inputs = FC_WIDTH
        self.score = _score(inputs, n_labels)
        self.sources = [stages[s // 2 if self.pooled else s] for s in SKIP_STRIDES if skips]
        self.skips = nn.ModuleList(_score(backbone.channels[k], n_labels) for k in self.sources)
        self.stride = SKIP_STRIDES[-1] if skips else backbone.output_stride
        self.coarse = backbone.output_stride

    @torch.no_grad()
    def start_from(self, weight: Tensor, bias: Tensor) -> None:
        if self.pooled:
            super().start_from(weight, bias)
        assert self.score.bias is not None
        self.score.weight.copy_(weight[:, :, None, None])
        self.score.bias.copy_(bias)

    def forward(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        scores, coarse = self.score(self.fc(maps[-1])), self.coarse
        for stride, source, score in zip(SKIP_STRIDES, self.sources, self.skips, strict=False):
            skip = maps[source]
            if self.pooled:
                skip = F.max_pool2d(skip, 2, ceil_mode=True)
            skip = unframed(skip, stride, self.frame, size)
            scores = to_stride(scores, coarse, stride, size) + score(skip)
            coarse = stride
        return scores


def _score(inputs: int, n_labels: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, n_labels, 1)
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
