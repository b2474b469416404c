"""The strongest boundary on each pair's path, and where it is, against a walk over the cells."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wsss_cli.core.pairs import half_disk_offsets, pair_windows, path_cells
from wsss_cli.core.paths import path_maxima


def walked(boundary: Tensor, offset: tuple[int, int], margin: int) -> Tensor:
    """Of one offset's pairs, cell by cell."""
    h, w = boundary.shape
    (rows, columns), _ = pair_windows(h, w, offset, margin)
    found = torch.zeros(h, w)[rows, columns]
    for i, y in enumerate(range(h)[rows]):
        for j, x in enumerate(range(w)[columns]):
            found[i, j] = max(boundary[y + dy, x + dx].item() for dy, dx in path_cells(offset))
    return found


@settings(max_examples=40)
@given(
    st.integers(1, 8),
    st.integers(1, 9),
    st.integers(2, 5),
    st.sampled_from([0, 1, 3]),
    st.integers(0, 99),
)
def test_maxima_are_those_of_a_walk(h: int, w: int, radius: int, margin: int, seed: int) -> None:
    boundary = torch.rand(h, w, generator=torch.Generator().manual_seed(seed))
    cells = torch.arange(h * w).view(h, w)
    offsets = half_disk_offsets(radius)
    served = set()
    for i, strongest, at in path_maxima(boundary, offsets, margin, cells):
        assert at is not None
        assert torch.equal(strongest, walked(boundary, offsets[i], margin))
        assert torch.equal(boundary.flatten()[at], strongest)  # `at` is a cell of that height
        (rows, columns), _ = pair_windows(h, w, offsets[i], margin)
        assert strongest.shape == cells[rows, columns].shape
        assert i not in served
        served.add(i)
    fit = {i for i, (dy, dx) in enumerate(offsets) if dy < h and abs(dx) < w}
    assert served == fit


def test_by_hand() -> None:
    boundary = torch.tensor([[0.1, 0.9, 0.2], [0.3, 0.4, 0.8]])
    found = {i: (v.tolist(), at) for i, v, at in path_maxima(boundary, [(0, 1), (0, 2), (1, -2)])}
    assert {i: [[round(x, 1) for x in row] for row in v] for i, (v, _) in found.items()} == {
        0: [[0.9, 0.9], [0.4, 0.8]],
        1: [[0.9], [0.8]],
        2: [[0.9]],  # down to the left from the last cell: all six are on the path
    }
    assert all(at is None for _, at in found.values())


def test_of_equal_boundaries_one_is_named() -> None:
    ((_, _, at),) = path_maxima(torch.ones(1, 3), [(0, 2)], index=torch.tensor([[4, 5, 6]]))
    assert at is not None
    assert at.item() in (4, 5, 6)


def test_a_batch_is_each_grid_alone() -> None:
    boundary = torch.rand(2, 3, 5, 6)
    offsets = half_disk_offsets(4)
    for (i, both, _), (j, alone, _) in zip(
        path_maxima(boundary, offsets), path_maxima(boundary[1, 2], offsets), strict=True
    ):
        assert i == j
        assert torch.equal(both[1, 2], alone)


@pytest.mark.parametrize("shape", [(1, 1), (0, 4)])
def test_a_grid_without_pairs(shape: tuple[int, int]) -> None:
    assert list(path_maxima(torch.zeros(shape), half_disk_offsets(2))) == []
