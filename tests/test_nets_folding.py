"""Folding batch norms into convolutions leaves every network's outputs as they are."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.folding import fold_batchnorm
from wsss_cli.nets.names import BACKBONES
from wsss_cli.nets.norms import AbsorbedBatchNorm2d, freeze_batchnorm
from wsss_cli.nets.segmentation import build_segmenter


def trained_norms(model: nn.Module) -> nn.Module:
    """Statistics and affine parameters unlike those of a fresh network."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    return model.eval()


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@pytest.mark.parametrize("name", [name for name in BACKBONES if name != "resnet101"])
def test_a_backbone_without_batch_norms_gives_the_same_maps(name: str) -> None:
    torch.manual_seed(0)
    model = trained_norms(build_backbone(name))
    x = torch.randn(2, 3, 33, 47)
    with torch.inference_mode():
        expected = model(x)
        found = fold_batchnorm(model)(x)
    assert norms(model) == 0
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * float(other.abs().max()))


def test_a_segmentation_head_too() -> None:
    torch.manual_seed(0)
    model = trained_norms(build_segmenter("deeplabv3", build_backbone("tiny"), 4, norm="batch"))
    assert norms(model) > 13
    x = torch.randn(1, 3, 40, 40)
    with torch.inference_mode():
        expected = model(x)
        found = fold_batchnorm(model)(x)
    assert norms(model) == 0
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_batch_norm_in_training_is_refused() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    with pytest.raises(ValueError, match="1: a batch norm that does not fit 0"):
        fold_batchnorm(model)


def gradients(model: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    sum(maps.square().mean() for maps in model(x)).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("name", ["tiny", "mobilenet_v2", "resnet18"])
def test_frozen_batch_norms_are_absorbed_without_a_trace(name: str, affine: bool) -> None:
    """Same maps, same gradients, same state dict; and folding them for good still works."""
    torch.manual_seed(0)
    plain = trained_norms(build_backbone(name)).double()
    ours = copy.deepcopy(plain)
    count = freeze_batchnorm(ours, affine)
    assert count == sum(isinstance(module, AbsorbedBatchNorm2d) for module in ours.modules())
    assert list(ours.state_dict()) == list(plain.state_dict())
    ours.train()
    if affine:
        for module in plain.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.requires_grad_(False)
    x = torch.randn(2, 3, 33, 47).double()
    expected, found = gradients(plain, x), gradients(copy.deepcopy(ours), x)
    assert found.keys() == expected.keys()
    for key, gradient in expected.items():
        torch.testing.assert_close(found[key], gradient, rtol=1e-6, atol=1e-9)
    with torch.inference_mode():
        maps = plain(x)
        folded = fold_batchnorm(ours.eval())(x)
    assert norms(ours) == 0
    for one, other in zip(folded, maps, strict=True):
        torch.testing.assert_close(one, other)
