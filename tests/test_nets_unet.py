"""U-Net's decoder."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from segmenters import images, tiny
from torch import nn

from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.segmentation import build_segmenter


@pytest.mark.parametrize(
    ("name", "stride", "steps"),
    [
        ("resnet18", 32, [(4, 32), (3, 16), (2, 8), (1, 4)]),
        ("resnet18", 16, [(4, 16), (2, 8), (1, 4)]),
        ("tiny", 8, [(4, 8), (1, 4), (0, 2)]),
    ],
)
def test_unet_takes_the_deepest_stage_of_each_stride(
    name: str, stride: int, steps: list[tuple[int, int]]
) -> None:
    net = build_segmenter("unet", build_backbone(name, stride), 2)
    assert net.head.steps == steps
    assert net.head.stride == steps[-1][1]


def test_unet_by_hand() -> None:
    net = build_segmenter("unet", tiny(16), 3).double().eval()
    x = images(37, 50).double()
    with torch.no_grad():
        maps = net.backbone(x)
        y = maps[4]  # stride 16, as maps[3], which it stands for
        for block, skip in zip(net.head.blocks, (maps[2], maps[1], maps[0]), strict=True):
            y = F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False)
            y = block(torch.cat([y[..., : skip.shape[2], : skip.shape[3]], skip], 1))
        assert y.shape == (1, 32, 19, 25)
        y = F.interpolate(net.head.out(y), scale_factor=2, mode="bilinear", align_corners=False)
        torch.testing.assert_close(net(x), y[..., :37, :50])


def test_a_finer_map_is_joined_after_the_coarser_one() -> None:
    """With blocks that add their inputs up, weighed by 10 and 1, the sums can be read off."""
    net = build_segmenter("unet", tiny(32), 1)
    head = net.head
    with torch.no_grad():
        for block, coarser in zip(head.blocks, (160, 128, 64, 32), strict=True):
            first = block[0].weight.zero_()
            first[0, 0, 1, 1], first[0, coarser, 1, 1] = 10.0, 1.0
            block[3].weight.zero_()[0, 0, 1, 1] = 1.0
            for index in (1, 4):
                block[index] = nn.Identity()
        head.out.weight.zero_()[0, 0] = 1.0
        head.out.bias.fill_(0.5)
        # each map holds one digit, in its first channel; other channels must not count
        sides, widths = (32, 16, 8, 4, 2), (16, 32, 64, 128, 160)
        maps = [torch.full((1, c, s, s), 9.0) for c, s in zip(widths, sides, strict=True)]
        for digit, one in enumerate(maps, start=1):
            one[:, 0] = digit
        found = head(maps, (64, 64))
    assert torch.equal(found, torch.full((1, 1, 32, 32), 54321.5))
