"""SEAM: the pixel correlation against a dense float64 one, and the losses' invariants."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from wsss_cli.core.seam import (
    PairWeights,
    correlation_input,
    hardest_mean,
    max_norm,
    mean_resized,
    min_pool,
    pair_losses,
    pixel_correlation,
    resize,
    seam_loss,
    strongest_only,
)


def dense(values: Tensor, features: Tensor) -> Tensor:
    """The N x N way."""
    batch, channels, h, w = values.shape
    f = features.flatten(2)
    f = f / (f.norm(dim=1, keepdim=True) + 1e-5)
    affinity = torch.einsum("bdi,bdj->bij", f, f).relu()
    out = torch.einsum("bci,bij->bcj", values.flatten(2), affinity)
    return (out / (affinity.sum(1)[:, None] + 1e-5)).view(batch, channels, h, w)


def random_maps(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("tile", [1, 4, 7, 12, 100])
def test_tiles_give_what_the_whole_matrix_gives(tile: int) -> None:
    values = random_maps(2, 3, 3, 4).abs().requires_grad_()
    features = random_maps(2, 5, 3, 4, seed=1).requires_grad_()
    found, expected = pixel_correlation(values, features, tile), dense(values, features)
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-14)
    weight = random_maps(2, 3, 3, 4, seed=2)
    for one, other in zip(
        torch.autograd.grad((found * weight).sum(), (values, features)),
        torch.autograd.grad((expected * weight).sum(), (values, features)),
        strict=True,
    ):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-12)


def test_gradients_of_the_correlation() -> None:
    values = random_maps(1, 2, 2, 3).requires_grad_()
    features = random_maps(1, 4, 2, 3, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(lambda v, f: pixel_correlation(v, f, 4), (values, features))
    assert torch.autograd.gradcheck(lambda f: pixel_correlation(values.detach(), f, 4), (features,))


def test_float32_tiles_of_a_real_size() -> None:
    values, features = random_maps(1, 4, 28, 30).abs(), random_maps(1, 32, 28, 30, seed=1)
    found = pixel_correlation(values.float(), features.float())
    assert float((found - dense(values, features)).abs().max()) < 3e-6


def test_products_of_half_precision_hardly_move_the_means() -> None:
    values, features = random_maps(1, 4, 28, 30).abs(), random_maps(1, 32, 28, 30, seed=1)
    exact = dense(values, features)
    found = pixel_correlation(values.float(), features.float(), products=torch.bfloat16)
    assert found.dtype == torch.float32
    assert 1e-7 < float((found - exact).abs().max()) < 0.02 * float(exact.std())


def test_what_the_correlation_keeps() -> None:
    features = random_maps(1, 6, 4, 5)
    constant = torch.full((1, 1, 4, 5), 0.7, dtype=torch.float64)
    assert torch.allclose(pixel_correlation(constant, features), constant, rtol=2e-5)
    values = random_maps(1, 2, 4, 5, seed=4)
    alike = pixel_correlation(values, torch.ones(1, 6, 4, 5, dtype=torch.float64))
    mean = values.mean((2, 3), keepdim=True).expand_as(values)
    assert torch.allclose(alike, mean, rtol=1e-4, atol=1e-6)
    apart = torch.eye(20, dtype=torch.float64).view(1, 20, 4, 5)
    assert torch.allclose(pixel_correlation(values, apart), values / (1 + 1e-5), rtol=1e-4)
    out = pixel_correlation(values, features)
    low, high = values.amin((2, 3)), values.amax((2, 3))
    assert bool((out.amin((2, 3)) >= low - 1e-4).all() and (out.amax((2, 3)) <= high + 1e-4).all())
    with pytest.raises(ValueError, match="features"):
        pixel_correlation(values, features[..., :2])


def test_what_is_spread() -> None:
    cam = torch.tensor([[[[4.0, 1.0]], [[2.0, 2.0]], [[-1.0, -3.0]]]], requires_grad=True)
    found = correlation_input(cam)
    assert not found.requires_grad
    expected = torch.tensor([[[0.0, 0.0]], [[1.0, 0.0]], [[0.0, 1.0]], [[0.0, 0.0]]])
    assert torch.allclose(found[0], expected, atol=2e-5)
    both = correlation_input(cam, suppress=False)[0]
    assert both[1].tolist()[0] == pytest.approx([1, 0.25], abs=2e-5)
    assert both[0].tolist()[0] == pytest.approx([0, 0], abs=2e-5)
    assert bool((both[3] == 0).all())  # no response stays none, without NaN


def test_a_spread_map_lies_in_0_to_1_and_a_constant_one_is_0() -> None:
    maps = random_maps(3, 4, 5)
    maps[1] = 2.5
    found = max_norm(maps)
    assert float(found.min()) == 0
    assert 0.999 < float(found[0].max()) < 1
    assert bool((found[1] == 0).all())
    assert max_norm(maps[:0]).shape == (0, 4, 5)


def test_means_of_maps_that_are_never_made() -> None:
    maps = random_maps(2, 3, 4, 5)
    large = F.interpolate(maps, size=(13, 9), mode="bilinear", align_corners=True)
    assert torch.allclose(mean_resized(maps, (13, 9)), large.mean((2, 3)))
    assert torch.allclose(mean_resized(maps[..., :1, :1], (6, 6)), maps[..., 0, 0])


def test_the_lowest_quarter() -> None:
    maps = torch.arange(16.0).view(1, 4, 4)
    assert float(min_pool(torch.cat([maps, maps - 5]))) == (0 + 1 + 2 + 3) / 4
    assert float(min_pool(maps - 3)) == 0
    assert float(min_pool(maps[:0])) == 0


def test_the_hardest_fifth_counts_absent_classes_as_nought() -> None:
    values = torch.arange(10.0)
    assert float(hardest_mean(values, 10)) == 8.5
    absent = torch.cat([values, torch.zeros(20)])
    assert float(hardest_mean(values, 30)) == float(absent.topk(6).values.mean())
    assert float(hardest_mean(values, 100)) == float(values.sum()) / 20


def plain_loss(
    cams: tuple[Tensor, Tensor], refined: tuple[Tensor, Tensor], tags: Tensor, sizes: list
) -> Tensor:
    """All classes, all cells, as the method is described."""
    batch = len(tags)
    known = torch.cat([torch.ones(batch, 1, dtype=tags.dtype), tags], 1)[:, :, None, None]
    total, maps, fine = tags.new_zeros(()), [], []
    for cam, rv, size in zip(cams, refined, sizes, strict=True):
        cam = F.interpolate(cam, size=size, mode="bilinear", align_corners=True)
        rv = F.interpolate(rv, size=size, mode="bilinear", align_corners=True)
        total = total + F.multilabel_soft_margin_loss(cam.mean((2, 3)), tags) / 2
        lowest = (rv * known)[:, 1:].amax(1).flatten(1)
        count = lowest.shape[1] // 4
        total = total + lowest.topk(count, largest=False).values.relu().mean() / 2
        small = [
            F.interpolate(max_norm(m), size=sizes[1], mode="bilinear", align_corners=True)
            for m in (cam, rv)
        ]
        maps.append(small[0] * known[:, 1:])
        fine.append(small[1] * known)
    total = total + (maps[0] - maps[1]).abs().mean()
    hot = []
    for m in maps:
        m = m.detach()
        top = m.amax(1, keepdim=True)
        hot.append(torch.cat([1 - top, m * (m == top)], 1))
    for target, rv in ((hot[1], fine[0]), (hot[0], fine[1])):
        error = (target - rv).abs().flatten(1)
        total = total + error.topk(int(error.shape[1] * 0.2)).values.mean()
    return total


def batch_of_three() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], Tensor, list]:
    cams = random_maps(3, 4, 5, 6), random_maps(3, 4, 2, 3, seed=1)
    refined = random_maps(3, 5, 5, 6, seed=2).abs(), random_maps(3, 5, 2, 3, seed=3).abs()
    tags = torch.tensor([[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=torch.float64)
    return cams, refined, tags, [(20, 24), (6, 7)]


def test_the_losses_of_present_classes_are_those_of_all() -> None:
    cams, refined, tags, sizes = batch_of_three()
    leaves = [*cams, *refined]
    for leaf in leaves:
        leaf.requires_grad_()
    found = seam_loss(cams, refined, tags, sizes)
    expected = plain_loss(cams, refined, tags, sizes)
    assert found.item() == pytest.approx(expected.item(), rel=1e-10)
    for one, other in zip(
        torch.autograd.grad(found, leaves), torch.autograd.grad(expected, leaves), strict=True
    ):
        assert torch.allclose(one, other, rtol=1e-8, atol=1e-12)


def test_parts_of_a_batch_have_shares_of_its_loss() -> None:
    cams, refined, tags, sizes = batch_of_three()
    counts = torch.tensor([3, tags.numel()])
    parts = [
        seam_loss(
            (cams[0][part], cams[1][part]),
            (refined[0][part], refined[1][part]),
            tags[part],
            sizes,
            counts=counts,
        )
        for part in (slice(0, 1), slice(1, 3))
    ]
    assert float(sum(parts)) == pytest.approx(float(seam_loss(cams, refined, tags, sizes)))
    weights = PairWeights(0, 0, 0)
    alone = sum(
        F.multilabel_soft_margin_loss(mean_resized(c, s), tags) / 2
        for c, s in zip(cams, sizes, strict=True)
    )
    assert float(seam_loss(cams, refined, tags, sizes, weights)) == pytest.approx(float(alone))


def test_equivariance_and_cross_regularisation_vanish_where_the_views_agree() -> None:
    maps = random_maps(2, 6, 7)
    maps[:, 1, 1], maps[:, 2, 2] = torch.tensor([9.0, -1]), torch.tensor([-1, 9.0])
    present, sizes = torch.tensor([0, 1]), ((6, 7), (6, 7))
    spread = max_norm(maps)
    refined = strongest_only(spread)
    equivariance, cross, _ = pair_losses((maps, 3 * maps), (refined, refined), present, sizes)
    assert float(equivariance) < 1e-4  # a branch's scale is of no effect
    assert float(cross) < 1e-3
    other, _, _ = pair_losses((maps, maps.flip(-1)), (refined, refined), present, sizes)
    assert float(other) > 0.05
    assert float(resize(maps, (6, 7)).sub(maps).abs().max()) == 0
