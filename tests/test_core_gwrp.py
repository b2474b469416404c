"""Rank pooling against a sorted sum in float64."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import plain_gwrp

from wsss_cli.core.gwrp import CELLS, decay_for, gwrp


@settings(max_examples=50)
@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_rank_pooling(values: list[float], one: float, other: float) -> None:
    maps = torch.tensor(values, dtype=torch.float64)
    low, high = sorted((one, other))
    assert math.isclose(gwrp(maps, low), plain_gwrp(values, low), rel_tol=1e-9, abs_tol=1e-12)
    assert gwrp(maps, high) <= gwrp(maps, low) + 1e-12
    assert gwrp(maps, 0.0) == max(values)
    assert torch.isclose(gwrp(maps, 1.0), maps.mean())
    assert torch.isclose(gwrp(torch.full((7,), values[0], dtype=torch.float64), low), maps[0])


def test_rank_pooling_of_many_maps_at_once_and_its_refusals() -> None:
    maps = torch.rand(2, 3, 9, dtype=torch.float64)
    assert torch.allclose(gwrp(maps, 0.7)[1, 2], gwrp(maps[1, 2], 0.7))
    with pytest.raises(ValueError, match=r"0\.\.1"):
        gwrp(maps, 1.1)
    with pytest.raises(ValueError, match="no values"):
        gwrp(maps[..., :0], 0.5)


def test_a_decay_reaches_as_far_on_any_grid() -> None:
    assert decay_for(0.996, CELLS) == 0.996
    half = math.log(0.5) / math.log(0.996)  # cells until a weight is halved
    assert round(half) == 173
    small = math.log(0.5) / math.log(decay_for(0.996, CELLS // 4))
    assert math.isclose(small / (CELLS // 4), half / CELLS)
    assert decay_for(0.0, 10) == 0
    assert decay_for(1.0, 10) == 1


def test_worked_by_hand() -> None:
    maps = torch.tensor([[0.2, 1.0, 0.6, 0.0], [0.0, 0.0, 0.0, 0.8]], dtype=torch.float64)
    found = gwrp(maps, 0.5)  # weights 8, 4, 2, 1 of 15
    assert found.tolist() == pytest.approx([(8 * 1 + 4 * 0.6 + 2 * 0.2) / 15, 8 * 0.8 / 15])
    assert gwrp(maps.float(), 0.5).dtype == torch.float32
    with pytest.raises(ValueError, match=r"a decay of -0\.1: must lie in 0\.\.1"):
        gwrp(maps, -0.1)


def test_gradients_go_to_cells_by_their_rank() -> None:
    maps = torch.tensor([0.2, 1.0, 0.6], dtype=torch.float64, requires_grad=True)
    gwrp(maps, 0.5).backward()
    assert maps.grad is not None
    assert maps.grad.tolist() == pytest.approx([1 / 7, 4 / 7, 2 / 7])
