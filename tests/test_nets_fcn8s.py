"""FCN-8s."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from segmenters import dilated_tiny as tiny
from segmenters import filled, random
from torch import nn

from wsss_cli.core.grid import grid_size
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.fcn8s import head
from wsss_cli.nets.segmentation import build_segmenter, load_head_weights


def test_fcn8s_without_skips_is_fcn32s_in_steps() -> None:
    """Skips start from zero: then three enlargements by 2, 2 and 8 are all that happens."""
    net = build_segmenter("fcn8s", tiny(32), 3).double().eval()
    assert not any(p.any() for p in net.head.parameters())
    nn.init.normal_(net.head.score.weight)
    size = (75, 110)
    x = random(1, 3, *size)
    with torch.no_grad():
        maps = net.backbone(x)
        y = F.conv2d(maps[4], net.head.score.weight)
        for stride in (16, 8):
            h, w = grid_size(*size, stride)
            y = F.interpolate(y, scale_factor=2, mode="bilinear")[..., :h, :w]
        eight = F.interpolate(y, scale_factor=8, mode="bilinear")[..., :75, :110]
        torch.testing.assert_close(net(x), eight)
        coarse = build_segmenter("fcn32s", net.backbone, 3).double().eval()
        coarse.head.load_state_dict(net.head.state_dict(), strict=False)
        y = F.interpolate(
            F.conv2d(maps[4], net.head.score.weight), scale_factor=32, mode="bilinear"
        )
        torch.testing.assert_close(coarse(x), y[..., :75, :110])
        filled(net)
        at8 = F.conv2d(maps[2], net.head.skips[1].weight)
        at16 = F.conv2d(maps[3], net.head.skips[0].weight)
        up = F.interpolate(at16, scale_factor=2, mode="bilinear")[..., :10, :14] + at8
        up = F.interpolate(up, scale_factor=8, mode="bilinear")[..., :75, :110]
        torch.testing.assert_close(net(x) - eight, up)


@pytest.mark.usefixtures("thin_vgg")
def test_fcn8s_starts_from_a_trained_fcn32s() -> None:
    first = filled(build_segmenter("fcn32s", build_backbone("vgg16", 32), 2)).eval()
    second = build_segmenter("fcn8s", build_backbone("vgg16", 32), 2).eval()
    trained = first.state_dict()
    second.backbone.load_state_dict(first.backbone.state_dict())
    assert load_head_weights(second, trained) == [second.head.fc, second.head.score]
    assert not any(p.any() for p in second.head.skips.parameters())
    x = random(1, 3, 32, 32).float()
    with torch.no_grad():  # one cell: nothing lies between cells
        torch.testing.assert_close(first(x), second(x))
    other = build_segmenter("fcn8s", build_backbone("vgg16", 32), 5)
    assert load_head_weights(other, trained) is None


def test_scores_of_three_maps_are_added_up() -> None:
    """Constant maps give their sum; a coarse cell spreads over its neighbours, a fine one not."""
    net = head(tiny(32), 1)
    maps = [torch.zeros(1, c, 1, 1) for c in (16, 32)]
    maps += [torch.zeros(1, c, s, s) for c, s in ((64, 8), (128, 4), (160, 2))]
    with torch.no_grad():
        for score, of in ((net.score, maps[4]), (net.skips[0], maps[3]), (net.skips[1], maps[2])):
            score.weight.fill_(0)[0, 0] = 1
            of[:, 0] = {2: 100.0, 4: 10.0, 8: 1.0}[of.shape[-1]]
        assert net.stride == 8
        found = net(maps, (64, 64))
        assert torch.equal(found, torch.full((1, 1, 8, 8), 111.0))
        maps[2][0, 0, 3, 5] = 3.0
        maps[3][0, 0, 0, 0] = 26.0  # 16 above the rest: 1, 3/4, 1/4 and 0 of it along an edge
        found = net(maps, (64, 64))[0, 0]
    assert found[3, 5] == 113
    assert found[0, :4].tolist() == [127, 123, 115, 111]
    assert found[1, :4].tolist() == [123, 120, 114, 111]
    assert found[7, 7] == 111
