"""Grad-CAM and its kin against plain loops and autograd in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from wsss_cli.core.gradcam import METHODS, gradient_maps


def by_loops(features: np.ndarray, gradients: np.ndarray, method: str) -> np.ndarray:
    """The published formulas of one image, feature by feature and cell by cell; not times Z."""
    depth, h, w = features.shape
    total = np.zeros((h, w))
    for k in range(depth):
        if method == "layercam":
            for y in range(h):
                for x in range(w):
                    total[y, x] += max(gradients[k, y, x], 0) * features[k, y, x]
            continue
        weight = 0.0
        for y in range(h):
            for x in range(w):
                g = gradients[k, y, x]
                if method == "gradcam":
                    weight += g / (h * w)
                elif g != 0:
                    alpha = g**2 / (2 * g**2 + features[k].sum() * g**3)
                    weight += alpha * max(g, 0)
        total += weight * features[k]
    return np.maximum(total, 0)


@pytest.fixture
def scene() -> tuple[Tensor, Tensor]:
    """(features >= 0, gradients of both signs and some 0), both (2, 5, 3, 4)."""
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(2, 5, 3, 4, generator=generator, dtype=torch.float64).relu()
    gradients = torch.randn(2, 5, 3, 4, generator=generator, dtype=torch.float64)
    gradients[:, 1] = 0
    return features, gradients


@pytest.mark.parametrize("method", METHODS)
def test_as_plain_loops(scene: tuple[Tensor, Tensor], method: str) -> None:
    features, gradients = scene
    found = gradient_maps(features, gradients, method)
    times = {"gradcam": 12, "gradcam++": 1, "layercam": 12}[method]
    for image in range(2):
        expected = by_loops(features[image].numpy(), gradients[image].numpy(), method)
        assert expected.max() > 0
        np.testing.assert_allclose(found[image], times * expected, rtol=1e-12)


def pooled_linear(weight: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    """(leaf features, the score of a head of average pooling and one linear layer)."""
    leaf = features.clone().requires_grad_()
    return leaf, (leaf.mean(dim=(2, 3)) * weight).sum()


def test_on_a_pooled_linear_head_they_are_cams(scene: tuple[Tensor, Tensor]) -> None:
    features = scene[0]
    weight = torch.tensor([1.0, -2.0, 0.5, 3.0, -0.1], dtype=torch.float64)
    leaf, score = pooled_linear(weight, features)
    (gradients,) = torch.autograd.grad(score, leaf)

    def cam(of: Tensor) -> Tensor:
        return (of[:, None, None] * features).sum(1).relu()

    torch.testing.assert_close(gradient_maps(features, gradients, "gradcam"), cam(weight))
    torch.testing.assert_close(gradient_maps(features, gradients, "layercam"), cam(weight.relu()))
    # a_k = 1 / (2 + w_k mean A_k), the same at every cell
    means = features.mean(dim=(2, 3), keepdim=True)
    positive = weight.relu()[:, None, None]
    expected = (positive / (2 + positive * means) * features).sum(1)
    torch.testing.assert_close(gradient_maps(features, gradients, "gradcam++"), expected)


@pytest.mark.parametrize("method", METHODS)
def test_scale_does_not_depend_on_the_size_of_the_view(
    scene: tuple[Tensor, Tensor], method: str
) -> None:
    """Views are summed: one of four times the cells must not weigh a quarter."""
    weight = torch.tensor([1.0, 2.0, -0.5, 3.0, 0.1], dtype=torch.float64)
    maps = []
    for features in (scene[0], scene[0].repeat_interleave(2, 2).repeat_interleave(2, 3)):
        leaf, score = pooled_linear(weight, features)
        maps.append(gradient_maps(features, *torch.autograd.grad(score, leaf), method))
    torch.testing.assert_close(maps[1], maps[0].repeat_interleave(2, 1).repeat_interleave(2, 2))


@pytest.mark.parametrize("method", METHODS)
def test_no_gradient_no_map_and_never_below_0(method: str) -> None:
    features = torch.randn(2, 5, 3, 4, dtype=torch.float64)  # not rectified, as swin's
    assert not gradient_maps(features, torch.zeros_like(features), method).any()
    found = gradient_maps(features, 100 * torch.randn_like(features), method)
    assert bool(torch.isfinite(found).all())
    assert found.min() >= 0


def test_misuse(scene: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(ValueError, match="method 'cam'"):
        gradient_maps(*scene, "cam")
    with pytest.raises(ValueError, match="of features"):
        gradient_maps(scene[0], scene[1][:1], "gradcam")
