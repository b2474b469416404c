"""Marks, true objects and true boxes cut to a part of their image, in that part's coordinates.

Each cut gives, beside what is left, the places of what it is left of, so that parts of one thing
can be put together again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .filling import filled
from .mark_kinds import BOX, LINE, POINT, POLYGON
from .marks import Mark, Region, TrueBoxes, TrueObject
from .tiles import Window

Numbers = list[int]


def bounds_of(marks: Sequence[Mark]) -> np.ndarray:
    """(M, 4) float64 x0, y0, x1, y1 around each mark."""
    return np.array([one.bounds for one in marks], np.float64).reshape(-1, 4)


def near(bounds: np.ndarray, window: Window) -> Numbers:
    """The places in `bounds`, (n, 4), of what touches a window."""
    low, high = (window.x, window.y), (window.x + window.width, window.y + window.height)
    touches = (bounds[:, 2:] >= low).all(axis=1) & (bounds[:, :2] <= high).all(axis=1)
    return np.flatnonzero(touches).tolist()


def cut_marks(
    marks: Sequence[Mark],
    window: Window,
    size: tuple[int, int],
    bounds: np.ndarray | None = None,
) -> tuple[list[Mark], Numbers]:
    """What of an image's marks covers pixels of a window; a line may fall into several.

    Args:
        marks: of the image.
        window: within it.
        size: (H, W) of the image.
        bounds: of the marks, where they are known.

    Returns:
        the marks, and for each the place among `marks` of the one that it is of.
    """
    kept: list[Mark] = []
    numbers: Numbers = []
    for number in near(bounds_of(marks) if bounds is None else bounds, window):
        parts = cut_mark(marks[number], window, size)
        kept += parts
        numbers += [number] * len(parts)
    return kept, numbers


def cut_mark(mark: Mark, window: Window, size: tuple[int, int]) -> list[Mark]:
    """What of a mark covers pixels of a window: none, one, or of a line several.

    A box or polygon that lies within wholly is kept, also where it covers no pixel's centre.
    """
    if not near(bounds_of([mark]), window):
        return []
    shift, part = np.array([window.x, window.y], np.float64), (window.height, window.width)
    rings = [ring.astype(np.float64) - shift for ring in mark.rings]
    if mark.kind == POINT:
        # One on the image's right or lower edge is of the last pixel.
        last = np.array([size[1], size[0]]) - 1 - shift
        column, row = np.minimum(np.floor(rings[0][0]), last)
        inside = 0 <= column < window.width and 0 <= row < window.height
        return [_moved(mark, rings)] if inside else []
    if mark.kind in (BOX, POLYGON) and _holds(window, mark):
        return [_moved(mark, rings)]
    if mark.kind == LINE:
        lines = clip_line(rings[0], part)
        return [_moved(mark, [line]) for line in lines if _passes_pixels(line, part)]
    if mark.kind == BOX:
        corners = np.clip(rings[0], 0, (window.width, window.height))
        ends = np.ceil(corners.astype(np.float32).astype(np.float64) - 0.5)
        return [_moved(mark, [corners])] if (ends[1] > ends[0]).all() else []
    if mark.kind == POLYGON:
        clipped = [clip_ring(ring, part) for ring in rings]
        clipped = [ring.astype(np.float32) for ring in clipped if len(ring) > 2]
        return [_moved(mark, clipped)] if clipped and filled(clipped, part).any() else []
    x0, y0, x1, y1 = mark.xy.astype(np.int64).ravel().tolist()
    assert mark.region is not None
    region = cut_region(Region((x0, y0, x1, y1), mark.region), window)
    if region is None:
        return []
    return [replace(_moved(mark, [np.reshape(region.corners, (2, 2))]), region=region.mask)]


def _passes_pixels(line: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether a clipped line does not run along the right or lower edge only."""
    middle = np.floor((line[1:] + line[:-1]) / 2)
    return bool((middle < (size[1], size[0])).all(axis=1).any())


def _holds(window: Window, mark: Mark) -> bool:
    left, top, right, bottom = mark.bounds
    return (
        window.x <= left
        and window.y <= top
        and right <= window.x + window.width
        and bottom <= window.y + window.height
    )


def _moved(mark: Mark, rings: Sequence[np.ndarray]) -> Mark:
    return replace(mark, rings=tuple(np.asarray(ring, np.float32) for ring in rings))


def cut_region(region: Region, window: Window) -> Region | None:
    """The pixels of a region within a window, or None where there are none."""
    x0, y0, x1, y1 = region.corners
    top, left = max(y0, window.y), max(x0, window.x)
    below, beyond = min(y1, window.y + window.height), min(x1, window.x + window.width)
    if top >= below or left >= beyond:
        return None
    kept = Region.of(region.mask[top - y0 : below - y0, left - x0 : beyond - x0])
    if not kept.mask.size:
        return None
    x, y = left - window.x, top - window.y
    a, b, c, d = kept.corners
    return Region((a + x, b + y, c + x, d + y), kept.mask)


