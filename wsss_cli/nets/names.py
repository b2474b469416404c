"""What can be built, by name, and what is known of it, without torch: `--help` and Tab are fast.

A backbone's facts are one entry of BACKBONE_FACTS, a segmentation network's one of SEGMENTER_FACTS.
Those of a backbone of timm's, "timm:NAME", are found by building it without weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.normalisation import IMAGENET, Normalisation


@dataclass(frozen=True)
class BackboneFacts:
    """A backbone as it was trained on ImageNet, at output stride 32.

    Attributes:
        channels: of the five maps that it gives.
        strides: image pixels per cell of these.
        features: indices in torchvision's `features` at which the five stages start, and the end;
            empty for a network of a stem and four layers, as torchvision's ResNets are.
        published: torchvision has ImageNet weights of it.
        vgg: it is of VGG's kind: strides are those of pools, before which stages end; no batch
            norm; and its fully connected fc6 and fc7 can become convolutions of a head.
        low_rate: score layers with many taps bear only a low learning rate on it.
        units: residual units of the last stage of a ResNet, which can have rates of their own; 0
            for other networks.
        inner: of the finest map within the first stage, where one is finer than what the stage
            gives: how many of the stage's modules make it, its stride, its channels.
        normalisation: of the images that it was trained on.
        floors: it gives floor(side / stride) cells, not the ceiling: images have to be padded.
        kind: of a network of timm's, the class that it is of.
        recorded: what a weights file has to say of it beside its name.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...] = (2, 4, 8, 16, 32)
    features: tuple[int, ...] = ()
    published: bool = True
    vgg: bool = False
    low_rate: bool = False
    units: int = 0
    inner: tuple[int, int, int] | None = None
    normalisation: Normalisation = IMAGENET
    floors: bool = False
    kind: str = ""
    recorded: dict[str, Any] = field(default_factory=dict)


def _resnet(channels: tuple[int, ...], units: int = 3) -> BackboneFacts:
    """A ResNet, whose stem ends in a pool: the map before it has stride 2."""
    return BackboneFacts(channels, (4, 4, 8, 16, 32), units=units, inner=(3, 2, 64))


BACKBONE_FACTS = {
    "resnet18": _resnet((64, 64, 128, 256, 512), units=2),
    "resnet34": _resnet((64, 64, 128, 256, 512)),
    "resnet50": _resnet((64, 256, 512, 1024, 2048)),
    "resnet101": _resnet((64, 256, 512, 1024, 2048)),
    "resnext50_32x4d": _resnet((64, 256, 512, 1024, 2048)),
    "resnext101_32x8d": _resnet((64, 256, 512, 1024, 2048)),
    "mobilenet_v2": BackboneFacts(
        (16, 24, 32, 96, 1280), features=(0, 2, 4, 7, 14, 19), low_rate=True
    ),
    "mobilenet_v3_large": BackboneFacts(
        (16, 24, 40, 112, 960), features=(0, 2, 4, 7, 13, 17), low_rate=True
    ),
    # from conv1_1, pool2, pool3, pool4, pool5: s8 and s16 end in conv4_3 and conv5_3, as PSA takes
    "vgg16": BackboneFacts(
        (128, 256, 512, 512, 512),
        features=(0, 9, 16, 23, 30, 31),
        vgg=True,
        inner=(4, 1, 64),  # conv1_2
    ),
    "tiny": BackboneFacts((16, 32, 64, 128, 160), published=False),
}
BACKBONES = tuple(BACKBONE_FACTS)
OUTPUT_STRIDES = (8, 16, 32)
TIMM = "timm:"  # before the names of timm's networks


def facts_of(backbone: str) -> BackboneFacts:
    """What is known of a backbone, of ours or timm's. Of timm's, torch and timm are loaded.

    Raises:
        UsageError: timm is not installed.
        ValueError: there is no such backbone.
    """
    if backbone.startswith(TIMM):
        from .timm_zoo import timm_facts

        return timm_facts(backbone.removeprefix(TIMM))
    if backbone not in BACKBONE_FACTS:
        raise ValueError(f"unknown backbone {backbone!r}; there are {', '.join(BACKBONES)}")
    return BACKBONE_FACTS[backbone]


