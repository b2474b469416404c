"""What can be built, by name. Imports nothing, so that `--help` and Tab stay instant."""

from __future__ import annotations

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101")
BACKBONES = (*RESNETS, "mobilenet_v2", "mobilenet_v3_large", "vgg16", "tiny")
OUTPUT_STRIDES = (8, 16, 32)
# segmentation networks, with the output strides that make sense: as published first
SEGMENTER_STRIDES = {
    "deeplabv3": (16, 8, 32),
    "deeplabv3plus": (16, 8, 32),
    "deeplabv2": (8, 16),
    "deeplabv1": (8, 16),
    "fcn": (16, 8, 32),
    "fcn32s": (32,),
    "fcn8s": (32,),
    "unet": (16, 8, 32),
    "gated": (16, 8, 32),
}
SEGMENTERS = tuple(SEGMENTER_STRIDES)
LINEAR = ("deeplabv1", "deeplabv2", "fcn32s", "fcn8s")  # but on VGG-16, where these have fc6
HEAD_NORMS = ("group", "batch")


def has_linear_head(model: str, backbone: str) -> bool:
    """Whether one layer makes a segmentation network's logits, which a linear probe can start.

    FCN-8s counts: its other score layers start from zero.
    """
    return model in LINEAR and backbone != "vgg16"
