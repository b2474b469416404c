"""Backbones by name: torchvision's image classifiers without their heads, timm's, a tiny one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torchvision.models as zoo
from torch import nn
from torchvision.models.vgg import cfgs as vgg_layouts
from torchvision.models.vgg import make_layers as vgg_layers

from ..core.normalisation import Normalisation
from .base import Backbone, remove_strides, set_unit_rates
from .names import BACKBONES, OUTPUT_STRIDES, TIMM, check_multi_grid, facts_of
from .norms import freeze_batchnorm
from .parameters import parameter_groups
from .pretrained import load_backbone_weights
from .timm_zoo import timm_backbone
from .tiny import tiny_stages

NAMES = BACKBONES

__all__ = [
    "NAMES",
    "Backbone",
    "build_backbone",
    "freeze_batchnorm",
    "load_backbone_weights",
    "parameter_groups",
]


def build_backbone(
    name: str,
    output_stride: int = 16,
    dilated: bool = False,
    multi_grid: Sequence[int] = (),
    normalisation: Normalisation | None = None,
) -> Backbone:
    """A backbone with freshly initialised weights.

    Args:
        name: one of `NAMES`, or "timm:" and the name of a network of timm's.
        output_stride: image pixels per cell of the last map, 8, 16 or 32 (as trained on ImageNet).
            Smaller ones come from setting the last strides to 1.
        dilated: also dilate what follows a removed stride (`remove_strides`), so that
            receptive fields stay those of the pretraining. IRN's classifier does not; DeepLab
            does. No difference at stride 32.
        multi_grid: rates of the residual units of a ResNet's last stage, in multiples of the
            stage's own (`set_unit_rates`), where it is dilated; empty for none.
        normalisation: of the images that its weights were trained on; None for that of its facts.

    Returns:
        The network, in train mode, nothing frozen.

    Raises:
        ValueError: unknown name or stride, or rates that there are no such units for.
        UsageError: one of timm's, which is not installed.
    """
    facts = facts_of(name)
    if output_stride not in OUTPUT_STRIDES:
        raise ValueError(f"output stride {output_stride}: choose 8, 16 or 32")
    if name.startswith(TIMM):
        if multi_grid:
            check_multi_grid(name, dilated, multi_grid)
        return timm_backbone(name, output_stride, dilated, normalisation)
    body, stages = _body(name)
    strides = [min(stride, output_stride) for stride in facts.strides]
    given = normalisation or facts.normalisation
    backbone = Backbone(name, body, stages, facts.channels, strides, dilated, facts.inner, given)
    dilation = 1
    for stage, stride in zip(backbone.in_stages(), facts.strides, strict=True):
        if stride > output_stride:
            dilation = remove_strides(stage, dilated, dilation)
    if facts.vgg:
        _remove_pool_strides(backbone, output_stride, dilated)
    if multi_grid:
        check_multi_grid(name, dilated, multi_grid)
        backbone.multi_grid = tuple(multi_grid)
        set_unit_rates(list(backbone.in_stages()[-1][0].children()), multi_grid, dilation)
    return backbone


def _body(name: str) -> tuple[dict[str, nn.Module], Sequence[Sequence[str]]]:
    """Modules under torchvision's own names, and the paths that make up each stage."""
    facts = facts_of(name)
    if name == "tiny":
        body = tiny_stages(facts.channels)
        return body, [[key] for key in body]
    if not facts.features:
        net = getattr(zoo, name)(weights=None, num_classes=1)
        body = {key: child for key, child in net.named_children() if key not in ("avgpool", "fc")}
        stem = [key for key in body if not key.startswith("layer")]
        return body, [stem, *([f"layer{k}"] for k in range(1, 5))]
    if facts.vgg:
        features = _vgg_features()
    else:
        features = getattr(zoo, name)(weights=None, num_classes=1).features
    spans = pairwise(facts.features)
    return {"features": features}, [[f"features.{k}" for k in range(*span)] for span in spans]


def _vgg_features() -> nn.Sequential:
    """VGG-16's convolutions, initialised as torchvision does, without its 120 M classifier."""
    features = vgg_layers(vgg_layouts["D"])
    for module in features:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.MaxPool2d):
            module.ceil_mode = True  # sides ceil(n / 2), also when odd; nothing changes when even
    return features


def _remove_pool_strides(backbone: Backbone, output_stride: int, dilated: bool) -> None:
    """VGG's strides sit in its pools: pool4 and pool5 become 3 x 3 of stride 1, as in PSA."""
    for path, stride in (("23", 16), ("30", 32)):
        if stride > output_stride:
            setattr(backbone.features, path, nn.MaxPool2d(3, stride=1, padding=1))
    if dilated and output_stride < 16:
        remove_strides(backbone.in_stages()[3], dilate=True, dilation=2)
