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
HEAD_NORMS = ("group", "batch")


def has_linear_head(model: str, backbone: str) -> bool:
    """Whether a segmentation network's head is one layer, which a linear probe can start."""
    return model in ("deeplabv1", "deeplabv2") and backbone != "vgg16"
