"""The head of DeepLab v1 and v2, against plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from segmenters import dilated_tiny as tiny
from segmenters import random
from torch import nn

from wsss_cli.nets.backbones import build_backbone, parameter_groups
from wsss_cli.nets.segmentation import build_segmenter


def dilated_sum(x: np.ndarray, kernels: list[np.ndarray], rates: list[int]) -> np.ndarray:
    """Sum of 3 x 3 convolutions (L, C, 3, 3) of x (C, H, W), zero outside."""
    _, height, width = x.shape
    out = np.zeros((kernels[0].shape[0], height, width))
    for kernel, rate in zip(kernels, rates, strict=True):
        for row in range(height):
            for column in range(width):
                for i in range(3):
                    for j in range(3):
                        y, z = row + (i - 1) * rate, column + (j - 1) * rate
                        if 0 <= y < height and 0 <= z < width:
                            out[:, row, column] += kernel[:, :, i, j] @ x[:, y, z]
    return out


@pytest.mark.parametrize(
    ("model", "stride", "rates"),
    [
        ("deeplabv1", 8, [12]),
        ("deeplabv1", 16, [6]),
        ("deeplabv2", 8, [6, 12, 18, 24]),
        ("deeplabv2", 16, [3, 6, 9, 12]),
    ],
)
def test_v1_and_v2_sum_dilated_convolutions(model: str, stride: int, rates: list[int]) -> None:
    net = build_segmenter(model, tiny(stride), 3).double().eval()
    convs = [branch[0] for branch in net.head.branches]
    for number, conv in enumerate(convs):
        nn.init.constant_(conv.bias, 0.5 + number)
    x = random(1, 160, 14, 13)
    with torch.no_grad():
        found = net.head([x], (14 * stride, 13 * stride))[0].numpy()
        kernels = [conv.weight.numpy() for conv in convs]
    bias = sum(0.5 + number for number in range(len(rates)))
    np.testing.assert_allclose(found, dilated_sum(x[0].numpy(), kernels, rates) + bias, atol=1e-12)


@pytest.mark.parametrize(
    ("model", "reaches"), [("deeplabv1", {0, 12}), ("deeplabv2", {0, 6, 12, 18, 24})]
)
def test_what_a_cell_of_the_head_sees(model: str, reaches: set[int]) -> None:
    head = build_segmenter(model, tiny(8), 2).head.double()
    x = random(1, 160, 57, 57).requires_grad_()
    head([x], (456, 456))[0, 0, 28, 28].backward()
    rows, columns = x.grad[0].abs().sum(0).nonzero().sub(28).abs().T
    assert set(rows.tolist()) == set(columns.tolist()) == reaches
    off_axis = (rows > 0) & (columns > 0)
    assert torch.equal(rows[off_axis], columns[off_axis])


@pytest.mark.parametrize("model", ["deeplabv1", "deeplabv2"])
@pytest.mark.parametrize("name", ["vgg16", "resnet101"])
def test_stride_8_gives_the_published_grids(model: str, name: str) -> None:
    """321 -> 41 and 513 -> 65, of the channels, dilations and kernels of the papers."""
    with torch.device("meta"):
        net = build_segmenter(model, build_backbone(name, 8, dilated=True), 21)
        maps = net.backbone(torch.empty(1, 3, 321, 513))
        assert net.head(maps, (321, 513)).shape == (1, 21, 41, 65)
    rates = [12] if model == "deeplabv1" else [6, 12, 18, 24]
    first = [next(m for m in b.modules() if isinstance(m, nn.Conv2d)) for b in net.head.branches]
    assert [conv.dilation for conv in first] == [(rate, rate) for rate in rates]
    assert {conv.kernel_size for conv in first} == {(3, 3)}
    assert {conv.out_channels for conv in first} == {1024 if name == "vgg16" else 21}
    if name == "vgg16":
        features = net.backbone.features
        assert [features[k].stride for k in (23, 30)] == [1, 1]
        assert [features[k].dilation for k in (24, 26, 28)] == [(2, 2)] * 3
        assert isinstance(net.head.average, nn.AvgPool2d) == (model == "deeplabv1")
        assert all(branch[0].dropout.p == 0.5 for branch in net.head.branches)
    else:
        dilations = {
            m.dilation[0] for m in net.backbone.layer4[1].modules() if isinstance(m, nn.Conv2d)
        }
        assert dilations == {1, 4}


def test_scores_start_from_a_small_gaussian() -> None:
    net = build_segmenter("deeplabv2", tiny(8), 21)
    for branch in net.head.branches:
        assert branch[0].weight.std().item() == pytest.approx(0.01, rel=0.03)
        assert not branch[0].bias.any()


def test_rates_of_v1_and_v2_are_ten_and_twenty() -> None:
    net = build_segmenter("deeplabv2", tiny(8), 4)
    groups = {id(p): g for g in parameter_groups(net, 1.0, 0.1) for p in g["params"]}
    conv = net.head.branches[2][0]
    assert (groups[id(conv.weight)]["lr"], groups[id(conv.weight)]["weight_decay"]) == (10.0, 0.1)
    assert (groups[id(conv.bias)]["lr"], groups[id(conv.bias)]["weight_decay"]) == (20.0, 0.0)
