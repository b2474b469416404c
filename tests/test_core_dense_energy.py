"""Dense energy against sums over all pairs in float64; its two gradients; what it favours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from wsss_cli.core import dense_energy as module
from wsss_cli.core.dense_energy import (
    bilateral_filter,
    dense_energy,
    features_of,
    matched_weight,
    soft_gate,
)
from wsss_cli.core.labels import IGNORE

SIGMAS = {"sigma_xy": 3.0, "sigma_rgb": 40.0}
Case = tuple[Tensor, Tensor, Tensor, Tensor]


def kernel(image: np.ndarray, sigma_xy: float, sigma_rgb: float) -> np.ndarray:
    """(h * w, h * w) float64, pair by pair."""
    _, h, w = image.shape
    found = np.zeros((h * w, h * w))
    for i in range(h * w):
        for j in range(h * w):
            (y, x), (v, u) = divmod(i, w), divmod(j, w)
            space = (y - v) ** 2 + (x - u) ** 2
            colour = ((image[:, y, x].astype(float) - image[:, v, u]) ** 2).sum()
            found[i, j] = np.exp(-space / (2 * sigma_xy**2) - colour / (2 * sigma_rgb**2))
    return found


def brute_energy(p: np.ndarray, image: np.ndarray, labels: np.ndarray, seen: np.ndarray) -> float:
    weights = kernel(image, **SIGMAS)
    flat, inside = p.reshape(len(p), -1).astype(float), seen.ravel()
    total = 0.0
    for i in np.flatnonzero(inside):
        gate = 1.0 if labels.ravel()[i] == IGNORE else max(0.0, 1 - flat[:, i].max())
        for j in np.flatnonzero(inside):
            total -= gate * weights[i, j] * float(flat[:, i] @ flat[:, j])
    return total


def case(seed: int = 0, size: tuple[int, int] = (5, 7), n: int = 3) -> Case:
    """Probabilities float64, image, labels of some cells, and a border of padding."""
    generator = torch.Generator().manual_seed(seed)
    p = torch.randn(n, *size, generator=generator, dtype=torch.float64).mul(2).softmax(0)
    image = torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, n, size, generator=generator, dtype=torch.uint8)
    labels[torch.rand(size, generator=generator) < 0.5] = IGNORE
    seen = torch.ones(size, dtype=torch.bool)
    seen[:, -1] = False
    return p, image, labels, seen


@given(st.integers(0, 20), st.sampled_from([1, 40, 1 << 22]))
def test_equals_the_sum_over_all_pairs_whatever_the_tiles(seed: int, tile: int) -> None:
    p, image, labels, seen = case(seed)
    expected = brute_energy(p.numpy(), image.numpy(), labels.numpy(), seen.numpy())
    before, module.TILE = module.TILE, tile
    try:
        for exact in (True, False):
            energy = dense_energy(p, image, labels, seen, **SIGMAS, exact_gradient=exact)
            assert float(energy) == pytest.approx(expected, rel=1e-5)
            single = dense_energy(p.float(), image, labels, seen, **SIGMAS, exact_gradient=exact)
            assert float(single) == pytest.approx(expected, rel=1e-4)
    finally:
        module.TILE = before


def test_the_filter_is_symmetric_and_its_gradient_is_itself() -> None:
    image = torch.randint(0, 256, (3, 4, 6), generator=torch.Generator().manual_seed(1))
    features = features_of(image, torch.ones(4, 6, dtype=torch.bool), 3.0, 40.0).double()
    values = torch.randn(2, 24, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(
        bilateral_filter(torch.eye(24).double(), features).numpy(),
        kernel(image.numpy(), 3.0, 40.0),
        rtol=1e-5,
        atol=1e-8,
    )
    assert torch.autograd.gradcheck(lambda v: bilateral_filter(v, features), values)
    with pytest.raises(ValueError, match="features"):
        bilateral_filter(values, features[:5])


def test_the_exact_gradient_where_the_gate_is_held() -> None:
    """Unlabelled cells: the gate does not depend on the probabilities."""
    p, image, labels, seen = case(3, (3, 4))
    labels.fill_(IGNORE)

    def energy(q: Tensor) -> Tensor:
        return dense_energy(q, image, labels, seen, **SIGMAS, exact_gradient=True)

    assert torch.autograd.gradcheck(energy, p.requires_grad_())


@pytest.mark.parametrize("exact", [True, False])
def test_both_gradients_against_the_matrix(exact: bool) -> None:
    p, image, labels, seen = case(4)
    p.requires_grad_()
    dense_energy(p, image, labels, seen, **SIGMAS, exact_gradient=exact).backward()
    inside = seen.flatten()
    weights = torch.from_numpy(kernel(image.numpy(), **SIGMAS))[inside][:, inside]
    q = p.detach().flatten(1)[:, inside]
    gate = soft_gate(q, labels.flatten()[inside])
    expected = -2 * gate * (q @ weights)
    if exact:
        expected = -gate * (q @ weights) - (gate * q) @ weights
    assert p.grad is not None
    torch.testing.assert_close(p.grad.flatten(1)[:, inside], expected, rtol=1e-5, atol=1e-8)
    assert (p.grad.flatten(1)[:, ~inside] == 0).all()


def test_both_gradients_agree_where_nothing_is_labelled() -> None:
    p, image, labels, seen = case(5)
    labels.fill_(IGNORE)
    grads = []
    for exact in (True, False):
        q = p.clone().requires_grad_()
        dense_energy(q, image, labels, seen, **SIGMAS, exact_gradient=exact).backward()
        grads.append(q.grad)
    torch.testing.assert_close(grads[0], grads[1])


def test_a_cell_that_is_labelled_and_sure_is_left_alone() -> None:
    p, image, labels, seen = case(6)
    p[:, 1, 2] = torch.tensor([0.0, 1.0, 0.0])
    labels[1, 2] = 1
    p.requires_grad_()
    dense_energy(p, image, labels, seen, **SIGMAS).backward()
    assert p.grad is not None
    assert (p.grad[:, 1, 2] == 0).all()
    assert (p.grad[:, 1, 1] != 0).all()


def test_one_label_for_all_is_the_minimum_and_classes_may_be_renamed() -> None:
    p, image, labels, seen = case(7)
    labels.fill_(IGNORE)
    one = torch.zeros_like(p)
    one[1] = 1
    least = dense_energy(one, image, labels, seen, **SIGMAS)
    inside = seen.flatten()
    assert float(least) == pytest.approx(
        -kernel(image.numpy(), **SIGMAS)[inside.numpy()][:, inside.numpy()].sum(), rel=1e-5
    )
    energy = dense_energy(p, image, labels, seen, **SIGMAS)
    assert energy > least
    torch.testing.assert_close(dense_energy(p[[2, 0, 1]], image, labels, seen, **SIGMAS), energy)


def test_neither_padding_nor_its_size_has_a_say() -> None:
    p, image, labels, seen = case(8)
    other, wild = p.clone(), image.clone()
    other[:, ~seen], wild[:, ~seen] = 0.5, 0
    energy = dense_energy(p, image, labels, seen, **SIGMAS)
    torch.testing.assert_close(dense_energy(other, wild, labels, seen, **SIGMAS), energy)
    nothing = dense_energy(p, image, labels, torch.zeros_like(seen), **SIGMAS)
    assert float(nothing) == 0


def test_a_coarser_grid_weighs_as_much() -> None:
    """A smooth scene at twice the stride, its weight matched."""
    rows = torch.linspace(0, 1, 24)
    energies = []
    for stride in (2, 4):
        step = stride // 2
        p = torch.stack([rows, 1 - rows])[:, :, None].expand(2, 24, 24)[:, ::step, ::step]
        image = (rows * 60)[:, None].expand(3, 24, 24)[:, ::step, ::step]
        labels = torch.full(p.shape[1:], IGNORE, dtype=torch.uint8)
        seen = torch.ones_like(labels, dtype=torch.bool)
        found = dense_energy(p, image, labels, seen, sigma_xy=20 / stride, sigma_rgb=15)
        energies.append(float(found) * matched_weight(1e-3, stride))
    assert energies[1] == pytest.approx(energies[0], rel=0.1)
