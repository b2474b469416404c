"""Confusion matrices of many images, of each only the cells that hold pixels.

An image shows few of the labels, so nearly all of its matrix is 0. Cells are numbered row by row:
cell = true label * (n + 1) + predicted label, in an (n, n + 1) matrix whose last column is a
predicted IGNORE, as in `metrics`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

HIT, TRUTH, PREDICTED = range(3)  # the three counts of a label that its IoU follows from
MOST = 1 << 53  # pixels: float64 holds all whole numbers up to here

Cells = tuple[np.ndarray, np.ndarray]  # numbers of cells, rising, and the pixels in each


def cells_of(matrix: np.ndarray) -> Cells:
    """The cells of an (n, n + 1) matrix that are not 0, and what they hold, as int64.

    >>> [part.tolist() for part in cells_of(np.array([[2, 0, 0], [1, 0, 3]]))]
    [[0, 3, 5], [2, 1, 3]]
    """
    flat = matrix.ravel()
    cells = np.flatnonzero(flat)
    return cells, flat[cells].astype(np.int64)


@dataclass(frozen=True)
class ImageCounts:
    """Matrices of I images.

    Attributes:
        n_labels: labels, background included.
        starts: (I + 1,) int64; image i has the cells `starts[i]` to `starts[i + 1]`.
        cells: (N,) int64 numbers of cells, rising in each image.
        counts: (N,) int64 pixels, above 0.
    """

    n_labels: int
    starts: np.ndarray
    cells: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, n_labels: int, images: Sequence[Cells]) -> ImageCounts:
        """Of each image's cells."""
        starts: np.ndarray = np.zeros(len(images) + 1, np.int64)
        np.cumsum([len(cells) for cells, _ in images], out=starts[1:])
        nothing = [np.zeros(0, np.int64)]
        cells, counts = (np.concatenate([*nothing, *(one[k] for one in images)]) for k in (0, 1))
        return cls(n_labels, starts, cells, counts)

    @classmethod
    def from_lists(cls, n_labels: int, lists: Sequence[Sequence[int]]) -> ImageCounts:
        """Of what `as_lists` gave.

        Raises:
            ValueError: something else: no whole numbers, cells that do not rise or do not exist,
                counts that are not above 0.
        """
        images, pixels = [], 0
        for flat in lists:
            if not isinstance(flat, list) or len(flat) % 2:
                raise ValueError("cells and counts do not come in pairs")
            if not all(type(value) is int and 0 <= value < MOST for value in flat):
                raise ValueError("cells and counts are whole numbers")
            cells, counts = np.array(flat, np.int64).reshape(-1, 2).T
            if (np.diff(cells) <= 0).any() or (cells >= n_labels * (n_labels + 1)).any():
                raise ValueError(f"cells do not rise, or are not those of {n_labels} labels")
            if (counts == 0).any():
                raise ValueError("a cell holds no pixels")
            pixels += sum(flat[1::2])
            if pixels >= MOST:
                raise ValueError("more pixels than there can be")
            images.append((cells, counts))
        return cls.of(n_labels, images)

    def as_lists(self) -> list[list[int]]:
        """For JSON: of each image [cell, count, cell, count, ...].

        >>> ImageCounts.of(2, [cells_of(np.array([[2, 0, 0], [1, 0, 3]]))]).as_lists()
        [[0, 2, 3, 1, 5, 3]]
        """
        pairs = np.stack([self.cells, self.counts], axis=1)
        bounds = zip(self.starts[:-1], self.starts[1:], strict=True)
        return [pairs[start:stop].ravel().tolist() for start, stop in bounds]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, image: int) -> Cells:
        part = slice(self.starts[image], self.starts[image + 1])
        return self.cells[part], self.counts[part]

    def take(self, images: Iterable[int]) -> ImageCounts:
        """Those of some images, in that order."""
        return ImageCounts.of(self.n_labels, [self[image] for image in images])

    def total(self) -> np.ndarray:
        """(n, n + 1) int64: the sum of all matrices."""
        n = self.n_labels
        summed: np.ndarray = np.zeros(n * (n + 1), np.int64)
        np.add.at(summed, self.cells, self.counts)
        return summed.reshape(n, n + 1)

    def tallies(self) -> np.ndarray:
        """(I, n, 3) int64: each label's hits, true pixels and predicted pixels in each image."""
        n = self.n_labels
        true, predicted = np.divmod(self.cells, n + 1)
        image = np.repeat(np.arange(len(self)), np.diff(self.starts))
        row = (image * n + true) * 3
        found: np.ndarray = np.zeros(len(self) * n * 3, np.int64)
        hit, given = true == predicted, predicted < n
        np.add.at(found, row[hit] + HIT, self.counts[hit])
        np.add.at(found, row + TRUTH, self.counts)
        of_predicted = (image * n + predicted) * 3 + PREDICTED
        np.add.at(found, of_predicted[given], self.counts[given])
        return found.reshape(len(self), n, 3)
