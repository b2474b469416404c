"""Batch norms that are fixed, and group norms of any width."""

from __future__ import annotations

import pytest
import torch
from norms import randomise_norms
from pictures import image
from torch import nn

from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.norms import (
    AbsorbedBatchNorm2d,
    FixedBatchNorm2d,
    batch_to_group_norm,
    freeze_batchnorm,
    group_norm,
)


@pytest.mark.parametrize("affine", [True, False])
def test_fixed_batchnorm_survives_train_mode(affine: bool) -> None:
    backbone = build_backbone("mobilenet_v2")
    randomise_norms(backbone)
    keys, x = list(backbone.state_dict()), image(33, 33, batch=2)
    held = {id(p) for p in backbone.parameters()}
    with torch.no_grad():
        expected = backbone.eval()(x)[-1]
    count = freeze_batchnorm(backbone, affine=affine)
    norms = [m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    assert count == len(norms) == 52
    assert all(isinstance(norm, FixedBatchNorm2d) for norm in norms)
    backbone.train()
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    maps = backbone(x)
    torch.testing.assert_close(maps[-1], expected, rtol=1e-4, atol=1e-5)  # absorbed: rounding
    maps[-1].sum().backward()
    assert list(backbone.state_dict()) == keys
    assert all(torch.equal(v, before[k]) for k, v in backbone.state_dict().items())
    assert all(norm.weight.requires_grad != affine for norm in norms)
    assert {id(p) for p in backbone.parameters()} == held  # an optimiser may hold them already


def test_what_cannot_be_frozen() -> None:
    with pytest.raises(ValueError, match="pass the module that holds"):
        freeze_batchnorm(nn.BatchNorm2d(2))
    with pytest.raises(ValueError, match="without running statistics"):
        freeze_batchnorm(nn.Sequential(nn.BatchNorm2d(2, track_running_stats=False)))
    assert freeze_batchnorm(nn.Sequential(group_norm(4))) == 0


@pytest.mark.parametrize("channels", [1, 2, 3, 16, 32, 60, 112, 160, 240, 1280])
def test_group_norm_fits_any_width(channels: int) -> None:
    norm = group_norm(channels)
    assert channels % norm.num_groups == 0
    assert channels == 1 or channels // norm.num_groups >= 2
    if channels > 1:
        norm(torch.ones(1, channels, 1, 1))


def test_a_convolution_does_the_work_of_the_norm_after_it() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=1.0)).double()
    conv, norm = net
    for tensor, value in (
        (conv.weight, 6.0),
        (conv.bias, 5.0),
        (norm.running_mean, 1.0),
        (norm.running_var, 3.0),  # and eps: the deviation is 2
        (norm.weight, 4.0),
        (norm.bias, 0.5),
    ):
        tensor.data.fill_(value)
    assert freeze_batchnorm(net) == 1
    assert isinstance(net[1], AbsorbedBatchNorm2d)
    weight, bias = net[0].normed()
    assert (weight.item(), bias.item()) == (12.0, 8.5)  # 6 * 4 / 2 and (5 - 1) * 4 / 2 + 0.5
    x = torch.tensor([[[[2.0, -1.0]]]], dtype=torch.float64)
    assert net.train()(x).flatten().tolist() == [32.5, -3.5]


def test_a_norm_that_follows_no_convolution_of_its_width_stays_a_norm() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4), nn.BatchNorm2d(4))
    x = torch.randn(2, 3, 2, 2)
    expected = net.eval()(x)
    assert freeze_batchnorm(net) == 2
    assert [type(norm) for norm in net[2:]] == [FixedBatchNorm2d] * 2
    assert torch.equal(net.train()(x), expected)


def test_group_norms_in_place_of_batch_norms_see_each_image_alone() -> None:
    net = build_backbone("tiny")
    batch_to_group_norm(net)
    kinds = [type(module) for module in net.modules()]
    assert nn.BatchNorm2d not in kinds
    assert kinds.count(nn.GroupNorm) == 13  # the stem's, and three of each of four blocks
    assert net.stage4.norm1.num_channels == 160
    x = torch.randn(2, 3, 40, 48)
    torch.testing.assert_close(net.train()(x)[-1][:1], net.eval()(x[:1])[-1])
    plain = nn.Sequential(nn.BatchNorm2d(4, affine=False))
    batch_to_group_norm(plain)
    assert plain[0].weight is None
