"""Boxes around what a map shows, and how well they meet the true ones.

A box is x0, y0, x1, y1 in pixels: x right, y down, the image's first pixel covers 0 to 1. So a box
around pixels ends behind the last of them, and its area is the product of its sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SHARE = 0.2  # of a map's maximum, above which it shows its class (Zhou et al., CVPR 2016)


@dataclass(frozen=True)
class Components:
    """All connected parts of nested sets of pixels, those of a low level holding those of a high.

    Set t holds the pixels of a rank above t. A part that is the same in several sets is here once.

    Attributes:
        corners: (n, 4) int64, the smallest box around each.
        area: (n,) int64 pixels.
        first: (n,) int64, its first pixel in reading order, which no other part of a set has.
        low, high: (n,) int64; it is part of the sets low..high-1.
        total: (n,) float64, sum of the values of its pixels.
    """

    corners: np.ndarray
    area: np.ndarray
    first: np.ndarray
    low: np.ndarray
    high: np.ndarray
    total: np.ndarray

    def largest(self, n_sets: int) -> np.ndarray:
        """(n_sets,) int64: each set's part of most pixels, of equals the first; -1 for none."""
        found = np.full(n_sets, -1, np.int64)
        for part in np.lexsort((-self.first, self.area)):  # a later, larger one takes its place
            found[self.low[part] : self.high[part]] = part
        return found


