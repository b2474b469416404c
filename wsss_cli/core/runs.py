"""Masks as the lengths of their runs, row by row: how regions and true objects are kept.

COCO's run lengths go column by column; these go row by row, as CVAT's do. Both begin with zeros.
"""

from __future__ import annotations

import numpy as np

Corners = tuple[int, int, int, int]


def to_runs(mask: np.ndarray) -> np.ndarray:
    """(R,) uint32 lengths of the runs of a mask, row by row, of zeros and ones in turn.

    Args:
        mask: (h, w) bool.

    >>> to_runs(np.array([[0, 1], [1, 0]], bool)).tolist(), to_runs(np.ones((1, 3), bool)).tolist()
    ([1, 2, 1], [0, 3])
    """
    flat = mask.ravel()
    if not flat.size:
        return np.zeros(0, np.uint32)
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate([[0], ends, [flat.size]])
    runs = np.diff(starts)
    return (np.concatenate([[0], runs]) if flat[0] else runs).astype(np.uint32)


def from_runs(runs: np.ndarray, height: int, width: int) -> np.ndarray:
    """(height, width) bool of what `to_runs` gave.

    Raises:
        ValueError: the runs are not of height * width pixels.
    """
    total = int(runs.sum(dtype=np.uint64)) if len(runs) else 0
    if total != height * width:
        raise ValueError(f"runs of {total} pixels, of a mask of {width}x{height}")
    odd = np.arange(len(runs)) % 2 == 1
    return np.repeat(odd, runs.astype(np.int64)).reshape(height, width)


def cropped(mask: np.ndarray) -> tuple[Corners, np.ndarray]:
    """Corners x0, y0, x1, y1 around what a mask holds, and that part of it; (0, 0, 0, 0) for none.

    >>> cropped(np.eye(3, dtype=bool)[:, :2])[0]
    (0, 0, 2, 2)
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return (0, 0, 0, 0), mask[:0, :0]
    x0, y0, x1, y1 = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return (x0, y0, x1, y1), mask[y0:y1, x0:x1]
