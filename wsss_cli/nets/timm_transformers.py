"""timm's transformers as backbones: tokens as maps, for images of any size.

A transformer has no strides that could be removed. At output stride s the image is resized so that
what its last map has one cell for covers s pixels: of a ViT with patches of 16 at stride 16 the
image itself is seen, at stride 8 one twice as large; patches of 14 at stride 16 see 7/8 of its
size. Before, the image is padded on the right and below, with 0, to whole cells: they stay where
`core.grid` has them.

Position embeddings: absolute ones are resampled as timm does with `dynamic_img_size`, bicubic with
antialiasing, from the grid that they were trained on; rotary ones and the relative ones of windows
follow the network's own rule.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.normalisation import Normalisation
from .base import STAGES, Backbone

# What timm is told so that a network takes images of any size, by its class.
TRANSFORMERS: dict[str, dict[str, Any]] = {
    "VisionTransformer": {"dynamic_img_size": True},
    "VisionTransformerDistilled": {"dynamic_img_size": True},
    "Eva": {"dynamic_img_size": True},
    "SwinTransformer": {"strict_img_size": False, "drop_path_rate": 0.0},
    "SwinTransformerV2": {"strict_img_size": False, "drop_path_rate": 0.0},
}
WINDOWED = "layers"  # what Swin calls its stages; the others have blocks of one stride


def shape_of(net: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Channels of the five maps, and pixels of the image that the network sees per cell.

    They are the patches' embedding and the four stages of a Swin, and blocks of all others.
    """
    info = net.feature_info
    taken = [info[0], *info] if hasattr(net, WINDOWED) else [info[k] for k in ends(len(info))]
    return tuple(one["num_chs"] for one in taken), tuple(one["reduction"] for one in taken)


def ends(depth: int) -> list[int]:
    """The blocks after which maps are taken, evenly spread, the last among them.

    >>> ends(12), ends(24)
    ([2, 4, 7, 9, 11], [4, 9, 14, 19, 23])
    """
    return [-(-depth * (k + 1) // STAGES) - 1 for k in range(STAGES)]


class TransformerBackbone(Backbone):
    """A transformer of timm's. Its tokens of the image are the maps, without those of no place.

    Maps of blocks have the final normalisation, as the last one's have it for the classifier; of a
    Swin only the last has it.
    """

    def __init__(
        self,
        name: str,
        net: Any,
        output_stride: int,
        dilated: bool,
        normalisation: Normalisation,
    ) -> None:
        """
        Args:
            name: "timm:NAME".
            net: of a class in TRANSFORMERS, built with its options.
            output_stride: pixels of the image per cell of the last map.
            dilated: kept for the config; it changes nothing.
            normalisation: of its images.
        """
        channels, strides = shape_of(net)
        native = strides[-1]
        scaled = [stride * output_stride // native for stride in strides]
        if any(stride * output_stride % native for stride in strides):
            raise ValueError(f"{name} has no maps at output stride {output_stride}")
        first = [key for key in ("patch_embed", "norm_pre") if hasattr(net, key)]
        if hasattr(net, WINDOWED):
            stages = [first, *([f"{WINDOWED}.{k}"] for k in range(len(net.layers)))]
        else:
            cuts = [-1, *ends(len(net.blocks))]
            stages = [[f"blocks.{k + 1}" for k in range(*span)] for span in pairwise(cuts)]
            stages[0] = first + stages[0]
        stages[-1] = [*stages[-1], "norm"]
        paths = [[f"net.{path}" for path in stage] for stage in stages]
        super().__init__(
            name, {"net": net}, paths, channels, scaled, dilated, None, normalisation, floors=True
        )
        self.inside = "net."
        self.classifier = ("head.", "head_dist.", "fc.", "classifier.")
        self.out = nn.Identity()  # a layer that the last map comes from, to look into
        self._native = native
        for key in ("fc_norm", "attn_pool", "head"):  # what only its own classifier sees
            if isinstance(getattr(net, key, None), nn.Module):
                getattr(net, key).requires_grad_(False)

    def freeze_stages(self, count: int) -> Backbone:
        super().freeze_stages(count)
        if self.frozen_stages:  # class token and positions
            for parameter in self.net.parameters(recurse=False):  # type: ignore[union-attr]
                parameter.requires_grad_(False)
        return self

    def _maps(self, x: Tensor, finer: bool) -> list[Tensor]:
        if self._native != self.output_stride:
            h, w = (side // self.output_stride * self._native for side in x.shape[-2:])
            smaller = self._native < self.output_stride
            x = F.interpolate(x, size=(h, w), mode="bilinear", antialias=smaller)
        trains = torch.is_grad_enabled() and self.frozen_stages < STAGES
        with torch.set_grad_enabled(trains):
            maps = self._windowed(x) if hasattr(self.net, WINDOWED) else self._tokens(x)
            maps[-1] = self.out(maps[-1])
        return [m.detach() if k < self.frozen_stages else m for k, m in enumerate(maps)]

    def _tokens(self, x: Tensor) -> list[Tensor]:
        net: Any = self.net
        found: list[Tensor] = net.forward_intermediates(
            x, indices=ends(len(net.blocks)), norm=True, intermediates_only=True
        )
        return found

    def _windowed(self, x: Tensor) -> list[Tensor]:
        net: Any = self.net
        maps = [net.patch_embed(x)]
        for layer in net.layers:
            maps.append(layer(maps[-1]))
        maps[-1] = net.norm(maps[-1])
        return [m.permute(0, 3, 1, 2).contiguous() for m in maps]
