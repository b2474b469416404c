"""Small segmentation networks and inputs, for the tests of several modules."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsss_cli.core.single_stage_pooling import Pooling
from wsss_cli.nets.backbones import Backbone, build_backbone, freeze_batchnorm
from wsss_cli.nets.rrm import TaggedSegmenter
from wsss_cli.nets.segmentation import build_segmenter
from wsss_cli.nets.single_stage import SingleStageNet

N = 4  # labels of the single-stage network
CLASSES = 3  # of the network with tags


def images(height: int, width: int, batch: int = 1) -> Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(7))


def tiny(stride: int = 16, dilated: bool = False) -> Backbone:
    """The small backbone with fixed statistics, as pretrained ones have them."""
    backbone = build_backbone("tiny", stride, dilated)
    freeze_batchnorm(backbone, affine=False)
    return backbone


def random(*shape: int, seed: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def dilated_tiny(stride: int) -> Backbone:
    backbone = build_backbone("tiny", stride, dilated=True)
    freeze_batchnorm(backbone, affine=False)
    return backbone


def filled(net: nn.Module) -> nn.Module:
    """Score layers that start from zero, made to say something."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and not module.weight.any():
            nn.init.normal_(module.weight)
    return net


def vgg_classifier(inputs: int = 6, wide: int = 16) -> dict[str, Tensor]:
    return {
        "classifier.0.weight": torch.randn(wide, inputs * 49),
        "classifier.0.bias": torch.randn(wide),
        "classifier.3.weight": torch.randn(wide, wide),
        "classifier.3.bias": torch.randn(wide),
        "classifier.6.weight": torch.randn(5, wide),
    }


def single_stage_network(norm: str = "group", shallow: float = 0.3) -> SingleStageNet:
    """With statistics as of a while of training, and masks that say something."""
    torch.manual_seed(0)
    backbone = build_backbone("tiny", 8, dilated=True)
    freeze_batchnorm(backbone, affine=False)
    plain = build_segmenter("gated", backbone, N, norm=norm)
    net = SingleStageNet(plain, Pooling(), shallow).double().eval()
    for module in net.head.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return net


def tagged_network(
    model: str = "deeplabv1", stride: int = 8, aux: bool = False, backbone: str = "tiny"
) -> TaggedSegmenter:
    torch.manual_seed(0)
    net = build_segmenter(model, build_backbone(backbone, stride), CLASSES + 1, aux)
    return TaggedSegmenter(net, CLASSES)
