"""Marks: weak labels with a place, of one image, as a data set keeps them.

A mark is a point, a line (scribble), a box, a polygon or a region, with a label. Coordinates are
those of pixel corners: x right, y down, the first pixel covers 0 to 1 and its centre is (0.5, 0.5);
the image is the one displayed, turned as EXIF says. Points and boxes lie within the image, lines
and polygons may leave it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .filling import filled, traced
from .mark_kinds import (
    BOX,
    COLUMNS,
    IGNORED,
    KINDS,
    LINE,
    POINT,
    POLYGON,
    REGION,
    UNKNOWN,
)  # fmt: skip
from .runs import Corners, cropped, from_runs, to_runs


class Region(NamedTuple):
    """A mask of a part of an image.

    Attributes:
        corners: x0, y0, x1, y1 in whole pixels.
        mask: (y1 - y0, x1 - x0) bool.
    """

    corners: Corners
    mask: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray) -> Region:
        """Of an (H, W) bool mask."""
        return cls(*cropped(mask))


@dataclass(frozen=True)
class Mark:
    """One weak label.

    Attributes:
        kind: POINT, LINE, BOX, POLYGON or REGION.
        label: 0 background, class index + 1, or IGNORED.
        rings: of a polygon, outlines by the even-odd rule, (n, 2) x and y each; of a point
            one of one row, of a line one of two or more, of a box and a region one of two: its
            left upper and its right lower corner.
        region: of a region, its pixels within these corners, (h, w) bool.
        object: number of its object within the image, or UNKNOWN.
        rank: its place in an order that the source gives, such as that of clicks; or UNKNOWN.
        source: number of who made it, in the data set's list of sources; or UNKNOWN.
    """

    kind: int
    label: int
    rings: tuple[np.ndarray, ...]
    region: np.ndarray | None = None
    object: int = UNKNOWN
    rank: int = UNKNOWN
    source: int = UNKNOWN

    @property
    def xy(self) -> np.ndarray:
        """(n, 2) float32 of its first ring: all of it, but of a polygon with holes."""
        return self.rings[0]

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 around it."""
        points = np.concatenate(self.rings)
        (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        return x0, y0, x1, y1

    def pixels(self, size: tuple[int, int]) -> np.ndarray:
        """(H, W) bool: the pixels that it covers, of a point and a line those that it passes.

        A box holds the pixels whose centre is within, as a polygon does.
        """
        mask = np.zeros(size, bool)
        if self.kind in (POINT, LINE):
            column, row = traced(self.xy, size).T
            mask[row, column] = True
        elif self.kind == REGION:
            assert self.region is not None
            x0, y0, x1, y1 = self.xy.astype(np.int64).ravel()
            mask[y0:y1, x0:x1] = self.region
        elif self.kind == BOX:
            x0, y0, x1, y1 = np.ceil(self.xy.astype(np.float64) - 0.5).astype(np.int64).ravel()
            mask[y0:y1, x0:x1] = True
        else:
            mask = filled(self.rings, size)
        return mask


@dataclass(frozen=True)
class Marks:
    """All marks of one image, as arrays.

    Attributes:
        table: (M, 7) int32, the columns `COLUMNS`: the last two count a mark's rows of `ring` and
            of `run`.
        ring: (R,) int32 points of each ring, mark by mark.
        xy: (V, 2) float32 x and y of all points, ring by ring.
        run: (Q,) uint32 lengths of runs of regions, as `to_runs` gives them, mark by mark.
    """

    table: np.ndarray
    ring: np.ndarray
    xy: np.ndarray
    run: np.ndarray

    @classmethod
    def of(cls, marks: Iterable[Mark]) -> Marks:
        """Of marks in their order."""
        rows: list[tuple[int, ...]] = []
        rings: list[np.ndarray] = []
        runs: list[np.ndarray] = []
        for one in marks:
            count = 0
            if one.region is not None:
                runs.append(to_runs(one.region))
                count = len(runs[-1])
            numbers = (one.kind, one.label, one.object, one.rank, one.source)
            rows.append((*numbers, len(one.rings), count))
            rings += one.rings
        return cls(
            np.array(rows, np.int32).reshape(-1, len(COLUMNS)),
            np.array([len(ring) for ring in rings], np.int32),
            np.concatenate(
                [np.zeros((0, 2), np.float32), *rings], dtype=np.float32, casting="same_kind"
            ),
            np.concatenate([np.zeros(0, np.uint32), *runs]).astype(np.uint32),
        )

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[Mark]:
        ends = np.cumsum(self.ring)
        points = np.split(self.xy, ends[:-1]) if len(ends) else []
        ring = run = 0
        for kind, label, thing, rank, source, rings, runs in self.table.tolist():
            own = tuple(points[ring : ring + rings])
            region = None
            if kind == REGION:
                x0, y0, x1, y1 = own[0].astype(np.int64).ravel().tolist()
                region = from_runs(self.run[run : run + runs], y1 - y0, x1 - x0)
            yield Mark(kind, label, own, region, thing, rank, source)
            ring, run = ring + rings, run + runs

    def counts(self) -> dict[str, int]:
        """How many there are of each kind, of kinds that there are."""
        found = np.bincount(self.table[:, 0], minlength=len(KINDS)).tolist()
        return {name: count for name, count in zip(KINDS, found, strict=True) if count}

    def check(self, n_classes: int) -> None:
        """
        Raises:
            ValueError: numbers that make no sense, or do not fit together.
        """
        kind, label, *_, rings, runs = self.table.T if len(self) else np.zeros((7, 0), np.int32)
        if ((kind < 0) | (kind >= len(KINDS))).any():
            raise ValueError("a mark of no kind")
        if ((label < IGNORED) | (label > n_classes)).any():
            raise ValueError("a mark with the label of no class")
        if (self.table[:, 2:5] < UNKNOWN).any():
            raise ValueError("a mark with a negative object, rank or source")
        first = np.cumsum(rings) - rings
        if (
            (rings < 1).any()
            or rings.sum() != len(self.ring)
            or (rings[kind != POLYGON] != 1).any()
        ):
            raise ValueError("a mark with too many or too few rings")
        least = np.array([1, 2, 2, 3, 2])[np.repeat(kind, rings)]
        if (self.ring < least).any() or self.ring.sum(dtype=np.int64) != len(self.xy):
            raise ValueError("a ring with too many or too few points")
        if (self.ring[first[kind == POINT]] != 1).any() or (
            self.ring[first[(kind == BOX) | (kind == REGION)]] != 2
        ).any():
            raise ValueError("a point, box or region with too many corners")
        if not np.isfinite(self.xy).all():
            raise ValueError("a coordinate that is no number")
        if ((runs > 0) != (kind == REGION)).any() or runs.sum() != len(self.run):
            raise ValueError("runs of no region")
        if len(self.run):
            for mark in self:  # whose region does not fit its corners
                assert mark.kind >= 0


class TrueBoxes(NamedTuple):
    """True boxes of one image, for scoring alone.

    Attributes:
        corners: (n, 4) float32, x0, y0, x1, y1 in pixels of the upright image: x right, y down, its
            first pixel covers 0 to 1.
        classes: (n,) uint16 class indices.
        difficult: (n,) bool, which are marked as hard to see.
    """

    corners: np.ndarray
    classes: np.ndarray
    difficult: np.ndarray


@dataclass(frozen=True)
class TrueObject:
    """One true instance, for scoring alone.

    Attributes:
        class_index: its class.
        crowd: whether it stands for several that nobody told apart.
        region: its pixels.
    """

    class_index: int
    crowd: bool
    region: Region


def object_arrays(objects: Sequence[TrueObject]) -> tuple[np.ndarray, np.ndarray]:
    """(O, 7) int32 class, crowd, x0, y0, x1, y1 and number of runs; and (Q,) uint32 runs."""
    runs = [to_runs(one.region.mask) for one in objects]
    rows = [
        (one.class_index, int(one.crowd), *one.region.corners, len(run))
        for one, run in zip(objects, runs, strict=True)
    ]
    table = np.array(rows, np.int32).reshape(-1, 7)
    return table, np.concatenate([np.zeros(0, np.uint32), *runs]).astype(np.uint32)


def objects_of(table: np.ndarray, runs: np.ndarray) -> list[TrueObject]:
    """What `object_arrays` was given.

    Raises:
        ValueError: numbers that do not fit together.
    """
    if len(table) and (table[:, 6].min() < 0 or table[:, 6].sum() != len(runs)):
        raise ValueError("true objects whose runs are not all there")
    found, start = [], 0
    for index, crowd, x0, y0, x1, y1, count in table.tolist():
        mask = from_runs(runs[start : start + count], y1 - y0, x1 - x0)
        found.append(TrueObject(index, bool(crowd), Region((x0, y0, x1, y1), mask)))
        start += count
    return found
