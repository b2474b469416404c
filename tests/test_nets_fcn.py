"""torchvision's fully convolutional network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from norms import randomise_norms
from segmenters import dilated_tiny as tiny
from segmenters import random
from torch import nn

from wsss_cli.nets.fcn import head


def test_by_hand() -> None:
    """A quarter of the channels between, and only the last map is looked at."""
    found = head(tiny(8), 3).double().eval()
    randomise_norms(found)
    conv, norm, _, dropout, score = found.layers.children()
    assert isinstance(norm, nn.BatchNorm2d)
    assert (conv.in_channels, conv.out_channels, dropout.p) == (160, 40, 0.1)
    x = random(1, 160, 6, 9)
    with torch.no_grad():
        y = F.conv2d(x, conv.weight, padding=1)
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        y = (y - norm.running_mean[:, None, None]) * scale[:, None, None]
        y = (y + norm.bias[:, None, None]).clamp(min=0)
        expected = torch.einsum("lc,bchw->blhw", score.weight[..., 0, 0], y)
        expected = expected + score.bias[:, None, None]
        shallow = random(1, 3, 24, 36)
        torch.testing.assert_close(found([shallow, x], (48, 72)), expected)
        torch.testing.assert_close(found([shallow + 1, x], (48, 72)), expected)
    assert found.stride == 8
