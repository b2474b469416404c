"""Dilated depthwise convolutions: gradients that bfloat16 does not spoil."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from wsss_cli.nets.base import remove_strides
from wsss_cli.nets.norms import NormedConv2d, freeze_batchnorm

CHANNELS = 96


def stage(normed: bool) -> nn.Sequential:
    """Two depthwise convolutions at what was stride 2, the second dilated."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(CHANNELS, CHANNELS, 3, stride=stride, padding=1, groups=CHANNELS, bias=False)
        for stride in (2, 1)
    ]
    made = nn.Sequential(layers[0], layers[1], nn.BatchNorm2d(CHANNELS))
    remove_strides([made], dilate=True)
    assert made[1].dilation == (2, 2)
    if normed:
        freeze_batchnorm(made)
        assert isinstance(made[1], NormedConv2d)
    return made.eval().to(memory_format=torch.channels_last)


def gradients(network: nn.Module, x: Tensor, slope: Tensor) -> list[Tensor]:
    for parameter in network.parameters():
        parameter.grad = None
    (network(x) * slope.to(x.dtype)).sum().backward()
    return [p.grad.double() for p in network.parameters() if p.grad is not None]


@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("size", [(30, 32), (40, 40)])
def test_weights_gradients_are_those_of_float64(normed: bool, size: tuple[int, int]) -> None:
    network = stage(normed)
    x = torch.randn(2, CHANNELS, *size).contiguous(memory_format=torch.channels_last)
    slope = torch.randn(2, CHANNELS, *size)
    exact = gradients(stage(normed).double(), x.double(), slope)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = gradients(network, x, slope)
    assert len(found) == len(exact) >= 2
    for one, other in zip(found, exact, strict=True):
        assert float((one - other).abs().max()) < 0.03 * float(other.abs().max())


def test_float32_is_for_training_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.dtype] = []
    plain = nn.functional.conv2d

    def spy(x: Tensor, *rest: Any) -> Tensor:
        seen.append(x.dtype)
        return plain(x, *rest)

    network, x = stage(True), torch.randn(1, CHANNELS, 8, 8)
    monkeypatch.setattr(nn.functional, "conv2d", spy)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert network(x).dtype == torch.bfloat16
        assert seen[1] == torch.float32
        with torch.inference_mode():
            half = x.bfloat16()
            network(half)
        assert seen[3] == torch.bfloat16
    network(x)
    assert seen[5] == torch.float32
