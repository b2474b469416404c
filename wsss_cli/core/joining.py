"""Whole images from tiles: labels, maps, true objects and boxes, and marks.

Labels of a pixel are those of the tile that it belongs to; scores are blended. Both go by
`core.tiles`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from .cutting import cut_mark
from .mark_kinds import BOX, LINE, POLYGON, REGION
from .marks import Mark, Region, TrueBoxes, TrueObject
from .tiles import Tiling, Window, weights

Size = tuple[int, int]


def join_pixels(size: Size, tiling: Tiling, parts: Iterable[np.ndarray]) -> np.ndarray:
    """(H, W, ...) of what each tile has of its pixels: labels, or colours.

    Args:
        size: (H, W) of the image.
        parts: (h, w, ...) of each of `tiling.windows(size)`, in that order; taken one by one.

    Raises:
        ValueError: not of a tile's size.
    """
    whole: np.ndarray | None = None
    windows = zip(tiling.windows(size), tiling.owned(size), parts, strict=True)
    for window, own, part in windows:
        if part.shape[:2] != (window.height, window.width):
            raise ValueError(f"a tile is {part.shape[:2]}, not {(window.height, window.width)}")
        if whole is None:
            whole = np.empty((*size, *part.shape[2:]), part.dtype)
        whole[own.slices] = part[own.within(window).slices]
    assert whole is not None
    return whole


def join_maps(
    size: Size,
    tiling: Tiling,
    stride: int,
    parts: Iterable[tuple[np.ndarray, np.ndarray]],
    classes: np.ndarray,
) -> np.ndarray:
    """(K, h, w) float32 maps of a whole image from those of its tiles.

    A cell's score is the mean of the tiles' scores at its centre, interpolated bilinearly where
    their cells lie otherwise, weighed by `weights`. A tile without a map of a class scores it 0.

    Args:
        size: (H, W) of the image.
        stride: pixels per cell.
        parts: of each of `tiling.windows(size)` its class indices (k,), rising, and maps (k, h, w).
        classes: (K,) class indices of all, rising.
    """
    cells = [-(-length // stride) for length in size]
    # Of cells that overhang the image the last pixel's centre.
    centres = [
        np.minimum((np.arange(count) + 0.5) * stride, length - 0.5)
        for count, length in zip(cells, size, strict=True)
    ]
    shares = [
        weights(length, tiling.side, tiling.overlap, at)
        for length, at in zip(size, centres, strict=True)
    ]
    whole = np.zeros((len(classes), *cells), np.float32)
    columns = len(shares[1])
    for number, (window, (own, maps)) in enumerate(zip(tiling.windows(size), parts, strict=True)):
        row, column = divmod(number, columns)
        rows, of_row = _held(shares[0][row])
        cols, of_col = _held(shares[1][column])
        sampled = _sampled(maps, (centres[0][rows] - window.y) / stride - 0.5, 1)
        sampled = _sampled(sampled, (centres[1][cols] - window.x) / stride - 0.5, 2)
        share = (of_row[:, None] * of_col).astype(np.float32)
        for place, one in zip(np.searchsorted(classes, own).tolist(), sampled, strict=True):
            whole[place, rows, cols] += share * one
    return whole


def _held(share: np.ndarray) -> tuple[slice, np.ndarray]:
    """Where a tile has a share, and that."""
    held = np.flatnonzero(share)
    part = slice(int(held[0]), int(held[-1]) + 1)
    return part, share[part]


def _sampled(maps: np.ndarray, at: np.ndarray, axis: int) -> np.ndarray:
    """Maps at places along an axis, in cells; linear between the cells' centres."""
    last = maps.shape[axis] - 1
    at = np.clip(at, 0, last)
    low = np.minimum(np.floor(at).astype(np.int64), max(last - 1, 0))
    part = (at - low).astype(np.float32)
    part = part[:, None] if axis == 1 else part
    one, other = maps.take(low, axis), maps.take(np.minimum(low + 1, last), axis)
    found: np.ndarray = one.astype(np.float32) * (1 - part) + other.astype(np.float32) * part
    return found


def join_objects(
    parts: Iterable[tuple[Window, Sequence[TrueObject], Iterable[int]]],
) -> list[TrueObject]:
    """The true objects of an image, of the tiles' windows, objects, and these objects' numbers."""
    found: dict[int, list[tuple[TrueObject, Region]]] = {}
    for window, objects, numbers in parts:
        for one, number in zip(objects, numbers, strict=True):
            found.setdefault(number, []).append((one, _shifted(one.region, window)))
    return [
        replace(found[number][0][0], region=joined([region for _, region in found[number]]))
        for number in sorted(found)
    ]


def _shifted(region: Region, window: Window) -> Region:
    x0, y0, x1, y1 = region.corners
    x, y = window.x, window.y
    return Region((x0 + x, y0 + y, x1 + x, y1 + y), region.mask)


