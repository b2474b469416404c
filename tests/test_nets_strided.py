"""The head of FCN-32s and FCN-8s, against plain arithmetic."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from segmenters import dilated_tiny as tiny
from segmenters import filled, random
from torch import nn

from wsss_cli.core.grid import grid_size
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.segmentation import build_segmenter


def test_an_fcn_that_starts_from_a_classifier_is_one() -> None:
    bias = random(3, seed=3)
    net = build_segmenter("fcn8s", tiny(32), 3).double().eval()
    weight = random(3, net.backbone.channels[-1], seed=2)
    net.head.start_from(weight, bias)
    x = random(1, 3, 64, 96)
    with torch.no_grad():
        cells = F.conv2d(net.backbone(x)[4], weight[:, :, None, None], bias)
        coarse = build_segmenter("fcn32s", net.backbone, 3).double().eval()
        coarse.head.start_from(weight, bias)
        torch.testing.assert_close(coarse.head(coarse.maps(x), (64, 96)), cells)
    vgg = build_segmenter("fcn32s", build_backbone("vgg16", 32), 2)
    with pytest.raises(ValueError, match="several layers"):
        vgg.head.start_from(weight, bias)


@pytest.mark.usefixtures("thin_vgg")
@pytest.mark.parametrize("model", ["fcn32s", "fcn8s"])
@pytest.mark.parametrize("size", [(1, 1), (33, 64), (50, 97)])
def test_fcn_on_vgg_by_hand(model: str, size: tuple[int, int]) -> None:
    """The frame makes room for an unpadded 7 x 7, and cells stay where the image's are."""
    backbone = build_backbone("vgg16", 32)
    net = filled(build_segmenter(model, backbone, 2)).double().eval()
    head, x = net.head, random(1, 3, *size)
    assert head.frame == 96
    assert head.fc.fc6.padding == (0, 0)
    with torch.no_grad():
        taps, y = {}, F.pad(x, (96, 96, 96, 96))
        for number, module in enumerate(backbone.features):
            y = module(y)
            if isinstance(module, nn.MaxPool2d):
                taps[number] = y
        y = F.relu(F.conv2d(y, head.fc.fc6.weight, head.fc.fc6.bias))
        y = head.score(F.relu(head.fc.fc7(y)))
        assert y.shape[-2:] == grid_size(*size, 32)
        stride = 32
        for finer, pool in ((16, 23), (8, 16)) if model == "fcn8s" else ():
            h, w = grid_size(*size, finer)
            first = 96 // finer
            skip = taps[pool][..., first : first + h, first : first + w]
            score = head.skips[0 if finer == 16 else 1]
            y = F.interpolate(y, scale_factor=2, mode="bilinear")[..., :h, :w] + score(skip)
            stride = finer
        y = F.interpolate(y, scale_factor=stride, mode="bilinear")
        torch.testing.assert_close(net(x), y[..., : size[0], : size[1]])


@pytest.mark.usefixtures("thin_vgg")
def test_auxiliary_logits_of_a_framed_image_lie_where_they_belong() -> None:
    net = build_segmenter("fcn8s", build_backbone("vgg16", 32), 2, aux=True).double()
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    x = random(1, 3, 70, 40)
    with torch.no_grad():
        cells = net.aux_head.layers(net.backbone(F.pad(x, (96, 96, 96, 96)))[3])
        expected = F.interpolate(cells[..., 6:11, 6:9], scale_factor=16, mode="bilinear")
        torch.testing.assert_close(net(x)["aux"], expected[..., :70, :40])
