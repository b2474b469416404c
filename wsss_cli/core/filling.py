"""Which pixels an outline holds: those whose centre lies within, by the even-odd rule.

Coordinates are those of pixel corners: x right, y down, the first pixel covers 0 to 1 and its
centre is (0.5, 0.5). Outlines of tools that name pixels by their index, as OpenCV's findContours
does, hold the pixels on their edge too: that is the `inclusive` rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

MOST = 1e7  # pixels that a coordinate may be away from the image's corner


def filled(
    rings: Sequence[np.ndarray], size: tuple[int, int], inclusive: bool = False
) -> np.ndarray:
    """(H, W) bool of the pixels whose centre is within an odd number of rings.

    A centre on the left or upper edge is within, one on the right or lower edge is not, so that
    outlines with a common edge share no pixel.

    Args:
        rings: (n, 2) x and y each, closed from the last to the first; fewer than 3 points hold
            nothing. They may leave the image.
        size: H, W.
        inclusive: the pixels that an edge passes are within as well, those around a hole too, as
            findContours traces them.

    Raises:
        ValueError: a coordinate that is not finite, or beyond `MOST`.

    >>> square = np.array([[1, 1], [3, 1], [3, 3], [1, 3]])
    >>> filled([square], (3, 4)).astype(int).tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0]]
    """
    height, width = size
    edges = _edges(rings)
    left, first, right, last = _bounds(edges, size)
    if left >= right or first >= last:
        return _with_edge(np.zeros(size, bool), rings, inclusive)
    # Of each edge the rows whose centre it passes; in each the column from which it turns inside.
    begin = np.clip(np.ceil(edges[:, :, 1].min(axis=1) - 0.5), first, last).astype(np.int64)
    end = np.clip(np.ceil(edges[:, :, 1].max(axis=1) - 0.5), first, last).astype(np.int64)
    count = np.maximum(end - begin, 0)
    edge = np.repeat(np.arange(len(edges)), count)
    row = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + begin[edge]
    (x0, y0), (x1, y1) = edges[edge, 0].T, edges[edge, 1].T
    crossing = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    column = np.clip(np.ceil(crossing - 0.5), left, right).astype(np.int64)
    turns = np.zeros((last - first, right - left + 1), np.uint8)
    np.bitwise_xor.at(turns, (row - first, column - left), 1)
    out = np.zeros((height, width), bool)
    out[first:last, left:right] = np.bitwise_xor.accumulate(turns, axis=1)[:, :-1].astype(bool)
    return _with_edge(out, rings, inclusive)


def traced(line: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(n, 2) int64 columns and rows of the pixels of an image that a line passes, in order.

    One pixel for each step along the longer side of a stretch, as Bresenham's; those outside of
    the image are left out.

    Args:
        line: (n, 2) x and y; a single point is one pixel.
        size: H, W.

    Raises:
        ValueError: as `filled`.

    >>> traced(np.array([[0.5, 0.5], [2.5, 1.5]]), (2, 2)).tolist()
    [[0, 0], [1, 1]]
    """
    line = _finite(line)
    passed = [np.floor(line[:1])]
    for start, stop in pairwise(line):
        way = stop - start
        along = int(np.abs(way).argmax())  # the longer side
        if way[along] == 0:
            continue
        low, high = sorted((start[along], stop[along]))
        places = np.arange(
            max(np.floor(low), 0), min(np.floor(high) + 1, size[1] if along == 0 else size[0])
        )
        share = (np.clip(places + 0.5, low, high) - start[along]) / way[along]
        cells = np.floor(start + share[:, None] * way)
        cells[:, along] = places
        passed += [cells if way[along] > 0 else cells[::-1], np.floor(stop[None])]
    found = np.concatenate(passed).astype(np.int64)
    height, width = size
    found = found[((found >= 0) & (found < (width, height))).all(axis=1)]
    again = (found[1:] == found[:-1]).all(axis=1)
    kept: np.ndarray = found[np.concatenate([[True], ~again])] if len(found) else found
    return kept


def _edges(rings: Sequence[np.ndarray]) -> np.ndarray:
    """(E, 2, 2) float64 ends of all edges that are not level."""
    parts = []
    for ring in rings:
        points = _finite(ring)
        if len(points) > 2:
            parts.append(np.stack([points, np.roll(points, -1, axis=0)], axis=1))
    edges = np.concatenate(parts) if parts else np.zeros((0, 2, 2))
    return edges[edges[:, 0, 1] != edges[:, 1, 1]]


def _finite(points: np.ndarray) -> np.ndarray:
    found = np.asarray(points, np.float64).reshape(-1, 2)
    if not (np.abs(found) <= MOST).all():  # NaN is not
        raise ValueError("a coordinate that is no number of pixels")
    return found


def _bounds(edges: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """First column, first row, and the ends of both, of the part of an image that edges span."""
    if not len(edges):
        return 0, 0, 0, 0
    low = np.maximum(np.floor(edges.min(axis=(0, 1))), 0)
    high = np.minimum(np.ceil(edges.max(axis=(0, 1))), (size[1], size[0]))
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _with_edge(mask: np.ndarray, rings: Sequence[np.ndarray], inclusive: bool) -> np.ndarray:
    for ring in rings if inclusive else ():
        size = (mask.shape[0], mask.shape[1])
        column, row = traced(np.concatenate([ring, ring[:1]]), size).T
        mask[row, column] = True
    return mask
