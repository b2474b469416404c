"""Percentiles of all the pixels of a set, in memory that does not grow with it.

Integers of up to 16 bits are counted one by one, so that theirs are exact. Other numbers are
counted as float32 rounded to 14 significant binary digits: off by less than one part in 16,000.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Sequence

import numpy as np

LEAST, MOST = -(2**15), 2**16 - 1  # of integers of 16 bits, signed or not
EXACT = MOST - LEAST + 1  # how many keys they have; those of rounded numbers follow
DROPPED = 10  # of the 23 bits of a float32's fraction
LARGEST = int(np.float32(np.finfo(np.float32).max).view(np.int32)) >> DROPPED

Counts = tuple[np.ndarray, np.ndarray]  # keys, rising, and how often each occurs


def counted(values: np.ndarray) -> Counts:
    """How often each of some finite numbers occurs.

    Args:
        values: (n,) integers or floats.

    Returns:
        (m,) int64 keys, rising like the numbers that they stand for, and (m,) int64 counts.
    """
    if values.dtype.kind in "iu" and values.dtype.itemsize <= 2:
        shifted = values.astype(np.int64) - LEAST
        least = int(shifted.min(initial=EXACT))
        counts = np.bincount(shifted - least)
        keys = np.flatnonzero(counts)
        return keys + least, counts[keys]
    limit = np.finfo(np.float32).max
    bits = values.clip(-limit, limit).astype(np.float32).view(np.int32)
    size = np.minimum(((bits & 0x7FFFFFFF) + (1 << DROPPED - 1)) >> DROPPED, LARGEST)
    keys, counts = np.unique(np.where(bits < 0, -size, size), return_counts=True)
    return keys.astype(np.int64) + (EXACT + LARGEST), counts


def numbers_of(keys: np.ndarray) -> np.ndarray:
    """(m,) float64, what the keys of `counted` stand for.

    >>> numbers_of(counted(np.array([-3, 7], np.int16))[0]).tolist()
    [-3.0, 7.0]
    >>> numbers_of(counted(np.array([-0.5, 1.0]))[0]).tolist()
    [-0.5, 1.0]
    """
    signed = np.where(keys < EXACT, 0, keys - (EXACT + LARGEST))
    rounded = (np.abs(signed) << DROPPED).astype(np.int32).view(np.float32).astype(np.float64)
    return np.where(keys < EXACT, keys + float(LEAST), np.sign(signed) * rounded)


class Tally:
    """How often each value occurs in each band of images.

    Attributes:
        images: number of images by their number of bands.
        pixels, empty: values in all bands, and how many of them were left out.
    """

    def __init__(self) -> None:
        self.images: Counter[int] = Counter()
        self.pixels = self.empty = 0
        self._counts: list[list[Counts]] = []  # of each band of an image, strip by strip
        self._totals: list[np.ndarray] = []  # of each band of all images that were added
        self._lock = threading.Lock()

    def count(self, values: np.ndarray, left_out: np.ndarray | None = None) -> None:
        """A strip of an image.

        Args:
            values: (h, W, bands) integers or floats.
            left_out: (h, W, bands) bool, which do not count; they alone may be no finite numbers.
        """
        if not self._counts:
            self._counts = [[] for _ in range(values.shape[2])]
            self.images[values.shape[2]] += 1
        for band, counts in enumerate(self._counts):
            one = values[..., band]
            kept = one.ravel() if left_out is None else one[~left_out[..., band]]
            counts.append(counted(kept))
            self.empty += one.size - kept.size
        self.pixels += values.size

    def add(self, image: Tally) -> None:
        """What another counted, of one image. Threads may add at once."""
        with self._lock:
            self.images += image.images
            self.pixels += image.pixels
            self.empty += image.empty
            for band, counts in enumerate(image._counts):
                if band == len(self._totals):
                    self._totals.append(np.zeros(EXACT + 2 * LARGEST + 1, np.int64))
                for keys, numbers in counts:
                    self._totals[band][keys] += numbers

    def percentiles(self, band: int, percents: Sequence[float]) -> list[float] | None:
        """Those of a band, counted from 0, as `numpy.percentile` gives; None where it is empty."""
        keys = np.flatnonzero(self._totals[band])
        if not keys.size:
            return None
        values, counts = numbers_of(keys), self._totals[band][keys]
        order = np.argsort(values, kind="stable")  # where exact and rounded ones meet
        values, below = values[order], np.cumsum(counts[order])
        found = []
        for percent in percents:
            place = percent / 100 * (int(below[-1]) - 1)
            ranks = [math.floor(place), math.ceil(place)]
            low, high = values[np.searchsorted(below, ranks, side="right")]
            found.append(float(low + (high - low) * (place - ranks[0])))
        return found