def joined(parts: Sequence[Region]) -> Region:
    """All pixels of some regions."""
    if len(parts) == 1:
        return parts[0]
    corners = np.array([one.corners for one in parts])
    left, top = corners[:, :2].min(axis=0).tolist()
    right, bottom = corners[:, 2:].max(axis=0).tolist()
    mask = np.zeros((bottom - top, right - left), bool)
    for one in parts:
        x0, y0, x1, y1 = one.corners
        mask[y0 - top : y1 - top, x0 - left : x1 - left] |= one.mask
    return Region((left, top, right, bottom), mask)


def join_boxes(parts: Iterable[tuple[Window, TrueBoxes, Iterable[int]]]) -> TrueBoxes:
    """The true boxes of an image, of the tiles' windows, boxes, and these boxes' numbers."""
    found: dict[int, list[tuple[np.ndarray, int, bool]]] = {}
    for window, boxes, numbers in parts:
        shift = np.array([window.x, window.y] * 2, np.float32)
        rows = zip(numbers, boxes.corners + shift, *boxes[1:], strict=True)
        for number, corners, index, difficult in rows:
            found.setdefault(number, []).append((corners, int(index), bool(difficult)))
    order = sorted(found)
    corners = [_around([row[0] for row in found[number]]) for number in order]
    return TrueBoxes(
        np.array(corners, np.float32).reshape(-1, 4),
        np.array([found[number][0][1] for number in order], np.uint16),
        np.array([found[number][0][2] for number in order], bool),
    )


def _around(boxes: Sequence[np.ndarray]) -> np.ndarray:
    every = np.array(boxes)
    return np.concatenate([every[:, :2].min(axis=0), every[:, 2:].max(axis=0)])


def join_marks(
    parts: Iterable[tuple[Window, Window, Sequence[Mark], Iterable[int]]],
) -> list[Mark]:
    """The marks of an image, in their order.

    Points, boxes and regions are as they were. Lines and polygons stay in parts, each in that part
    of the image that belongs to its tile.

    Args:
        parts: of each tile its window, what belongs to it, its marks, and these marks' numbers.
    """
    found: dict[int, list[Mark]] = {}
    for window, own, marks, numbers in parts:
        for one, number in zip(marks, numbers, strict=True):
            inner = own.within(window)
            size = (window.height, window.width)
            if one.kind in (LINE, POLYGON):
                back = Window(-own.y, -own.x, 0, 0)
                pieces = [_back(piece, back) for piece in cut_mark(one, inner, size)]
            else:
                pieces = [_back(one, Window(-window.y, -window.x, 0, 0))]
            found.setdefault(number, []).extend(pieces)
    every: list[Mark] = []
    for number in sorted(found):
        every += _whole_mark(found[number])
    return every


def _back(mark: Mark, corner: Window) -> Mark:
    shift = np.array([corner.x, corner.y], np.float32)
    return replace(mark, rings=tuple(ring - shift for ring in mark.rings))


def _whole_mark(parts: list[Mark]) -> list[Mark]:
    if not parts or parts[0].kind in (LINE, POLYGON):
        return parts
    first = parts[0]
    if first.kind == BOX:
        corners = _around([one.xy.ravel() for one in parts]).reshape(2, 2)
        return [replace(first, rings=(corners.astype(np.float32),))]
    if first.kind == REGION:
        whole = joined([_region(one) for one in parts])
        rings = (np.array(whole.corners, np.float32).reshape(2, 2),)
        return [replace(first, rings=rings, region=whole.mask)]
    return [first]


def _region(mark: Mark) -> Region:
    x0, y0, x1, y1 = mark.xy.astype(np.int64).ravel().tolist()
    assert mark.region is not None
    return Region((x0, y0, x1, y1), mark.region)


def join_tags(parts: Iterable[np.ndarray]) -> np.ndarray:
    """(T,) uint16 class indices that any tile has, rising."""
    return np.unique(np.concatenate([np.zeros(0, np.uint16), *parts])).astype(np.uint16)


def join_absent(
    tags: np.ndarray, parts: Sequence[tuple[np.ndarray, np.ndarray | None]], classes: int
) -> np.ndarray | None:
    """(A,) uint16 class indices that no tile can have, rising; None where tags say all.

    Args:
        tags: of the whole.
        parts: of each tile its tags, and its `absent` or None.
    """
    if all(absent is None for _, absent in parts):
        return None
    left = np.ones(classes, bool)
    for own, absent in parts:
        out = np.zeros(classes, bool)
        if absent is None:
            out[:] = True
            out[own] = False
        else:
            out[absent] = True
        left &= out
    found = np.flatnonzero(left).astype(np.uint16)
    if len(found) + len(tags) == classes:
        return None
    return found


def lacking(wholes: Mapping[str, Sequence[str]], held: set[str]) -> tuple[list[str], list[str]]:
    """Ids of wholes of which all tiles are among `held`, and of those of which only some are."""
    full, torn = [], []
    for whole, tiles in wholes.items():
        there = sum(one in held for one in tiles)
        if there == len(tiles):
            full.append(whole)
        elif there:
            torn.append(whole)
    return full, torn
