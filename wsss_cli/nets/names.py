"""What can be built, by name. Imports nothing, so that `--help` and Tab stay instant."""

from __future__ import annotations

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101")
BACKBONES = (*RESNETS, "mobilenet_v2", "mobilenet_v3_large", "vgg16", "tiny")
OUTPUT_STRIDES = (8, 16, 32)
SEGMENTERS = ("deeplabv3", "fcn", "unet")
HEAD_NORMS = ("group", "batch")
