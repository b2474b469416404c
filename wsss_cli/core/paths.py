"""The strongest boundary between the two cells of each pair, offset by offset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .pairs import Offset, pair_windows, path_runs


def path_maxima(
    boundary: Tensor, offsets: Sequence[Offset], margin: int = 0, index: Tensor | None = None
) -> Iterator[tuple[int, Tensor, Tensor | None]]:
    """Greatest boundary on each pair's path, offset by offset, as a maximum over straight runs.

    Args:
        boundary: (..., h, w).
        offsets: P offsets; those that fit in the grid are served, in an order of our own.
        margin: see `pairs.border_margin`.
        index: (..., h, w) any integers; wanted at the cell of each maximum.

    Yields:
        (position in offsets, maxima over the source window, `index` at the maxima or None).
    """
    h, w = boundary.shape[-2:]
    for vertical in (True, False):  # one direction's runs in memory at a time
        runs = [(boundary, index)]
        for i, (dy, dx) in enumerate(offsets):
            if (dy >= abs(dx)) is not vertical or dy >= h or abs(dx) >= w:
                continue
            (rows, columns), _ = pair_windows(h, w, (dy, dx), margin)
            best: tuple[Tensor, Tensor | None] | None = None
            for y, x, length in path_runs((dy, dx)):
                while len(runs) < length:
                    runs.append(_longer_run(runs, vertical))
                down = slice(rows.start + y, rows.stop + y)
                beside = slice(columns.start + x, columns.stop + x)
                value, at = runs[length - 1]
                run = value[..., down, beside], None if at is None else at[..., down, beside]
                best = run if best is None else _greater(best, run)
            if best is not None:
                yield i, *best


def _longer_run(
    runs: list[tuple[Tensor, Tensor | None]], vertical: bool
) -> tuple[Tensor, Tensor | None]:
    """Maxima over one cell more than the longest runs so far."""
    dim, length = (-2 if vertical else -1), len(runs)

    def part(tensor: Tensor | None, start: int, stop: int) -> Tensor | None:
        return None if tensor is None else tensor.narrow(dim, start, stop - start)

    (value, at), (cell, cell_at) = runs[-1], runs[0]
    side = cell.shape[dim]
    return _greater(
        (value.narrow(dim, 0, side - length), part(at, 0, side - length)),
        (cell.narrow(dim, length, side - length), part(cell_at, length, side)),
    )


def _greater(
    one: tuple[Tensor, Tensor | None], other: tuple[Tensor, Tensor | None]
) -> tuple[Tensor, Tensor | None]:
    """Element-wise maximum, with the index that belongs to it; ties go to the first."""
    if one[1] is None or other[1] is None:
        return torch.maximum(one[0], other[0]), None
    return torch.maximum(one[0], other[0]), torch.where(other[0] > one[0], other[1], one[1])
