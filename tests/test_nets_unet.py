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


@pytest.mark.parametrize(
    ("name", "stride", "finest", "steps"),
    [  # the finer maps come first: of a ResNet the image and the stem, of VGG the image and conv1
        ("resnet18", 16, 1, [(6, 16), (4, 8), (3, 4), (1, 2), (0, 1)]),
        ("resnet18", 16, 2, [(6, 16), (4, 8), (3, 4), (1, 2)]),
        ("resnet18", 32, 4, [(4, 32), (3, 16), (2, 8), (1, 4)]),
        ("vgg16", 16, 1, [(6, 16), (4, 8), (3, 4), (2, 2), (1, 1)]),
        ("vgg16", 16, 2, [(4, 16), (2, 8), (1, 4), (0, 2)]),
        ("tiny", 32, 1, [(5, 32), (4, 16), (3, 8), (2, 4), (1, 2), (0, 1)]),
        ("tiny", 8, 4, [(4, 8), (1, 4)]),
    ],
)
def test_the_decoder_goes_to_the_stride_asked_for(
    name: str, stride: int, finest: int, steps: list[tuple[int, int]]
) -> None:
    net = build_segmenter("unet", build_backbone(name, stride), 2, decoder_stride=finest).eval()
    assert net.head.steps == steps
    assert net.head.stride == finest
    assert (net.head.image is not None) == (steps[-1] == (0, 1))
    with torch.no_grad():
        cells = net.head(net.maps(images(37, 50)), (37, 50))
        assert cells.shape == (1, 2, -(-37 // finest), -(-50 // finest))
        assert net(images(37, 50)).shape == (1, 2, 37, 50)


def test_full_resolution_by_hand() -> None:
    net = build_segmenter("unet", tiny(32), 3, decoder_stride=1).double().eval()
    x = images(37, 50).double()
    with torch.no_grad():
        maps = net.backbone(x)
        y = maps[4]
        for block, skip in zip(net.head.blocks, (*maps[3::-1], net.head.image(x)), strict=True):
            y = F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False)
            y = block(torch.cat([y[..., : skip.shape[2], : skip.shape[3]], skip], 1))
        assert y.shape == (1, 16, 37, 50)
        torch.testing.assert_close(net(x), net.head.out(y))
    widths = [(m.in_channels, m.out_channels) for m in net.head.image if isinstance(m, nn.Conv2d)]
    assert widths == [(3, 16), (16, 16)]


def test_the_auxiliary_head_sees_the_stage_of_stride_16_beside_finer_maps() -> None:
    nets = [build_segmenter("unet", tiny(16), 3, aux=True, decoder_stride=s) for s in (1, 4)]
    nets[1].backbone.load_state_dict(nets[0].backbone.state_dict())
    nets[1].aux_head.load_state_dict(nets[0].aux_head.state_dict())
    for net in nets:
        net.train()
        net.aux_head.eval()  # no dropout
    one, other = (net(images(37, 50))["aux"] for net in nets)
    assert torch.equal(one, other)


@pytest.mark.parametrize("name", ["tiny", "vgg16"])
def test_the_finest_level_learns(name: str) -> None:
    backbone = build_backbone(name, 16).freeze_stages(1)
    net = build_segmenter("unet", backbone, 2, decoder_stride=1).train()
    net(images(32, 32)).sum().backward()
    trained = [p for p in net.head.parameters() if p.grad is not None and p.grad.any()]
    assert len(trained) >= len(list(net.head.blocks[-1].parameters()))
    assert net.head.blocks[-1][0].weight.grad.any()
    if net.head.image is not None:
        assert net.head.image[0].weight.grad.any()


def test_only_a_decoder_has_a_stride_of_choice() -> None:
    with pytest.raises(ValueError, match="fcn has no decoder"):
        build_segmenter("fcn", tiny(16), 2, decoder_stride=1)
    with pytest.raises(ValueError, match="decoder stride 8: choose 1, 2, 4"):
        build_segmenter("unet", tiny(16), 2, decoder_stride=8)
