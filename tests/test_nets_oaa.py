"""OAA's networks: a deeper head, and logits that are means or maxima of the maps."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.oaa import WIDTH, AttentionNet, MapsOf


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("layers", [0, 2])
def test_logits_are_pooled_from_the_maps(dense: bool, layers: int) -> None:
    torch.manual_seed(0)
    model = AttentionNet(build_backbone("tiny", 8), 3, layers=layers, dense=dense).eval()
    x = torch.randn(2, 3, 32, 48)
    with torch.no_grad():
        maps = model.cam_logits(x)
        assert maps.shape == (2, 3, 4, 6)
        pooled = maps.amax((2, 3)) if dense else maps.mean((2, 3))
        assert torch.allclose(model(x), pooled, atol=1e-5)
        assert torch.equal(MapsOf(model)(x), maps)
        some, _ = model.seen(x, torch.tensor([2, 0]))
        assert torch.allclose(some, maps[:, [2, 0]], atol=1e-5)
        found = model.train()(x)
    assert found.keys() == {"logits", "maps"}


def test_the_head_behind_layers_is_as_published() -> None:
    bare = AttentionNet(build_backbone("tiny", 8), 3, layers=0)
    assert bare.head.bias is None
    deep = AttentionNet(build_backbone("tiny", 8), 3, layers=3)
    assert deep.head.in_channels == WIDTH
    assert deep.head.bias is not None
    assert not deep.head.bias.any()
    kinds = [type(layer) for layer in deep.extra]
    assert kinds == [nn.Conv2d, nn.ReLU] * 3
