"""What can be built, by name, and what is known of it, without torch: `--help` and Tab are fast.

A backbone's facts are one entry of BACKBONE_FACTS, a segmentation network's one of SEGMENTER_FACTS.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...] = (2, 4, 8, 16, 32)
    features: tuple[int, ...] = ()
    published: bool = True
    vgg: bool = False
    low_rate: bool = False


POOLED_STEM = (4, 4, 8, 16, 32)  # strides of a ResNet, whose stem includes a pool
BACKBONE_FACTS = {
    "resnet18": BackboneFacts((64, 64, 128, 256, 512), POOLED_STEM),
    "resnet34": BackboneFacts((64, 64, 128, 256, 512), POOLED_STEM),
    "resnet50": BackboneFacts((64, 256, 512, 1024, 2048), POOLED_STEM),
    "resnet101": BackboneFacts((64, 256, 512, 1024, 2048), POOLED_STEM),
    "resnext50_32x4d": BackboneFacts((64, 256, 512, 1024, 2048), POOLED_STEM),
    "resnext101_32x8d": BackboneFacts((64, 256, 512, 1024, 2048), POOLED_STEM),
    "mobilenet_v2": BackboneFacts(
        (16, 24, 32, 96, 1280), features=(0, 2, 4, 7, 14, 19), low_rate=True
    ),
    "mobilenet_v3_large": BackboneFacts(
        (16, 24, 40, 112, 960), features=(0, 2, 4, 7, 13, 17), low_rate=True
    ),
    # from conv1_1, pool2, pool3, pool4, pool5: s8 and s16 end in conv4_3 and conv5_3, as PSA takes
    "vgg16": BackboneFacts((128, 256, 512, 512, 512), features=(0, 9, 16, 23, 30, 31), vgg=True),
    "tiny": BackboneFacts((16, 32, 64, 128, 160), published=False),
}
BACKBONES = tuple(BACKBONE_FACTS)
OUTPUT_STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class SegmenterFacts:
    """A segmentation network, which the function `head` of the module `nets.NAME` builds.

    Attributes:
        strides: output strides that make sense, the published one first.
        linear: one layer makes its logits, which a linear probe can start; on a VGG it has fc6.
        aux_weight: usual weight of the auxiliary head's loss; torchvision's, or 0 for no such head.
        many_taps: its score layers have so many taps that they bear only a low learning rate on
            some backbones.
    """

    strides: tuple[int, ...] = (16, 8, 32)
    linear: bool = False
    aux_weight: float = 0.0
    many_taps: bool = False


SEGMENTER_FACTS = {
    "deeplabv3": SegmenterFacts(aux_weight=0.5),
    "deeplabv3plus": SegmenterFacts(),
    "deeplabv2": SegmenterFacts((8, 16), linear=True, many_taps=True),
    "deeplabv1": SegmenterFacts((8, 16), linear=True, many_taps=True),
    "fcn": SegmenterFacts(aux_weight=0.5),
    "fcn32s": SegmenterFacts((32,), linear=True),
    "fcn8s": SegmenterFacts((32,), linear=True),  # its other score layers start from zero
    "unet": SegmenterFacts(aux_weight=0.5),
    "gated": SegmenterFacts(),
}
SEGMENTERS = tuple(SEGMENTER_FACTS)
HEAD_NORMS = ("group", "batch")


def has_linear_head(model: str, backbone: str) -> bool:
    """Whether one layer makes a segmentation network's logits, which a linear probe can start."""
    return SEGMENTER_FACTS[model].linear and not BACKBONE_FACTS[backbone].vgg
