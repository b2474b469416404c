"""DeepLab v1 (LargeFOV)."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from segmenters import dilated_tiny as tiny
from segmenters import random

from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.deeplabv1 import head
from wsss_cli.nets.segmentation import build_segmenter


@pytest.mark.usefixtures("thin_vgg")
def test_v1_on_vgg_by_hand() -> None:
    net = build_segmenter("deeplabv1", build_backbone("vgg16", 8, dilated=True), 3).double().eval()
    x = random(1, 3, 45, 38)
    with torch.no_grad():
        fc, score = net.head.branches[0]
        y = F.avg_pool2d(net.backbone(x)[4], 3, 1, 1)
        y = F.relu(F.conv2d(y, fc.fc6.weight, fc.fc6.bias, padding=12, dilation=12))
        y = F.conv2d(F.relu(F.conv2d(y, fc.fc7.weight, fc.fc7.bias)), score.weight, score.bias)
        assert y.shape == (1, 3, 6, 5)
        y = F.interpolate(y, scale_factor=8, mode="bilinear")[..., :45, :38]
        torch.testing.assert_close(net(x), y)


def test_one_dilated_convolution_elsewhere() -> None:
    layers = head(tiny(8), 3).double()
    (branch,) = layers.branches
    x = random(1, 160, 14, 15)
    with torch.no_grad():
        torch.nn.init.constant_(branch[0].bias, 2.0)
        found = layers([x], (112, 120))
        expected = F.conv2d(x, branch[0].weight, branch[0].bias, padding=12, dilation=12)
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
        # at cell (5, 5) every tap but the middle one falls outside the map
        weight = branch[0].weight
        centre = torch.einsum("lc,c->l", weight[..., 1, 1], x[0, :, 5, 5])
        torch.testing.assert_close(found[0, :, 5, 5], centre + 2.0)
