"""DeepLab v3: an atrous pyramid and image pooling, concatenated."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from norms import randomise_norms
from segmenters import dilated_tiny as tiny
from segmenters import random
from torch import Tensor, nn

from wsss_cli.nets.deeplabv3 import head


def normed(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """In eval mode, then ReLU, written out."""
    mean, var, weight, bias = (
        t[:, None, None] for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return ((x - mean) / (var + norm.eps).sqrt() * weight + bias).clamp(min=0)


def test_by_hand() -> None:
    """The mean of the image goes through a norm of its own and is one value everywhere."""
    found = head(tiny(16), 3).double().eval()
    randomise_norms(found)
    aspp, conv, norm, _, score = found.layers.children()
    x = random(2, 160, 13, 20)
    assert found.stride == 16
    with torch.no_grad():
        one, *atrous, pooled = aspp.convs.children()
        parts = [normed(one[1], F.conv2d(x, one[0].weight))]
        for rate, branch in zip((6, 12, 18), atrous, strict=True):
            y = F.conv2d(x, branch[0].weight, padding=rate, dilation=rate)
            parts.append(normed(branch[1], y))
        y = F.conv2d(x.mean((2, 3), keepdim=True), pooled[1].weight)
        group = pooled[2]
        grouped = y.view(2, group.num_groups, -1)
        spread = grouped.var(-1, unbiased=False, keepdim=True)
        y = ((grouped - grouped.mean(-1, keepdim=True)) / (spread + group.eps).sqrt()).view_as(y)
        y = (y * group.weight[:, None, None] + group.bias[:, None, None]).clamp(min=0)
        parts.append(y.expand(-1, -1, 13, 20))
        joined = torch.cat(parts, 1)
        assert joined.shape[1] == 5 * 256
        y = normed(aspp.project[1], F.conv2d(joined, aspp.project[0].weight))
        y = normed(norm, F.conv2d(y, conv.weight, padding=1))
        y = F.conv2d(y, score.weight, score.bias)
        torch.testing.assert_close(found([x], (208, 320)), y)