def ranks_above(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """How many thresholds lie strictly below each value of a map.

    Args:
        values: (H, W) float32, not negative.
        shares: (T,) of the map's maximum, rising; each threshold is a share times it, in float32.

    Returns:
        (H, W) int64, 0..T. A map of zeros is above no threshold.

    >>> ranks_above(np.array([[0, 0.2, 0.5, 1]], np.float32), np.array([0, 0.5]))
    array([[0, 1, 1, 2]])
    """
    top = values.max(initial=np.float32(0))
    return np.searchsorted(np.asarray(shares, np.float32) * top, values, side="left")


def components(ranks: np.ndarray, values: np.ndarray | None = None) -> Components:
    """The connected parts (by shared edges, not corners) of the sets of pixels above each rank.

    One pass for all sets: neighbouring pixels of one rank are one zone, and zones are joined from
    the highest rank down (a max-tree).

    Args:
        ranks: (H, W) integers, 0 or more.
        values: (H, W) to be summed over each part; None for zeros.

    >>> found = components(np.array([[1, 0, 2, 1]]))
    >>> found.corners[:, [0, 2]].tolist(), found.low.tolist(), found.high.tolist()
    ([[2, 3], [0, 1], [2, 4]], [1, 0, 0], [2, 1, 1])
    """
    zone, rank, edges = _zones(ranks)
    parts = _Parts(zone, rank, edges[:, rank[edges].min(axis=0) > 0], ranks.shape[1], values)
    return parts.found()


def overlaps(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n, m) float64 in [0, 1]: intersection over union of (n, 4) boxes and (m, 4) true ones.

    >>> overlaps(np.array([[0, 0, 2, 2]]), np.array([[0, 0, 2, 2], [1, 0, 3, 2]])).round(3)
    array([[1.   , 0.333]])
    """
    one, other = np.float64(boxes)[:, None], np.float64(truth)[None]
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    both = sides.clip(0).prod(axis=-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(axis=-1) for box in (one, other)]
    result: np.ndarray = both / (areas[0] + areas[1] - both)
    return result


def best_overlaps(
    found: Components, truth: np.ndarray, n_sets: int
) -> tuple[np.ndarray, np.ndarray]:
    """The overlap with the best of the true boxes, in each set; 0 where it has no part.

    Args:
        truth: (m, 4), m above 0.

    Returns:
        (n_sets,) float64 of the largest part, and (n_sets,) of the best of all parts.
    """
    each = overlaps(found.corners, truth).max(axis=1)
    largest = found.largest(n_sets)
    every = np.zeros(n_sets)
    for part in np.argsort(each, kind="stable"):
        every[found.low[part] : found.high[part]] = each[part]
    return np.where(largest < 0, 0.0, np.append(each, 0.0)[largest]), every


def _zones(ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels of one rank that touch: (H, W) zone numbers, (Z,) ranks, (2, E) zones that touch."""
    height, width = ranks.shape
    starts = np.ones((height, width), bool)  # of runs: pixels of one rank beside each other
    starts[:, 1:] = ranks[:, 1:] != ranks[:, :-1]
    run = starts.ravel().cumsum().reshape(height, width) - 1
    of_run = ranks[starts]
    # Two runs one above the other touch first where the later of them starts.
    meet = starts[1:] | starts[:-1]
    below, above = run[1:][meet], run[:-1][meet]
    same = of_run[below] == of_run[above]
    count = len(of_run)
    links = coo_array((np.ones(same.sum(), bool), (below[same], above[same])), (count, count))
    n_zones, zone_of_run = connected_components(links, directed=False)
    rank = np.empty(n_zones, np.int64)
    rank[zone_of_run] = of_run
    beside = np.flatnonzero(starts[:, 1:].ravel())
    left = run[:, :-1].ravel()[beside], run[:, 1:].ravel()[beside]
    pairs = np.concatenate([np.stack([below[~same], above[~same]]), np.stack(left)], axis=1)
    pairs = np.sort(zone_of_run[pairs].astype(np.int64), axis=0)
    keys = np.unique(pairs[0] * n_zones + pairs[1])
    return zone_of_run[run], rank, np.stack(np.divmod(keys, n_zones))


class _Parts:
    """Zones joined to parts, from the highest rank down."""

    def __init__(
        self,
        zone: np.ndarray,
        rank: np.ndarray,
        edges: np.ndarray,
        width: int,
        values: np.ndarray | None,
    ) -> None:
        flat, count = zone.ravel(), len(rank)
        y, x = np.divmod(np.arange(flat.size), width)
        corners = np.empty((count, 4), np.int64)
        corners[:, :2], corners[:, 2:] = flat.size, 0
        order = np.argsort(flat, kind="stable")
        first = np.searchsorted(flat[order], np.arange(count))
        for side, (where, reduce) in enumerate(
            [(x, np.minimum), (y, np.minimum), (x + 1, np.maximum), (y + 1, np.maximum)]
        ):
            corners[:, side] = reduce.reduceat(where[order], first)
        self._corners = corners.tolist()
        self._area = np.bincount(flat, minlength=count).tolist()
        self._first = order[first].tolist()
        summed = None if values is None else values.ravel().astype(np.float64)
        self._total = (np.zeros(count) if summed is None else np.bincount(flat, summed)).tolist()
        self._parent = list(range(count))
        self._open = [-1] * count  # the part that a root is, while nothing is added to it
        self._done: list[tuple[list[int], int, int, int, float]] = []
        self._low: list[int] = []
        self._rank, self._edges = rank, edges

    def found(self) -> Components:
        level_of_edge = self._rank[self._edges].min(axis=0)
        by_level = np.argsort(-level_of_edge, kind="stable")
        edges, edge_levels = self._edges[:, by_level].T.tolist(), -level_of_edge[by_level]
        zones = np.argsort(-self._rank, kind="stable")
        zone_levels = -self._rank[zones]
        for level in sorted(set(self._rank[self._rank > 0].tolist()), reverse=True):
            start, stop = np.searchsorted(edge_levels, [-level, -level + 1])
            for one, other in edges[start:stop]:
                self._join(self._root(one), self._root(other), level)
            start, stop = np.searchsorted(zone_levels, [-level, -level + 1])
            for root in {self._root(zone): None for zone in zones[start:stop].tolist()}:
                self._begin(root, level)
        corners, area, first, high, total = (
            zip(*self._done, strict=True) if self._done else [()] * 5
        )
        return Components(
            np.array(corners, np.int64).reshape(-1, 4),
            np.array(area, np.int64),
            np.array(first, np.int64),
            np.array(self._low, np.int64),
            np.array(high, np.int64),
            np.array(total, np.float64),
        )

    def _begin(self, root: int, level: int) -> None:
        self._open[root] = len(self._done)
        self._low.append(0)
        self._done.append(
            (self._corners[root], self._area[root], self._first[root], level, self._total[root])
        )

    def _end(self, root: int, level: int) -> None:
        if self._open[root] >= 0:
            self._low[self._open[root]] = level
            self._open[root] = -1

    def _join(self, one: int, other: int, level: int) -> None:
        self._end(one, level)
        self._end(other, level)
        if one == other:
            return
        if self._area[one] < self._area[other]:
            one, other = other, one
        self._parent[other] = one
        mine, theirs = self._corners[one], self._corners[other]
        self._corners[one] = [*map(min, mine[:2], theirs[:2]), *map(max, mine[2:], theirs[2:])]
        self._area[one] += self._area[other]
        self._first[one] = min(self._first[one], self._first[other])
        self._total[one] += self._total[other]

    def _root(self, zone: int) -> int:
        while self._parent[zone] != zone:
            self._parent[zone] = self._parent[self._parent[zone]]
            zone = self._parent[zone]
        return zone
