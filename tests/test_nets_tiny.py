"""The small network that trains from scratch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from norms import randomise_norms
from torch import Tensor, nn

from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.tiny import Block, tiny_stages


def test_tiny_is_tiny() -> None:
    backbone = build_backbone("tiny")
    assert sum(p.numel() for p in backbone.parameters()) == 739_024


def normed(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """In eval mode, written out."""
    mean, var, weight, bias = (
        t[:, None, None] for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (x - mean) / (var + norm.eps).sqrt() * weight + bias


def test_a_block_by_hand() -> None:
    block = Block(2, 3, stride=2).double().eval()
    randomise_norms(block)
    x = torch.randn(1, 2, 7, 10, dtype=torch.float64)
    inner = F.conv2d(x, block.conv1.weight, stride=2, padding=1)
    inner = normed(block.norm1, inner).clamp(min=0)
    inner = normed(block.norm2, F.conv2d(inner, block.conv2.weight, padding=1))
    beside = torch.einsum("oi,bihw->bohw", block.shortcut[0].weight[:, :, 0, 0], x[..., ::2, ::2])
    expected = (inner + normed(block.shortcut[1], beside)).clamp(min=0)
    assert expected.shape == (1, 3, 4, 5)
    torch.testing.assert_close(block(x), expected)


def test_each_stage_halves_the_map() -> None:
    x = torch.randn(1, 3, 37, 70)
    found = []
    for stage in tiny_stages((16, 32, 64, 128, 160)).values():
        x = stage.eval()(x)
        found.append(tuple(x.shape[1:]))
    assert found == [(16, 19, 35), (32, 10, 18), (64, 5, 9), (128, 3, 5), (160, 2, 3)]


def test_convolutions_start_as_kaiming_has_it() -> None:
    torch.manual_seed(0)
    stages = tiny_stages((16, 32, 64, 128, 160))
    for conv, fan_out in (
        (stages["stage4"].conv2, 160 * 9),
        (stages["stage3"].conv1, 128 * 9),
        (stages["stage4"].shortcut[0], 160),
    ):
        assert conv.bias is None
        assert abs(conv.weight.std().item() / (2 / fan_out) ** 0.5 - 1) < 0.03