@dataclass(frozen=True)
class SegmenterFacts:
    """A segmentation network, which the function `head` of the module `nets.NAME` builds.

    Attributes:
        strides: output strides that make sense, the published one first.
        linear: one layer makes its logits, which a linear probe can start; on a VGG it has fc6.
        aux_weight: usual weight of the auxiliary head's loss; torchvision's, or 0 for no such head.
        many_taps: its score layers have so many taps that they bear only a low learning rate on
            some backbones.
        multi_grid: rates of the residual units of the backbone's last stage as published, in
            multiples of the stage's own; empty for none.
        decoder: its logits have the stride of the backbone's finest stage, unless told.
    """

    strides: tuple[int, ...] = (16, 8, 32)
    linear: bool = False
    aux_weight: float = 0.0
    many_taps: bool = False
    multi_grid: tuple[int, ...] = ()
    decoder: bool = False


MULTI_GRID = (1, 2, 4)  # DeepLab v3 (Chen et al., arXiv:1706.05587, section 4.2)
SEGMENTER_FACTS = {
    "deeplabv3": SegmenterFacts(aux_weight=0.5, multi_grid=MULTI_GRID),
    "deeplabv3plus": SegmenterFacts(multi_grid=MULTI_GRID),
    "deeplabv2": SegmenterFacts((8, 16), linear=True, many_taps=True),
    "deeplabv1": SegmenterFacts((8, 16), linear=True, many_taps=True),
    "fcn": SegmenterFacts(aux_weight=0.5),
    "fcn32s": SegmenterFacts((32,), linear=True),
    "fcn8s": SegmenterFacts((32,), linear=True),  # its other score layers start from zero
    "unet": SegmenterFacts(aux_weight=0.5, decoder=True),
    "gated": SegmenterFacts(),
}
SEGMENTERS = tuple(SEGMENTER_FACTS)
DECODER_STRIDES = (1, 2, 4)
HEAD_NORMS = ("group", "batch")


def has_linear_head(model: str, backbone: str) -> bool:
    """Whether one layer makes a segmentation network's logits, which a linear probe can start."""
    return SEGMENTER_FACTS[model].linear and not facts_of(backbone).vgg


def check_multi_grid(backbone: str, dilated: bool, rates: Sequence[int]) -> None:
    """Raise ValueError where a backbone's last stage can have no such rates of its units."""
    units = facts_of(backbone).units
    if not units:
        raise ValueError(f"{backbone} has no last stage of residual units")
    listed = isinstance(rates, list | tuple) and len(rates) == units
    if not (listed and all(isinstance(rate, int) and rate >= 1 for rate in rates)):
        raise ValueError(f"{backbone} takes {units} whole numbers from 1, one a unit")
    if not dilated:
        raise ValueError("the network is not dilated")


def check_decoder_stride(model: str, stride: int) -> None:
    """Raise ValueError for a network that has no logits of this stride to choose."""
    if not SEGMENTER_FACTS[model].decoder:
        raise ValueError(f"{model} has no decoder whose stride could be chosen")
    if stride not in DECODER_STRIDES:
        raise ValueError(f"decoder stride {stride}: choose {', '.join(map(str, DECODER_STRIDES))}")


def usual_multi_grid(model: str, backbone: str, dilated: bool) -> tuple[int, ...]:
    """The rates that a segmentation network was published with, where the backbone has such units.

    >>> usual_multi_grid("deeplabv3", "resnet50", True), usual_multi_grid("fcn", "resnet50", True)
    ((1, 2, 4), ())
    """
    rates = SEGMENTER_FACTS[model].multi_grid
    return rates if dilated and facts_of(backbone).units == len(rates) else ()
