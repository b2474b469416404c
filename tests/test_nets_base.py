"""Stages that are frozen, and strides that are removed."""

from __future__ import annotations

import pytest
import torch
from pictures import image
from torch import nn

from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.base import Backbone, remove_strides, set_unit_rates


def test_remove_strides_on_a_basic_block_by_hand() -> None:
    block = build_backbone("resnet18", 32).layer4
    assert remove_strides([block], dilate=True, dilation=2) == 4
    convs = [block[0].conv1, block[0].conv2, block[1].conv1, block[1].conv2]
    assert [(c.stride[0], c.dilation[0], c.padding[0]) for c in convs] == [
        (1, 2, 2),
        (1, 4, 4),
        (1, 4, 4),
        (1, 4, 4),
    ]
    assert block[0].downsample[0].stride == (1, 1)


def test_five_by_five_kernels_keep_the_map_side() -> None:
    last = build_backbone("mobilenet_v3_large", 8, dilated=True).in_stages()[-1]
    depthwise = [c for m in last for c in m.modules() if isinstance(c, nn.Conv2d) and c.groups > 1]
    assert [(c.kernel_size[0], c.dilation[0], c.padding[0]) for c in depthwise] == [
        (5, 2, 4),
        (5, 4, 8),
        (5, 4, 8),
    ]


def test_frozen_stages_learn_nothing_and_later_ones_do() -> None:
    backbone = build_backbone("resnet18").freeze_stages(2)
    backbone.train()
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    x = image(33, 33, batch=2).requires_grad_()
    maps = backbone(x)
    assert [m.requires_grad for m in maps] == [False, False, True, True, True]
    maps[-1].sum().backward()
    assert x.grad is None
    frozen = ("conv1.", "bn1.", "layer1.")
    for key, parameter in backbone.named_parameters():
        assert (parameter.grad is None) == key.startswith(frozen), key
        assert parameter.requires_grad != key.startswith(frozen), key
    for key, value in backbone.state_dict().items():
        if key.endswith("running_mean"):
            assert torch.equal(value, before[key]) == key.startswith(frozen), key


def test_freezing_less_later_thaws_nothing() -> None:
    backbone = build_backbone("tiny").freeze_stages(3)
    assert backbone.freeze_stages(1).frozen_stages == 3
    wrapped = nn.Sequential(backbone).train()
    assert [s[0].training for s in wrapped[0].in_stages()] == [False, False, False, True, True]


def plain_backbone() -> Backbone:
    """Five 1 x 1 convolutions that double one channel, each of stride 2."""
    body = {f"part{i}": nn.Conv2d(1, 1, 1, stride=2, bias=False) for i in range(5)}
    for conv in body.values():
        nn.init.constant_(conv.weight, 2.0)
    stages = [[name] for name in body]
    return Backbone("plain", body, stages, [1] * 5, [2, 4, 8, 16, 32], dilated=False)


def test_a_map_of_every_stage() -> None:
    backbone = plain_backbone()
    maps = backbone(torch.ones(1, 1, 33, 64))
    assert [tuple(m.shape[2:]) for m in maps] == [(17, 32), (9, 16), (5, 8), (3, 4), (2, 2)]
    assert [m.unique().tolist() for m in maps] == [[2.0], [4.0], [8.0], [16.0], [32.0]]
    assert [name for name, _ in backbone.named_children()] == [f"part{i}" for i in range(5)]
    assert backbone.in_stages() == [[child] for child in backbone.children()]
    assert backbone.output_stride == 32
    assert backbone.config == {"name": "plain", "output_stride": 32, "dilated": False}


def test_a_backbone_has_five_stages() -> None:
    for stages, channels in ((4, 5), (5, 4)):
        with pytest.raises(ValueError, match="a backbone has 5 stages"):
            Backbone("short", {}, [[]] * stages, [1] * channels, [2] * 5, dilated=False)


