"""Affinities and pair losses against gathers over explicit lists of pairs, in float64."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensor_sizes import LargestTensor
from torch import Tensor

from wsss_cli.core.affinity import (
    affinity_loss_psa,
    boundary_loss_irn,
    feature_affinity,
    path_affinity,
)
from wsss_cli.core.labels import IGNORE
from wsss_cli.core.pairs import Border, half_disk_offsets, path_cells

BORDERS: list[Border] = ["full", "reference"]
SIDES = st.integers(1, 7)


class Pairs(NamedTuple):
    """Every pair of a grid as flat indices, (P,) each, its offset and its path's cells."""

    one: Tensor
    other: Tensor
    offset: Tensor
    paths: list[Tensor]


def all_pairs(h: int, w: int, radius: int, border: Border = "full") -> Pairs:
    margin = radius - 1 if border == "reference" else 0
    one, other, offsets, paths = [], [], [], []
    for y in range(h - margin):
        for x in range(margin, w - margin):
            for dy, dx in half_disk_offsets(radius):
                if y + dy < h and 0 <= x + dx < w:
                    one.append(y * w + x)
                    other.append((y + dy) * w + x + dx)
                    offsets.append((dy, dx))
                    cells = [(y + py) * w + x + px for py, px in path_cells((dy, dx))]
                    paths.append(torch.tensor(cells))
    long = torch.long
    return Pairs(
        torch.tensor(one, dtype=long),
        torch.tensor(other, dtype=long),
        torch.tensor(offsets, dtype=torch.float64).view(-1, 2),
        paths,
    )


def masks_of(labels: Tensor, pairs: Pairs) -> tuple[Tensor, Tensor, Tensor]:
    flat = labels.flatten(1).long()
    a, b = flat[:, pairs.one], flat[:, pairs.other]
    valid = (a != IGNORE) & (b != IGNORE)
    return valid & (a == b) & (a == 0), valid & (a == b) & (a != 0), valid & (a != b)


