"""DeepLab v3+."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from segmenters import dilated_tiny as tiny
from segmenters import random
from torch import nn

from wsss_cli.nets.segmentation import build_segmenter


def test_v3plus_by_hand() -> None:
    net = build_segmenter("deeplabv3plus", tiny(16), 3).double().eval()
    head, x = net.head, random(1, 3, 37, 50)
    with torch.no_grad():
        maps = net.backbone(x)
        low = head.reduce(maps[1])
        assert low.shape == (1, 48, 10, 13)
        y = F.interpolate(head.aspp(maps[4]), scale_factor=4, mode="bilinear")[..., :10, :13]
        y = head.decode(torch.cat([y, low], 1))
        y = F.interpolate(y, scale_factor=4, mode="bilinear")[..., :37, :50]
        torch.testing.assert_close(net(x), y)
    widths = [(m.in_channels, m.out_channels) for m in head.decode if isinstance(m, nn.Conv2d)]
    assert widths == [(304, 256), (256, 256), (256, 3)]
    rates = [conv[0].dilation[0] for conv in list(head.aspp.convs)[1:4]]
    assert rates == [6, 12, 18]
