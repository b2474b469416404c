"""Pairs of near cells on an (h, w) grid: which offsets, which views, which path, which label.

A pair is a source cell (y, x) and its destination (y + dy, x + dx). Only offsets of a half plane
are listed, so each unordered pair occurs once. Everything that loops over pairs loops over offsets
and works on two overlapping slices of the grid; no list of pair indices is ever made.
"""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple

from torch import Tensor

from .labels import BACKGROUND, IGNORE

Border = Literal["full", "reference"]
Offset = tuple[int, int]
Window = tuple[slice, slice]


class PairLabels(NamedTuple):
    """Which pairs of one offset attract and which repel; bool, the shape of its source view."""

    background: Tensor
    """Both cells are background."""
    foreground: Tensor
    """Both cells are the same class."""
    different: Tensor
    """The cells carry different labels."""


def half_disk_offsets(radius: int) -> list[Offset]:
    """Offsets (dy, dx) with dy^2 + dx^2 < radius^2 in the half plane below (or right of) a cell.

    Source: Ahn and Kwak, CVPR 2018 (AffinityNet): pairs within a radius.

    Raises:
        ValueError: a radius below 1.

    >>> half_disk_offsets(2)
    [(0, 1), (1, -1), (1, 0), (1, 1)]
    >>> len(half_disk_offsets(5)), len(half_disk_offsets(10))
    (34, 152)
    """
    if radius < 1:
        raise ValueError(f"radius must be 1 or more, not {radius}")
    right = [(0, dx) for dx in range(1, radius)]
    below = [
        (dy, dx)
        for dy in range(1, radius)
        for dx in range(1 - radius, radius)
        if dy * dy + dx * dx < radius * radius
    ]
    return right + below


def border_margin(radius: int, border: Border) -> int:
    """Rows below and columns at each side that hold no source cells.

    "full" pairs every cell. "reference" repeats the published AffinityNet code, where the last
    radius - 1 rows and the radius - 1 columns at each side are never sources, so that cells near
    the border lack pairs or have none.

    Raises:
        ValueError: an unknown border.
    """
    if border not in ("full", "reference"):
        raise ValueError(f"border must be 'full' or 'reference', not {border!r}")
    return radius - 1 if border == "reference" else 0


def pair_windows(h: int, w: int, offset: Offset, margin: int = 0) -> tuple[Window, Window]:
    """Slices (rows, columns) of an offset's source cells and of their destinations.

    Args:
        h, w: sides of the grid.
        offset: (dy, dx) with dy >= 0.
        margin: rows below and columns at each side without sources, see `border_margin`.

    Returns:
        The two windows, equal in size; both empty where the grid holds no such pair.

    >>> pair_windows(4, 5, (1, -2))
    ((slice(0, 3, None), slice(2, 5, None)), (slice(1, 4, None), slice(0, 3, None)))
    """
    dy, dx = offset
    bottom = max(0, h - max(dy, margin))
    left = max(0, -dx, margin)
    right = max(left, w - max(0, dx, margin))
    source = slice(0, bottom), slice(left, right)
    return source, (slice(dy, bottom + dy), slice(left + dx, right + dx))


def pair_views(planes: Tensor, offset: Offset, margin: int = 0) -> tuple[Tensor, Tensor]:
    """Views of (..., h, w) planes at an offset's source cells and at their destinations."""
    h, w = planes.shape[-2:]
    (top, left), (below, beside) = pair_windows(h, w, offset, margin)
    return planes[..., top, left], planes[..., below, beside]


def pair_labels(labels: Tensor, offset: Offset, margin: int = 0) -> PairLabels:
    """Class the pairs of one offset by the labels of their two cells.

    Args:
        labels: (..., h, w) uint8; 0 background, 1..254 classes, 255 (IGNORE) unlabelled.
        offset: (dy, dx).
        margin: see `border_margin`.

    Returns:
        Bool masks of the source view's shape; a pair with an unlabelled cell is in none of them.
    """
    one, other = pair_views(labels, offset, margin)
    same = one == other
    return PairLabels(
        background=same & (one == BACKGROUND),
        foreground=same & (one != BACKGROUND) & (one != IGNORE),
        different=~same & (one != IGNORE) & (other != IGNORE),
    )


@cache
def path_cells(offset: Offset) -> tuple[Offset, ...]:
    """Cells between a source at (0, 0) and its destination, relative to the source.

    The path is every cell of the two ends' bounding box that lies less than one cell away from
    the line through them, both ends included.

    Source: Ahn, Cho and Kwak, CVPR 2019 (IRNet): boundaries on the line between two
    cells; the width of the line is the published code's.

    >>> path_cells((2, 1))
    ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1))
    """
    dy, dx = offset
    length = dy * dy + dx * dx
    return tuple(
        (y, x)
        for y in range(min(0, dy), max(0, dy) + 1)
        for x in range(min(0, dx), max(0, dx) + 1)
        if length == 0 or (y * dx - x * dy) ** 2 < length
    )


@cache
def path_runs(offset: Offset) -> tuple[tuple[int, int, int], ...]:
    """`path_cells` as straight runs (y, x, length) along the longer side of the bounding box.

    A run starts at its topmost (or leftmost) cell. Steep offsets, with dy >= |dx|, have vertical
    runs and the others horizontal ones, which takes the fewest runs.

    >>> path_runs((2, 1))
    ((0, 0, 3), (0, 1, 3))
    """
    steep = offset[0] >= abs(offset[1])
    along, across = (0, 1) if steep else (1, 0)
    lines: dict[int, list[Offset]] = {}
    for cell in path_cells(offset):
        lines.setdefault(cell[across], []).append(cell)
    return tuple(
        (*min(cells, key=lambda cell: cell[along]), len(cells)) for cells in lines.values()
    )