def mean_over(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / (mask.sum() + 1e-5)


def gathered_psa(features: Tensor, labels: Tensor, radius: int, border: Border) -> Tensor:
    pairs = all_pairs(*labels.shape[1:], radius, border)
    flat = features.flatten(2)
    a = torch.exp(-(flat[..., pairs.one] - flat[..., pairs.other]).abs().mean(1))
    background, foreground, different = masks_of(labels, pairs)
    near, far = -torch.log(a + 1e-5), -torch.log(1 + 1e-5 - a)
    return (
        mean_over(near, background) / 4
        + mean_over(near, foreground) / 4
        + mean_over(far, different) / 2
    )


def gathered_path(boundary: Tensor, pairs: Pairs) -> Tensor:
    """(B, P) affinities of (B, h, w) boundaries."""
    flat = boundary.flatten(1)
    columns = [1 - flat[:, cells].amax(1) for cells in pairs.paths]
    return torch.stack(columns, 1) if columns else flat.new_zeros((len(flat), 0))


def gathered_irn(
    boundary: Tensor, displacement: Tensor, labels: Tensor, radius: int, border: Border
) -> list[Tensor]:
    pairs = all_pairs(*labels.shape[1:], radius, border)
    a = gathered_path(boundary[:, 0], pairs)
    background, foreground, different = masks_of(labels, pairs)
    near, far = -torch.log(a + 1e-5), -torch.log(1 + 1e-5 - a)
    flat = displacement.flatten(2)
    apart = flat[..., pairs.one] - flat[..., pairs.other]
    to_centre = (apart - pairs.offset.T).abs().sum(1)
    return [
        mean_over(near, background) / 2 + mean_over(near, foreground) / 2,
        mean_over(far, different),
        (to_centre * foreground).sum() / (2 * foreground.sum() + 1e-5),
        (apart.abs().sum(1) * background).sum() / (2 * background.sum() + 1e-5),
    ]


def random_case(
    batch: int, h: int, w: int, seed: int, channels: int = 4
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features, boundary, displacement (float64, wanting gradients) and labels of a batch."""
    generator = torch.Generator().manual_seed(seed)

    def draw(depth: int) -> Tensor:
        return torch.randn(batch, depth, h, w, generator=generator, dtype=torch.float64)

    choices = torch.tensor([0, 0, 1, 2, IGNORE], dtype=torch.uint8)
    labels = choices[torch.randint(0, 5, (batch, h, w), generator=generator)]
    features, boundary, displacement = draw(channels), draw(1).sigmoid(), draw(2)
    for tensor in (features, boundary, displacement):
        tensor.requires_grad_()
    return features, boundary, displacement, labels


def gradients(loss: Tensor, *inputs: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, inputs, retain_graph=True))


@given(SIDES, SIDES, st.integers(1, 5), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_feature_affinity_is_the_gather(h: int, w: int, radius: int, seed: int) -> None:
    features = random_case(2, h, w, seed)[0].detach()
    offsets, pairs = half_disk_offsets(radius), all_pairs(h, w, radius)
    got = feature_affinity(features, offsets)
    flat = features.flatten(2)
    wanted = torch.zeros_like(got)
    for one, other, offset in zip(pairs.one, pairs.other, pairs.offset.tolist(), strict=True):
        plane = offsets.index((int(offset[0]), int(offset[1])))
        distance = (flat[:, :, one] - flat[:, :, other]).abs().mean(1)
        wanted[:, plane].flatten(1)[:, one] = torch.exp(-distance)
    torch.testing.assert_close(got, wanted)
    torch.testing.assert_close(feature_affinity(features[0], offsets), got[0])


@given(SIDES, st.integers(1, 9), st.integers(1, 6), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_path_affinity_is_the_gather(h: int, w: int, radius: int, seed: int) -> None:
    boundary = random_case(2, h, w, seed)[1].detach()[:, 0]
    offsets, pairs = half_disk_offsets(radius), all_pairs(h, w, radius)
    got = path_affinity(boundary, offsets)
    wanted = torch.zeros_like(got)
    planes = [offsets.index((int(dy), int(dx))) for dy, dx in pairs.offset.tolist()]
    wanted.flatten(2)[:, planes, pairs.one] = gathered_path(boundary, pairs)
    assert torch.equal(got, wanted)  # a maximum has no rounding
    assert torch.equal(path_affinity(boundary[0], offsets), got[0])


def test_paths_of_radius_ten_are_the_gather() -> None:
    boundary = random_case(1, 12, 21, 3)[1].detach()[:, 0]
    offsets, pairs = half_disk_offsets(10), all_pairs(12, 21, 10)
    got = path_affinity(boundary, offsets)
    planes = [offsets.index((int(dy), int(dx))) for dy, dx in pairs.offset.tolist()]
    assert torch.equal(got.flatten(2)[:, planes, pairs.one], gathered_path(boundary, pairs))


def test_affinities_of_half_precision_are_float32() -> None:
    features = torch.randn(8, 5, 6)
    got = feature_affinity(features.bfloat16(), half_disk_offsets(3))
    assert got.dtype == torch.float32
    torch.testing.assert_close(
        got, feature_affinity(features, half_disk_offsets(3)), atol=0.02, rtol=0
    )


def test_path_affinity_facts() -> None:
    offsets = half_disk_offsets(5)
    inside = path_affinity(torch.zeros(9, 11), offsets)
    assert set(inside.unique().tolist()) == {0.0, 1.0}  # no boundary: every pair alike, 0 outside
    assert inside.sum() == len(all_pairs(9, 11, 5).one)

    boundary = torch.rand(9, 11, generator=torch.Generator().manual_seed(0))
    boundary[4, 5] = 1.0
    affinity = path_affinity(boundary, offsets)
    right = offsets.index((0, 1))
    torch.testing.assert_close(
        affinity[right, :, :-1], 1 - torch.maximum(boundary[:, :-1], boundary[:, 1:])
    )
    for plane, (dy, dx) in zip(affinity, offsets, strict=True):
        for y in range(9 - dy):
            for x in range(max(0, -dx), min(11, 11 - dx)):
                assert plane[y, x] <= 1 - max(boundary[y, x], boundary[y + dy, x + dx])
        assert plane[4, 5] == 0
        if dy <= 4 and 0 <= 5 - dx < 11:
            assert plane[4 - dy, 5 - dx] == 0


def test_identical_features_are_wholly_alike() -> None:
    features = torch.full((1, 8, 6, 6), 3.3)
    assert set(feature_affinity(features, half_disk_offsets(4)).unique().tolist()) == {0.0, 1.0}
    labels = torch.zeros(1, 6, 6, dtype=torch.uint8)
    labels[:, :, 3:] = 1
    loss = affinity_loss_psa(features, labels)
    assert loss.different.item() == pytest.approx(-math.log(1e-5), rel=5e-3)  # 11.51, in float32
    assert loss.background.item() == pytest.approx(0, abs=2e-5)
    assert loss.foreground.item() == pytest.approx(0, abs=2e-5)
    assert affinity_loss_psa(features.double(), labels).different == pytest.approx(
        11.5129, abs=1e-4
    )


@pytest.mark.parametrize("border", BORDERS)
@given(h=SIDES, w=SIDES, radius=st.integers(1, 5), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=25)
def test_psa_loss_and_gradient_are_the_gather(
    border: Border, h: int, w: int, radius: int, seed: int
) -> None:
    features, _, _, labels = random_case(2, h, w, seed)
    wanted = gathered_psa(features, labels, radius, border)
    got = affinity_loss_psa(features, labels, radius, border)
    torch.testing.assert_close(got.total, wanted)
    torch.testing.assert_close(
        got.background / 4 + got.foreground / 4 + got.different / 2, got.total.detach()
    )
    torch.testing.assert_close(gradients(3 * got.total, features), gradients(3 * wanted, features))


@pytest.mark.parametrize("border", BORDERS)
@given(h=SIDES, w=SIDES, radius=st.integers(1, 5), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=25)
def test_irn_losses_and_gradients_are_the_gather(
    border: Border, h: int, w: int, radius: int, seed: int
) -> None:
    _, boundary, displacement, labels = random_case(2, h, w, seed)
    wanted = gathered_irn(boundary, displacement, labels, radius, border)
    got = boundary_loss_irn(boundary, displacement, labels, radius, border)
    inputs = (boundary, displacement)
    for part, other, weight in zip(got, wanted, (2.0, -1.0, 0.5, 3.0), strict=True):
        torch.testing.assert_close(part, other)
        torch.testing.assert_close(
            gradients(weight * part, *inputs),
            gradients(weight * (other + 0 * sum_of(inputs)), *inputs),
        )
    torch.testing.assert_close(got.total, (wanted[0] + wanted[1]) / 2 + (wanted[2] + wanted[3]) / 2)
    torch.testing.assert_close(
        gradients(got.total, *inputs), gradients(sum(wanted) / 2 + 0 * sum_of(inputs), *inputs)
    )


def sum_of(tensors: tuple[Tensor, ...]) -> Tensor:
    """Ties unused inputs to a loss, so that their gradient is 0 and not missing."""
    return torch.stack([tensor.sum() for tensor in tensors]).sum()


def test_gradcheck() -> None:
    features, boundary, displacement, labels = random_case(1, 4, 5, 7, channels=2)
    assert torch.autograd.gradcheck(lambda f: affinity_loss_psa(f, labels, 3).total, features)
    assert torch.autograd.gradcheck(
        lambda b, d: tuple(boundary_loss_irn(b, d, labels, 3)), (boundary, displacement)
    )


@pytest.mark.parametrize("fill", [IGNORE, 0, 7])
def test_missing_kinds_of_pair_count_nothing(fill: int) -> None:
    features, boundary, displacement, labels = random_case(2, 6, 6, 1)
    labels.fill_(fill)
    psa = affinity_loss_psa(features, labels, 3)
    irn = boundary_loss_irn(boundary, displacement, labels, 3)
    values = torch.stack([*psa, *irn]).detach()
    assert values.isfinite().all()
    assert psa.different == irn.negative == 0
    assert (psa.background == 0) == (irn.displacement_background == 0) == (fill != 0)
    assert (psa.foreground == 0) == (irn.displacement_foreground == 0) == (fill != 7)
    slopes = [*gradients(psa.total, features), *gradients(irn.total, boundary, displacement)]
    for slope in slopes:
        assert slope.isfinite().all()
        assert (slope == 0).all() == (fill == IGNORE)


def test_displacements_to_one_centre_cost_nothing() -> None:
    y, x = torch.meshgrid(torch.arange(9.0), torch.arange(7.0), indexing="ij")
    displacement = torch.stack([4.0 - y, 3.0 - x])[None]
    labels = torch.full((1, 9, 7), 5, dtype=torch.uint8)
    loss = boundary_loss_irn(torch.zeros(1, 1, 9, 7), displacement, labels, 5)
    assert loss.displacement_foreground == 0
    assert loss.positive == pytest.approx(0, abs=2e-5)
    still = boundary_loss_irn(torch.zeros(1, 1, 9, 7), 0 * displacement, labels, 5)
    offsets = all_pairs(9, 7, 5).offset
    assert still.displacement_foreground.item() == pytest.approx(offsets.abs().mean().item())


def test_batch_is_one_mean_and_image_order_does_not_matter() -> None:
    features, boundary, displacement, labels = random_case(3, 5, 5, 2)
    labels[0] = IGNORE  # contributes no pair, so it must not dilute the means
    whole = affinity_loss_psa(features, labels, 3).total
    torch.testing.assert_close(whole, affinity_loss_psa(features[1:], labels[1:], 3).total)
    torch.testing.assert_close(
        torch.stack([*boundary_loss_irn(boundary, displacement, labels, 3)]),
        torch.stack(
            [*boundary_loss_irn(boundary.flip(0), displacement.flip(0), labels.flip(0), 3)]
        ),
    )


def test_saturated_predictions_keep_finite_gradients() -> None:
    labels = random_case(2, 6, 6, 4)[3]
    boundary = torch.zeros(2, 1, 6, 6)
    boundary[:, :, ::2] = 1
    boundary.requires_grad_()
    features = torch.full((2, 4, 6, 6), 1e4)
    features[:, :, ::2] = -1e4
    features.requires_grad_()
    loss = boundary_loss_irn(boundary, torch.zeros(2, 2, 6, 6), labels, 4).total
    loss = loss + affinity_loss_psa(features, labels, 4).total
    loss.backward()
    assert loss.isfinite()
    assert boundary.grad is not None
    assert boundary.grad.isfinite().all()
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_half_precision_features_train_in_float32() -> None:
    features, _, _, labels = random_case(2, 6, 7, 5)
    half = features.detach().bfloat16().requires_grad_()
    loss = affinity_loss_psa(half, labels, 4).total
    loss.backward()
    assert loss.dtype == torch.float32
    assert half.grad is not None
    assert half.grad.dtype == torch.bfloat16
    torch.testing.assert_close(
        loss.item(), affinity_loss_psa(features, labels, 4).total.item(), atol=0.01, rtol=0
    )


def test_misfits_are_refused() -> None:
    labels = torch.zeros(2, 5, 6, dtype=torch.uint8)
    with pytest.raises(ValueError, match="features"):
        affinity_loss_psa(torch.zeros(2, 3, 6, 5), labels)
    with pytest.raises(ValueError, match="displacement"):
        boundary_loss_irn(torch.zeros(2, 1, 5, 6), torch.zeros(2, 1, 5, 6), labels)
    with pytest.raises(ValueError, match="border"):
        affinity_loss_psa(torch.zeros(2, 3, 5, 6), labels, 3, "crop")  # type: ignore[arg-type]


def test_no_tensor_grows_with_the_number_of_pairs() -> None:
    features, boundary, displacement, labels = random_case(1, 20, 20, 6, channels=8)
    for radius in (3, 9):
        with LargestTensor() as seen:
            affinity_loss_psa(features, labels, radius).total.backward()
        assert seen.numel <= features.numel()
        with LargestTensor() as seen:
            boundary_loss_irn(boundary, displacement, labels, radius).total.backward()
        assert seen.numel <= 2 * displacement.numel()
