"""Pairs of near cells: offsets, windows, paths and labels against plain enumeration."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wsss_cli.core.labels import IGNORE
from wsss_cli.core.pairs import (
    Border,
    border_margin,
    half_disk_offsets,
    pair_labels,
    pair_views,
    pair_windows,
    path_cells,
    path_runs,
)

OFFSETS = st.sampled_from(half_disk_offsets(6))


def count_pairs(h: int, w: int, radius: int, margin: int) -> int:
    return sum(
        len(range(*rows.indices(h))) * len(range(*columns.indices(w)))
        for rows, columns in (
            pair_windows(h, w, offset, margin)[0] for offset in half_disk_offsets(radius)
        )
    )


@pytest.mark.parametrize(("radius", "count"), [(1, 0), (2, 4), (5, 34), (10, 152)])
def test_half_disk_sizes(radius: int, count: int) -> None:
    assert len(half_disk_offsets(radius)) == count


@given(st.integers(1, 12))
def test_half_disk_and_its_mirror_make_the_disk(radius: int) -> None:
    offsets = half_disk_offsets(radius)
    mirrored = {(-dy, -dx) for dy, dx in offsets}
    disk = {
        (dy, dx)
        for dy in range(-radius, radius + 1)
        for dx in range(-radius, radius + 1)
        if 0 < math.hypot(dy, dx) < radius
    }
    assert len(set(offsets)) == len(offsets)
    assert not mirrored & set(offsets)
    assert mirrored | set(offsets) == disk
    assert all(dy > 0 or (dy == 0 and dx > 0) for dy, dx in offsets)


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="radius"):
        half_disk_offsets(0)
    with pytest.raises(ValueError, match="border"):
        border_margin(5, "none")  # type: ignore[arg-type]


@given(st.integers(1, 9), st.integers(1, 9), OFFSETS, st.sampled_from([0, 2, 5]))
def test_windows_hold_each_pair_once(h: int, w: int, offset: tuple[int, int], margin: int) -> None:
    grid = torch.arange(h * w).view(h, w)
    one, other = pair_views(grid, offset, margin)
    dy, dx = offset
    wanted = [
        (y * w + x, (y + dy) * w + x + dx)
        for y in range(h - margin)
        for x in range(margin, w - margin)
        if y + dy < h and 0 <= x + dx < w
    ]
    pairs = list(zip(one.flatten().tolist(), other.flatten().tolist(), strict=True))
    assert pairs == wanted


def test_reference_border_counts() -> None:
    # AffinityNet trains on 56 x 56 cells: 52 * 48 sources with 34 pairs each.
    assert count_pairs(56, 56, 5, border_margin(5, "reference")) == 84_864
    assert count_pairs(4, 20, 5, border_margin(5, "reference")) == 0
    assert count_pairs(20, 8, 5, border_margin(5, "reference")) == 0
    assert count_pairs(5, 9, 5, border_margin(5, "reference")) == 34


def count_neighbours(side: int, border: Border) -> torch.Tensor:
    """Of each cell of a square grid, itself included."""
    count = torch.ones(side, side)
    for offset in half_disk_offsets(5):
        here, there = pair_views(count, offset, border_margin(5, border))
        here += 1
        there += 1
    return count


def test_reference_border_starves_cells_near_the_border() -> None:
    full, reference = count_neighbours(63, "full"), count_neighbours(63, "reference")
    isolated = reference == 1
    assert isolated[:4, :4].sum() == 4
    assert isolated[-4:, :4].sum() == isolated[-4:, -4:].sum() == 3
    assert isolated.sum() == 10
    assert (reference[30, 0], full[30, 0]) == (3, 39)
    assert ((reference < 35).sum(), (full < 35).sum()) == (724, 24)
    assert full.max() == reference.max() == 69


def test_path_sizes() -> None:
    assert len(path_cells((2, 1))) == 6
    assert path_cells((0, 1)) == ((0, 0), (0, 1))
    assert path_cells((3, 0)) == ((0, 0), (1, 0), (2, 0), (3, 0))
    assert sum(len(path_cells(offset)) for offset in half_disk_offsets(5)) == 242
    assert sum(len(path_cells(offset)) for offset in half_disk_offsets(10)) == 2134


def test_path_is_what_lies_near_the_line() -> None:
    for dy, dx in half_disk_offsets(10):
        length = math.hypot(dy, dx)
        near = {
            (y, x)
            for y in range(min(0, dy), max(0, dy) + 1)
            for x in range(min(0, dx), max(0, dx) + 1)
            if abs(y * dx - x * dy) / length < 1 - 1e-9
        }
        cells = set(path_cells((dy, dx)))
        assert cells == near
        assert {(0, 0), (dy, dx)} <= cells
        assert {(dy - y, dx - x) for y, x in cells} == cells  # the same from the other end


def test_runs_cover_the_path_once() -> None:
    for dy, dx in half_disk_offsets(10):
        down, right = (1, 0) if dy >= abs(dx) else (0, 1)
        runs = path_runs((dy, dx))
        cells = [(y + i * down, x + i * right) for y, x, length in runs for i in range(length)]
        assert sorted(cells) == sorted(path_cells((dy, dx)))
        assert len(runs) == min(dy, abs(dx)) + 1


@given(st.data(), st.integers(1, 6), st.integers(1, 6), OFFSETS)
def test_pair_labels(data: st.DataObject, h: int, w: int, offset: tuple[int, int]) -> None:
    values = st.sampled_from([0, 1, 2, 254, IGNORE])
    drawn = data.draw(st.lists(values, min_size=h * w, max_size=h * w))
    labels = torch.tensor(drawn, dtype=torch.uint8).view(h, w)
    got = pair_labels(labels, offset)
    one, other = pair_views(labels, offset)
    assert got.background.shape == one.shape
    for i, (a, b) in enumerate(zip(one.flatten().tolist(), other.flatten().tolist(), strict=True)):
        valid = a != IGNORE and b != IGNORE
        assert got.background.flatten()[i] == (valid and a == b == 0)
        assert got.foreground.flatten()[i] == (valid and a == b != 0)
        assert got.different.flatten()[i] == (valid and a != b)