def cut_objects(
    objects: Sequence[TrueObject], window: Window
) -> tuple[tuple[TrueObject, ...], Numbers]:
    """The true objects that have pixels in a window, and their places among `objects`."""
    kept, numbers = [], []
    corners = np.array([one.region.corners for one in objects]).reshape(-1, 4)
    for number in near(corners, window):
        one = objects[number]
        region = cut_region(one.region, window)
        if region is not None:
            kept.append(replace(one, region=region))
            numbers.append(number)
    return tuple(kept), numbers


def cut_boxes(boxes: TrueBoxes, window: Window) -> tuple[TrueBoxes, Numbers]:
    """What of true boxes lies in a window, however narrow, and their places among `boxes`."""
    shift = np.array([window.x, window.y] * 2, np.float64)
    edges = np.array([window.width, window.height] * 2, np.float64)
    corners = np.clip(boxes.corners.astype(np.float64) - shift, 0, edges).astype(np.float32)
    kept = (corners[:, 2:] > corners[:, :2]).all(axis=1)
    cut = TrueBoxes(corners[kept], boxes.classes[kept], boxes.difficult[kept])
    return cut, np.flatnonzero(kept).tolist()


def clip_ring(ring: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(m, 2) float64 a closed ring cut to an image of (H, W), after Sutherland and Hodgman.

    What lies outside of an edge is laid onto that edge, which leaves every place inside within as
    many turns of the ring as before: rings cut one by one keep their even-odd rule.

    Source: Sutherland and Hodgman (Communications of the ACM, 1974).

    >>> clip_ring(np.array([[-1.0, 0.0], [1.0, 0.0], [1.0, 2.0]]), (4, 4)).tolist()
    [[0.0, 0.0], [1.0, 0.0], [1.0, 2.0], [0.0, 1.0]]
    """
    points = np.asarray(ring, np.float64)
    height, width = size
    for axis, bound, sign in ((0, 0, 1), (0, width, -1), (1, 0, 1), (1, height, -1)):
        if len(points):
            points = _clip_half(points, axis, float(bound), sign)
    return points


def _clip_half(points: np.ndarray, axis: int, bound: float, sign: int) -> np.ndarray:
    """A ring cut to one side of a line: where `sign * (coordinate - bound)` is not negative."""
    ends = np.roll(points, -1, axis=0)
    here, there = sign * (points[:, axis] - bound), sign * (ends[:, axis] - bound)
    inside, crosses = here >= 0, (here >= 0) != (there >= 0)
    way = np.where(crosses, here - there, 1.0)
    crossing = points + (here / way)[:, None] * (ends - points)
    crossing[:, axis] = bound
    both = np.stack([points, crossing], axis=1).reshape(-1, 2)
    found: np.ndarray = both[np.stack([inside, crosses], axis=1).ravel()]
    return found


def clip_line(line: np.ndarray, size: tuple[int, int]) -> list[np.ndarray]:
    """The parts of an open line within an image of (H, W), (n, 2) float64 each.

    Source: Liang and Barsky (ACM Transactions on Graphics, 1984).

    >>> [part.tolist() for part in clip_line(np.array([[1.0, 1], [9, 1], [1, 3]]), (4, 5))]
    [[[1.0, 1.0], [5.0, 1.0]], [[5.0, 2.0], [1.0, 3.0]]]
    """
    points = np.asarray(line, np.float64)
    start, way = points[:-1], np.diff(points, axis=0)
    begin, end = np.zeros(len(way)), np.ones(len(way))
    for axis, bound in ((0, size[1]), (1, size[0])):
        moves = way[:, axis] != 0
        over = np.where(moves, way[:, axis], 1.0)
        ends = np.stack([-start[:, axis] / over, (bound - start[:, axis]) / over])
        between = (start[:, axis] >= 0) & (start[:, axis] <= bound)
        begin = np.where(moves, np.maximum(begin, ends.min(axis=0)), begin)
        end = np.where(moves, np.minimum(end, ends.max(axis=0)), np.where(between, end, -1.0))
    parts: list[list[np.ndarray]] = []
    for number in np.flatnonzero(begin <= end).tolist():
        first, last = begin[number], end[number]
        stop = points[number + 1] if last == 1 else start[number] + last * way[number]
        if parts and first == 0 and number and end[number - 1] == 1 and begin[number - 1] <= 1:
            parts[-1].append(stop)
        else:
            place = start[number] if first == 0 else start[number] + first * way[number]
            parts.append([place, stop])
    return [np.array(part) for part in parts]
