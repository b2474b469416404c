"""Segmentation networks, by name, on any backbone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchvision.models.segmentation.deeplabv3 import ASPPPooling, DeepLabHead
from torchvision.models.segmentation.fcn import FCNHead

from ..core.grid import upsample_grid
from .base import Backbone
from .grids import to_stride
from .names import HEAD_NORMS
from .norms import batch_to_group_norm
from .precision import full_precision

ATROUS_RATES = (6, 12, 18)  # at stride 16, DeepLabv3 (Chen et al., arXiv:1706.05587, table 6)
AUX_STAGE = 3
MAX_DECODER_WIDTH = 256


class Head(nn.Module):
    """From the backbone's five maps to logits.

    `forward(maps, size)` takes the five maps and the (H, W) of the input, and returns logits
    (B, n_labels, ceil(H / stride), ceil(W / stride)).
    """

    stride: int


class LastMapHead(Head):
    """A head that looks at the backbone's last map only."""

    def __init__(self, layers: nn.Module, stride: int) -> None:
        super().__init__()
        self.layers = layers
        self.stride = stride

    def forward(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        return self.layers(maps[-1])


class UNetHead(Head):
    """Decoder of a U-Net (Ronneberger et al., MICCAI 2015) over a pretrained encoder.

    From the coarsest map to the finest: enlarge bilinearly to the next finer map's stride, join
    that map, two 3 x 3 convolutions with normalisation and ReLU. Where stages share a stride the
    deepest stands for them, so its output has the stride of the backbone's finest map.
    """

    def __init__(self, backbone: Backbone, n_labels: int) -> None:
        super().__init__()
        deepest = {stride: stage for stage, stride in enumerate(backbone.strides)}
        self.steps = [(deepest[s], s) for s in sorted(deepest, reverse=True)]
        width = backbone.channels[self.steps[0][0]]
        blocks = []
        for stage, _ in self.steps[1:]:
            skip = backbone.channels[stage]
            outputs = min(MAX_DECODER_WIDTH, max(skip, 32))
            blocks.append(_double_conv(width + skip, outputs))
            width = outputs
        self.blocks = nn.ModuleList(blocks)
        self.out = nn.Conv2d(width, n_labels, 1)
        self.stride = self.steps[-1][1]

    def forward(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        stage, stride = self.steps[0]
        x = maps[stage]
        for (stage, finer), block in zip(self.steps[1:], self.blocks, strict=True):
            x = torch.cat([to_stride(x, stride, finer, size), maps[stage]], dim=1)
            x, stride = block(x), finer
        return self.out(x)


def _double_conv(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (inputs, outputs):
        layers.append(nn.Conv2d(width, outputs, 3, padding=1, bias=False))
        layers += [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class Segmenter(nn.Module):
    """Backbone, head, and enlargement to the input's size.

    Attributes:
        backbone: a `Backbone`.
        head: from the five maps to logits of stride head.stride.
        aux_head: the same from the stride-16 stage, for training only, or None.
    """

    def __init__(self, backbone: Backbone, head: Head, aux_head: Head | None) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.aux_head = aux_head

    def forward(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        """Logits (B, n_labels, H, W) float32 of images (B, 3, H, W).

        In train mode with an auxiliary head: {"out": logits, "aux": its logits} of that shape.
        """
        size = (x.shape[-2], x.shape[-1])
        maps = self.backbone(x)
        out = upsample_grid(full_precision(self.head(maps, size)), size, self.head.stride)
        if self.aux_head is None or not self.training:
            return out
        aux = full_precision(self.aux_head(maps[: AUX_STAGE + 1], size))
        return {"out": out, "aux": upsample_grid(aux, size, self.aux_head.stride)}


def _deeplabv3(backbone: Backbone, n_labels: int) -> Head:
    rates = [rate * 16 // backbone.output_stride for rate in ATROUS_RATES]
    head = DeepLabHead(backbone.channels[-1], n_labels, rates)
    for module in head.modules():
        if isinstance(module, ASPPPooling):
            batch_to_group_norm(module)  # one value per channel and image: no batch statistics
    return LastMapHead(head, backbone.output_stride)


def _fcn(backbone: Backbone, n_labels: int) -> Head:
    return LastMapHead(FCNHead(backbone.channels[-1], n_labels), backbone.output_stride)


HEADS: dict[str, Callable[[Backbone, int], Head]] = {
    "deeplabv3": _deeplabv3,
    "fcn": _fcn,
    "unet": UNetHead,
}


def build_segmenter(
    model: str, backbone: Backbone, n_labels: int, aux: bool = False, norm: str = "group"
) -> Segmenter:
    """A segmentation network with a fresh head.

    Args:
        model: a name in `HEADS`: 'deeplabv3' and 'fcn' with torchvision's heads (atrous rates
            6, 12, 18 at stride 16, scaled with the output stride), 'unet'. Add an entry for more.
        backbone: of any output stride; DeepLabv3 and FCN are meant for dilated ones.
        n_labels: background included, >= 1.
        aux: add an FCN head on the stride-16 stage, whose loss helps training.
        norm: in the heads, 'group' (the default: right for any batch size, one image included)
            or 'batch' (as published; wants about 8 images per device). DeepLabv3's image
            pooling branch has group norm either way, since it has one value per image.

    Returns:
        The network, in train mode.

    Raises:
        ValueError: unknown model or norm, or no labels.
    """
    if model not in HEADS:
        raise ValueError(f"unknown model {model!r}; there are {', '.join(HEADS)}")
    if norm not in HEAD_NORMS:
        raise ValueError(f"unknown norm {norm!r}; there are {', '.join(HEAD_NORMS)}")
    if n_labels < 1:
        raise ValueError(f"a segmentation into {n_labels} labels")
    head = HEADS[model](backbone, n_labels)
    aux_head: Head | None = None
    if aux:
        layers = FCNHead(backbone.channels[AUX_STAGE], n_labels)
        aux_head = LastMapHead(layers, backbone.strides[AUX_STAGE])
    if norm == "group":
        for part in (head, aux_head):
            if part is not None:
                batch_to_group_norm(part)
    return Segmenter(backbone, head, aux_head)