def test_all_stages_frozen_let_nothing_through() -> None:
    backbone = plain_backbone().freeze_stages(5)
    maps = backbone.train()(torch.ones(1, 1, 8, 8, requires_grad=True))
    assert not any(m.requires_grad for m in maps)
    assert not any(p.requires_grad for p in backbone.parameters())
    assert [child.training for child in backbone.children()] == [False] * 5
    for count in (-1, 6):
        with pytest.raises(ValueError, match=f"freeze 0 to 5 stages, not {count}"):
            backbone.freeze_stages(count)


def test_strides_removed_without_dilation_leave_kernels_as_they_are() -> None:
    stage = [nn.Conv2d(1, 1, 3, stride=2, padding=1), nn.Conv2d(1, 1, 3, padding=1)]
    assert remove_strides(stage, dilate=False, dilation=2) == 2
    assert [(c.stride, c.dilation, c.padding) for c in stage] == [((1, 1), (1, 1), (1, 1))] * 2
    # a 1 x 1 convolution has no extent to dilate, and its stride does not count
    shortcut = nn.Conv2d(1, 1, 1, stride=2)
    assert remove_strides([shortcut], dilate=True) == 1
    assert (shortcut.stride, shortcut.dilation) == ((1, 1), (1, 1))
    wide = nn.Conv2d(1, 1, 5, stride=3, padding=2)
    assert remove_strides([wide, nn.ReLU()], dilate=True, dilation=2) == 6
    assert (wide.dilation, wide.padding) == ((2, 2), (4, 4))


@pytest.mark.parametrize(
    ("dilation", "expected"), [(1, [1, 2, 4]), (2, [2, 4, 8]), (4, [4, 8, 16])]
)
def test_units_get_their_multiples_of_the_stages_rate(dilation: int, expected: list[int]) -> None:
    stage = build_backbone("resnet50", 16, dilated=True).layer4
    set_unit_rates(list(stage), (1, 2, 4), dilation)
    wide = [unit.conv2 for unit in stage]
    assert [(c.dilation, c.padding) for c in wide] == [((d, d), (d, d)) for d in expected]
    for unit in stage:
        assert unit.conv1.dilation == unit.conv3.dilation == (1, 1)
        assert unit.conv1.padding == unit.conv3.padding == (0, 0)
    both = build_backbone("resnet18", 16, dilated=True).layer4
    set_unit_rates(list(both), (1, 2), dilation)  # its units have two such convolutions each
    found = [conv.dilation[0] for unit in both for conv in (unit.conv1, unit.conv2)]
    assert found == [dilation, dilation, 2 * dilation, 2 * dilation]
    with pytest.raises(ValueError, match="zip"):
        set_unit_rates(list(both), (1, 2, 4), dilation)


def test_maps_finer_than_the_five_come_before_them() -> None:
    """The image, and of a stem what its first modules make, at that stage's gradients."""
    body = {f"part{i}": nn.Conv2d(1, 1, 1, stride=1 + (i > 0), bias=False) for i in range(6)}
    for conv in body.values():
        nn.init.constant_(conv.weight, 2.0)
    stages = [["part0", "part1"], *([f"part{i}"] for i in range(2, 6))]
    net = Backbone("plain", body, stages, [1] * 5, [2, 4, 8, 16, 32], False, inner=(1, 1, 1))
    assert net.finer == ((1, 3), (1, 1))
    x = torch.ones(1, 1, 33, 64)
    maps = net(x, finer=True)
    assert torch.equal(maps[0], x)
    assert [tuple(m.shape[2:]) for m in maps[1:4]] == [(33, 64), (17, 32), (9, 16)]
    assert [m.unique().tolist() for m in maps[1:]] == [[2.0**k] for k in range(1, 7)]
    assert len(net(x)) == 5
    assert [m.requires_grad for m in net.freeze_stages(1)(x, finer=True)] == [False] * 3 + [
        True
    ] * 4
    bare = plain_backbone()
    assert bare.finer == ((1, 3),)
    assert [m.shape[-1] for m in bare(x, finer=True)] == [64, 32, 16, 8, 4, 2]
