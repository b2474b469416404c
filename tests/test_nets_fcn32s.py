"""FCN-32s."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from segmenters import dilated_tiny as tiny
from segmenters import filled, random

from wsss_cli.nets.fcn32s import head
from wsss_cli.nets.segmentation import build_segmenter


def test_enlargement_is_the_fixed_bilinear_deconvolution() -> None:
    """The 64 x 64 kernel of stride 32, inside the grid's border."""
    net = filled(build_segmenter("fcn32s", tiny(32), 1).double().eval())
    x = random(1, 3, 128, 128)
    with torch.no_grad():
        cells = net.head(net.backbone(x), (128, 128))
        ramp = 1 - (torch.arange(64, dtype=torch.float64) - 31.5).abs() / 32
        large = F.conv_transpose2d(cells, torch.outer(ramp, ramp)[None, None], stride=32)
        torch.testing.assert_close(net(x)[..., 16:112, 16:112], large[..., 32:128, 32:128])


def test_scores_of_the_last_map_alone() -> None:
    layers = head(tiny(32), 2).double()
    weight, bias = random(2, 160), random(2, seed=4)
    layers.start_from(weight, bias)
    x = random(1, 160, 2, 3, seed=5)
    maps = [random(1, 1, 1, 1)] * 4
    with torch.no_grad():
        found = layers([*maps, x], (64, 96))
    expected = torch.einsum("lc,bchw->blhw", weight, x) + bias[:, None, None]
    torch.testing.assert_close(found, expected)
    assert layers.stride == 32
