"""The shapes of many items in a few bytes each: what the index of a file is made from."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np


class ShapeTable:
    """Shapes of one field of items that are numbered in the order they come.

    A dictionary of tuples an item would take 600 bytes; of 100,000 items that would be more than
    the items that a stage has in hand.
    """

    def __init__(self) -> None:
        self._rows = array("q")  # of the items that have the field
        self._sides = array("i")
        self._ndim = 0

    def add(self, row: int, shape: Sequence[int]) -> None:
        """Note the shape of item `row`; all of a field have as many axes."""
        self._rows.append(row)
        self._sides.extend(shape)
        self._ndim = len(shape)

    def matrix(self, rows: np.ndarray) -> np.ndarray:
        """(len(rows), axes) int32 shapes of these items; -1 where one lacks the field."""
        found = np.full((int(rows.max(initial=-1)) + 1, self._ndim), -1, np.int32)
        mine = np.frombuffer(self._rows, np.int64)
        sides = np.frombuffer(self._sides, np.int32).reshape(len(mine), self._ndim)
        wanted = mine < len(found)
        found[mine[wanted]] = sides[wanted]
        return found[rows]
