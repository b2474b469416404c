"""The atrous pyramid: its rates and norms."""

from __future__ import annotations

import pytest
from segmenters import tiny
from torch import nn
from torchvision.models.segmentation.deeplabv3 import ASPP

from wsss_cli.nets.pyramid import norm_each_image
from wsss_cli.nets.segmentation import build_segmenter


@pytest.mark.parametrize(
    ("stride", "rates"), [(8, [12, 24, 36]), (16, [6, 12, 18]), (32, [3, 6, 9])]
)
def test_atrous_rates_keep_their_reach_in_pixels(stride: int, rates: list[int]) -> None:
    net = build_segmenter("deeplabv3", tiny(stride, dilated=True), 2)
    aspp = net.head.layers[0]
    assert [aspp.convs[k][0].dilation[0] for k in (1, 2, 3)] == rates
    assert isinstance(aspp.convs[4][2], nn.GroupNorm)


def test_image_pooling_keeps_group_norm_among_batch_norms() -> None:
    net = build_segmenter("deeplabv3", tiny(), 2, norm="batch")
    aspp = net.head.layers[0]
    assert isinstance(aspp.convs[4][2], nn.GroupNorm)
    assert all(isinstance(aspp.convs[k][1], nn.BatchNorm2d) for k in range(4))


def test_only_image_pooling_changes_its_norm() -> None:
    aspp = ASPP(8, [1, 2, 3], 32)
    norm_each_image(aspp)
    kinds = [type(m) for m in aspp.modules() if isinstance(m, nn.BatchNorm2d | nn.GroupNorm)]
    assert kinds == [nn.BatchNorm2d] * 4 + [nn.GroupNorm] + [nn.BatchNorm2d]
