"""The grid of overlapping tiles that a large image is cut into, and how they make a whole again.

Along each axis tiles begin every `side - overlap` pixels; the last one is moved inward, so that
all are of full size. A pixel belongs to the tile whose centre is nearest: cuts run through the
middle of each overlap. Scores are blended by weights that fall towards a tile's edges and sum to 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np

LEAST = 2.0**-40  # pixels that a place at a tile's very end counts as being within


class Window(NamedTuple):
    """A part of an image: its first row and column, its height and width."""

    y: int
    x: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def within(self, outer: Window) -> Window:
        """The same pixels as the other window counts them."""
        return Window(self.y - outer.y, self.x - outer.x, self.height, self.width)


@dataclass(frozen=True)
class Tiling:
    """How images are cut.

    Attributes:
        side: of a tile, in pixels.
        overlap: pixels that neighbours share at least, fewer than `side`.
    """

    side: int
    overlap: int

    def __post_init__(self) -> None:
        """
        Raises:
            ValueError: numbers that make no grid.
        """
        if self.side < 1 or not 0 <= self.overlap < self.side:
            raise ValueError(f"tiles of {self.side} pixels cannot overlap by {self.overlap}")

    def cuts(self, size: tuple[int, int]) -> bool:
        """Whether an image of (H, W) is larger than a tile."""
        return max(size) > self.side

    def count(self, size: tuple[int, int]) -> int:
        """How many tiles an image of (H, W) is cut into; 1 where it is no larger."""
        step = self.side - self.overlap
        return math.prod(1 + max(0, -(-(length - self.side) // step)) for length in size)

    def windows(self, size: tuple[int, int]) -> list[Window]:
        """The tiles of an image of (H, W), row by row; the image itself where it is no larger.

        >>> [tuple(one) for one in Tiling(4, 1).windows((3, 9))]
        [(0, 0, 3, 4), (0, 3, 3, 4), (0, 5, 3, 4)]
        """
        sides = [min(self.side, length) for length in size]
        firsts = [starts(length, self.side, self.overlap) for length in size]
        return [Window(y, x, *sides) for y, x in product(*firsts)]

    def owned(self, size: tuple[int, int]) -> list[Window]:
        """The part of the image that belongs to each of `windows`, in the image's coordinates."""
        spans = [owned(length, self.side, self.overlap) for length in size]
        return [Window(y, x, end - y, stop - x) for (y, end), (x, stop) in product(*spans)]

    def record(self) -> dict[str, int]:
        """As plain values for a file's params."""
        return {"tile": self.side, "overlap": self.overlap}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Tiling | None:
        """What `record` gave, whatever else is in it; None where images were not cut.

        Raises:
            ValueError: values that make no sense.
        """
        if record.get("tile") is None:
            return None
        side, overlap = record["tile"], record.get("overlap")
        if not all(isinstance(n, int) and not isinstance(n, bool) for n in (side, overlap)):
            raise ValueError(f"tile {side!r:.40}, overlap {overlap!r:.40}: need whole numbers")
        return cls(side, overlap)  # type: ignore[arg-type]  # both are int


def starts(length: int, side: int, overlap: int) -> list[int]:
    """First pixels of the tiles along an axis of `length` pixels, rising.

    >>> starts(10, 4, 1), starts(9, 4, 1), starts(4, 4, 1)
    ([0, 3, 6], [0, 3, 5], [0])
    """
    if length <= side:
        return [0]
    step = side - overlap
    count = -(-(length - side) // step)
    return [step * index for index in range(count)] + [length - side]


def owned(length: int, side: int, overlap: int) -> list[tuple[int, int]]:
    """First pixel, and the one after the last, that belong to each tile along an axis.

    >>> owned(9, 4, 1)  # tiles from 0, 3 and 5
    [(0, 3), (3, 6), (6, 9)]
    """
    first = starts(length, side, overlap)
    # Between neighbours the cut is in the middle between their centres; a pixel whose own centre
    # is there belongs to the later one.
    cuts = [(one + other + side) // 2 for one, other in pairwise(first)]
    return list(zip([0, *cuts], [*cuts, length], strict=True))


def weights(
    length: int, side: int, overlap: int, at: np.ndarray, margin: float = 0.0
) -> np.ndarray:
    """(n, P) float64 share of each tile along an axis in a place's score; a column sums to 1.

    A tile's weight is the distance to its nearer end, over the sum of all tiles that hold the
    place: between two tiles it changes evenly from one to the other.

    Args:
        at: (P,) places within 0..length, such as 0.5 for the centre of the first pixel.
        margin: pixels at a tile's ends that have no share, less than half of the overlap; the
            image's own ends are no ends of a tile.

    >>> weights(7, 4, 1, np.array([0.5, 3.5, 6.5])).tolist()
    [[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]
    """
    first = np.array(starts(length, side, overlap), np.float64)[:, None]
    before, behind = at - first - margin, first + side - at - margin
    before[0], behind[-1] = side, side
    near = np.minimum(before, behind)
    held = np.where(near >= 0, np.maximum(near, LEAST), 0)  # a place on the end of two is of both
    found: np.ndarray = held / held.sum(axis=0)
    return found


def tile_id(image_id: str, window: Window) -> str:
    """The id of a tile: the image's, and the tile's first row and column.

    >>> tile_id("site/a", Window(0, 896, 1024, 1024))
    'site/a@y00000x00896'
    """
    return f"{image_id}@y{window.y:05d}x{window.x:05d}"
