"""Pooling of maps against a plain float64 version, and what must hold of any."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wsss_cli.core.pooling import POOLS, check_pool, pooled


def some_maps(seed: int = 0, shape: tuple[int, ...] = (2, 3, 5, 7)) -> torch.Tensor:
    return 3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double()


def plain(maps: np.ndarray, pool: str, r: float) -> float:
    """One map's score, cell by cell."""
    cells = [float(x) for x in maps.ravel()]
    if pool == "gap":
        return sum(cells) / len(cells)
    if pool == "max":
        return max(cells)
    return math.log(sum(math.exp(r * x) for x in cells) / len(cells)) / r


@pytest.mark.parametrize("pool", POOLS)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 6), st.floats(0.05, 20))
def test_as_a_plain_version_has_it(pool: str, seed: int, h: int, w: int, r: float) -> None:
    maps = some_maps(seed, (2, h, w))
    found = pooled(maps, pool, r)
    assert found.shape == (2,)
    for one, value in zip(maps.numpy(), found.tolist(), strict=True):
        assert value == pytest.approx(plain(one, pool, r), rel=1e-9, abs=1e-9)
    assert torch.allclose(pooled(maps.float(), pool, r).double(), found, atol=1e-4)


def test_lse_goes_from_the_mean_to_the_maximum() -> None:
    maps = some_maps()
    scores = [pooled(maps, "lse", r) for r in (1e-6, 0.1, 1, 5, 50, 5000)]
    assert torch.allclose(scores[0], pooled(maps, "gap"), atol=1e-4)
    assert torch.allclose(scores[-1], pooled(maps, "max"), atol=1e-3)
    for lower, higher in itertools.pairwise(scores):
        assert bool((lower < higher).all())
    for r, score in zip((1, 5), scores[2:], strict=False):  # at most log(h w) / r below
        assert bool((score >= pooled(maps, "max") - math.log(35) / r).all())


def test_large_values_do_not_overflow() -> None:
    maps = torch.tensor([[1e4, -1e4], [0.0, 0.0]])
    assert float(pooled(maps, "lse", 50)) == pytest.approx(1e4 - math.log(4) / 50)


@pytest.mark.parametrize("pool", POOLS)
def test_gradients(pool: str) -> None:
    maps = some_maps(shape=(2, 3, 4)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: pooled(x, pool, 2.0), maps)
    (gradient,) = torch.autograd.grad(pooled(maps, pool, 2.0).sum(), maps)
    assert torch.allclose(gradient.sum((1, 2)), torch.ones(2).double())
    expected = {
        "gap": torch.full((2, 12), 1 / 12).double(),
        "max": torch.eye(12).double()[maps.flatten(1).argmax(1)],
        "lse": (2 * maps.flatten(1)).softmax(1),
    }[pool]
    assert torch.allclose(gradient.flatten(1), expected)


def test_what_padding_does() -> None:
    """Cells beside the image count as any others, and then as many as there are."""
    maps = some_maps(shape=(3, 4, 5)).abs()
    padded = torch.nn.functional.pad(maps, (0, 5), value=-100.0)  # half of it is padding
    assert torch.equal(pooled(padded, "max"), pooled(maps, "max"))
    lower = pooled(maps, "lse", 5.0) - math.log(2) / 5
    assert torch.allclose(pooled(padded, "lse", 5.0), lower)
    assert torch.allclose(pooled(padded, "gap"), (pooled(maps, "gap") - 100) / 2)


@pytest.mark.parametrize("pool", POOLS)
def test_a_shift_of_the_map_shifts_its_score_and_copied_cells_do_nothing(pool: str) -> None:
    maps = some_maps()
    assert torch.allclose(pooled(maps + 2, pool), pooled(maps, pool) + 2)
    assert torch.allclose(pooled(torch.cat([maps, maps], -1), pool), pooled(maps, pool))


def test_what_there_is_not() -> None:
    with pytest.raises(ValueError, match="unknown pool 'min'; there are gap, max, lse"):
        check_pool("min", 1.0)
    for sharpness in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="must be above 0"):
            pooled(some_maps(), "lse", sharpness)
