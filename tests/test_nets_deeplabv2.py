"""DeepLab v2 (ASPP-L): four convolutions side by side, summed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from segmenters import dilated_tiny as tiny
from segmenters import random

from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.deeplabv2 import head


@pytest.mark.parametrize(("stride", "rates"), [(8, (6, 12, 18, 24)), (16, (3, 6, 9, 12))])
def test_it_is_the_sum_of_four_convolutions(stride: int, rates: tuple[int, ...]) -> None:
    """Each with weights and a bias of its own."""
    layers = head(tiny(stride), 3).double()
    branches = list(layers.branches)
    assert len(branches) == 4
    for number, branch in enumerate(branches):
        torch.nn.init.constant_(branch[0].bias, 10.0**number)
    x = random(2, 160, 9, 11)
    with torch.no_grad():
        single = [
            F.conv2d(x, branch[0].weight, branch[0].bias, padding=rate, dilation=rate)
            for branch, rate in zip(branches, rates, strict=True)
        ]
        found = layers([x], (9 * stride, 11 * stride))
        expected = ((single[0] + single[1]) + single[2]) + single[3]
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
        nothing = layers([torch.zeros_like(x)], (9 * stride, 11 * stride))
        assert nothing.unique().tolist() == [1111.0]  # the four biases


def test_a_linear_start_is_shared_by_the_four() -> None:
    layers = head(tiny(8), 3).double()
    weight, bias = random(3, 160), random(3, seed=4)
    layers.start_from(weight, bias)
    x = random(1, 160, 5, 4, seed=5)
    with torch.no_grad():
        expected = torch.einsum("lc,bchw->blhw", weight, x) + bias[:, None, None]
        torch.testing.assert_close(layers([x], (40, 32)), expected)


@pytest.mark.usefixtures("thin_vgg")
def test_on_vgg_each_branch_has_its_own_fully_connected_layers() -> None:
    layers = head(build_backbone("vgg16", 8, dilated=True), 2).double().eval()
    x = random(1, 6, 8, 7)
    with torch.no_grad():
        expected = torch.zeros(1, 2, 8, 7, dtype=torch.float64)
        for (fc, score), rate in zip(layers.branches, (6, 12, 18, 24), strict=True):
            y = F.conv2d(x, fc.fc6.weight, fc.fc6.bias, padding=rate, dilation=rate).relu()
            expected += score(fc.fc7(y).relu())
        torch.testing.assert_close(layers([x], (64, 56)), expected)
    with pytest.raises(ValueError, match="several layers"):
        layers.start_from(random(2, 6), random(2))
