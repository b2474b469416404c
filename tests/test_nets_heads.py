"""What the heads of segmentation networks have in common."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wsss_cli.nets.heads import Head, LastMapHead, conv_norm_relu, unframed


def test_unframed_keeps_the_cells_of_the_image() -> None:
    """A frame of 4 pixels is 2 cells of stride 2; an image of 3 x 5 has 2 x 3 cells."""
    maps = torch.arange(56.0).view(1, 1, 7, 8)
    assert unframed(maps, 2, 4, (3, 5)).tolist() == [[[[18, 19, 20], [26, 27, 28]]]]
    assert unframed(maps, 4, 4, (3, 5)).tolist() == [[[[9, 10]]]]
    assert unframed(maps, 2, 0, (3, 5)) is maps


def test_a_head_of_the_last_map_looks_at_no_other() -> None:
    conv = nn.Conv2d(2, 1, 1)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([3.0, -1.0])[None, :, None, None])
        conv.bias.fill_(0.5)
    head = LastMapHead(conv, 16)
    last = torch.tensor([[[[1.0, 2.0]], [[4.0, 0.0]]]])
    assert head([torch.full((1, 2, 9, 9), 7.0), last], (16, 32)).tolist() == [[[[-0.5, 6.5]]]]
    assert (head.stride, head.frame) == (16, 0)


def test_a_head_starts_from_no_classifier_unless_it_says_so() -> None:
    with pytest.raises(ValueError, match="several layers"):
        Head().start_from(torch.ones(2, 3), torch.ones(2))


def test_convolution_norm_relu_by_hand() -> None:
    """Zero around the map; the statistics of training are those of the batch."""
    conv, norm, relu = conv_norm_relu(1, 1, 3)
    assert conv.bias is None
    nn.init.ones_(conv.weight)
    x = torch.tensor([[[[1.0, 0.0, 2.0]]]])
    sums = conv(x)
    assert sums.flatten().tolist() == [1, 3, 2]
    layers = nn.Sequential(conv, norm, relu).eval()
    norm.running_mean.fill_(2.0)
    norm.running_var.fill_(4.0)
    found = layers(x).flatten().tolist()  # (sum - 2) / 2, at least 0
    assert found == pytest.approx([0, 0.5, 0], abs=1e-5)
    found = layers.train()(x).flatten().tolist()  # mean 2, variance 2 / 3
    assert found == pytest.approx([0, 1.5**0.5, 0], abs=1e-4)
    (pointwise, *_) = conv_norm_relu(2, 5, 1)
    assert pointwise(torch.ones(1, 2, 3, 4)).shape == (1, 5, 3, 4)
