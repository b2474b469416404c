"""Scores of maps at every threshold, from one pass over the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .image_counts import Cells, cells_of
from .labels import BACKGROUND, label_of_class
from .metrics import Scores, check_n_labels, refuse_labels, scores

SWEEP = np.arange(60) / 100  # 0, .01, ... .59, the thresholds of published code
MAX_THRESHOLDS = 10_000  # keeps the bins of a sweep (thresholds x classes x 256) in int32
# Pixels counted at a time: what is worked out for each stays in the cache, and memory is that of
# the image alone. Fewer than these do not repay the adding up of their bins.
BLOCK = 1 << 16


@dataclass(frozen=True)
class ImageSweep:
    """One image's part of a `ThresholdSweep`, of the labels that it holds alone.

    With 60 thresholds, two maps and three true labels these are 1.5 kB; 60 matrices of 21 labels
    would be 220 kB.

    Attributes:
        counts: (T + 1, K, L) uint32 pixels: number of thresholds below the maximum, strongest
            map, true label.
        names: (K,) labels of the maps.
        truths: (L,) labels that the truth holds, rising.
    """

    counts: np.ndarray
    names: np.ndarray
    truths: np.ndarray

    def cells(self, place: int, n_labels: int) -> Cells:
        """What the confusion matrix at the threshold of this number holds."""
        matrix: np.ndarray = np.zeros((n_labels, n_labels + 1), np.int64)
        above = self.counts[place + 1 :].sum(axis=0, dtype=np.int64)
        matrix[self.truths[:, None], self.names] = above.T
        matrix[self.truths, BACKGROUND] += self.counts[: place + 1].sum(axis=(0, 1), dtype=np.int64)
        return cells_of(matrix)


class ThresholdSweep:
    """Confusion matrices of a cam under many background scores, from one pass over the images.

    At threshold t a pixel is its strongest class where that map is strictly above t (compared in
    float32; of equal maps the first), else background. A pixel's label at every threshold follows
    from its maximum, its strongest class and its truth, so a histogram of these three, cumulated
    along the first, holds all matrices at once: the counts equal those of a loop over thresholds.

    Attributes:
        thresholds: (T,) float32, rising.
        n_labels: labels, background included.
    """

    def __init__(self, n_labels: int, thresholds: Sequence[float] | np.ndarray = SWEEP) -> None:
        """Raises ValueError for no labels or too many, or thresholds that do not rise."""
        check_n_labels(n_labels)
        self.thresholds = np.asarray(thresholds, np.float32)
        if self.thresholds.ndim != 1 or not 0 < len(self.thresholds) <= MAX_THRESHOLDS:
            raise ValueError(f"a sweep needs a list of 1..{MAX_THRESHOLDS} thresholds")
        if not np.isfinite(self.thresholds).all() or not (np.diff(self.thresholds) > 0).all():
            raise ValueError("thresholds must rise strictly (in float32)")
        self.n_labels = n_labels
        # [number of thresholds below the maximum, strongest label, true label]
        self._counts = np.zeros((len(self.thresholds) + 1, n_labels, n_labels), np.int64)
        self._ranks = _Ranks(self.thresholds)

    def add(self, truth: np.ndarray, cam: np.ndarray, classes: np.ndarray) -> ImageSweep:
        """Count one image; returns what it added.

        Args:
            truth: (H, W) uint8 labels below n_labels or IGNORE (not counted).
            cam: (K, H, W) float32, the maps of the present classes at the truth's size.
            classes: (K,) class indices.

        Raises:
            ValueError: shapes or dtypes that do not fit, labels that do not exist, or NaN.
        """
        names = label_of_class(classes)
        if cam.ndim != 3 or cam.shape[0] != len(names) or cam.shape[1:] != truth.shape:
            raise ValueError(
                f"a cam of shape {cam.shape} does not hold {len(names)} classes of {truth.shape}"
            )
        if truth.dtype != np.uint8 or cam.dtype != np.float32:
            raise ValueError(f"need uint8 truth and float32 cam, not {truth.dtype}, {cam.dtype}")
        if names.size and names.max() >= self.n_labels:
            raise ValueError(f"cam holds label {names.max()} of {self.n_labels} labels")
        n = max(len(names), 1)
        flat, maps = truth.ravel(), cam.reshape(len(cam), truth.size)
        counts: np.ndarray = np.zeros(len(self._counts) * n * 256, np.int64)
        for start in range(0, flat.size, BLOCK):
            part = slice(start, start + BLOCK)
            counts += np.bincount(self._bins(flat[part], maps[:, part]), minlength=counts.size)
        counts = counts.reshape(-1, n, 256)
        held = counts.sum(axis=(0, 1))
        refuse_labels(held, self.n_labels, "truth")
        for k in range(n):
            label = names[k] if len(names) else BACKGROUND
            self._counts[:, label] += counts[:, k, : self.n_labels]
        truths = np.flatnonzero(held[: self.n_labels])
        own = names if len(names) else np.array([BACKGROUND])
        return ImageSweep(counts[:, :, truths].astype(np.uint32), own, truths)

    def _bins(self, truth: np.ndarray, cam: np.ndarray) -> np.ndarray:
        """Int32 bin of each of (P,) pixels: (rank of its maximum, strongest map, truth)."""
        if len(cam) == 0:
            return truth.astype(np.int32)
        strongest = cam[0]
        which = np.zeros(strongest.shape, np.uint8)
        for k in range(1, len(cam)):
            one = cam[k]
            # k is above every earlier index, so a maximum assigns it without a slow mask.
            np.maximum(which, (one > strongest).view(np.uint8) * np.uint8(k), out=which)
            strongest = np.maximum(strongest, one)
        if strongest.size and np.isnan(strongest.min()):
            raise ValueError("cam holds NaN")
        bins = self._ranks(strongest)
        bins *= len(cam)
        bins += which
        bins <<= 8
        bins |= truth
        return bins

    def merge(self, other: ThresholdSweep) -> None:
        """Add the counts of another sweep over the same thresholds and labels."""
        same = np.array_equal(self.thresholds, other.thresholds)
        if not same or self.n_labels != other.n_labels:
            raise ValueError("sweeps of other thresholds or labels do not merge")
        self._counts += other._counts

    def matrices(self) -> np.ndarray:
        """(T, n, n + 1) int64: the confusion matrix at every threshold."""
        n = self.n_labels
        above = self._counts[::-1].cumsum(axis=0)[::-1][1:]  # maximum above threshold t
        result = np.zeros((len(self.thresholds), n, n + 1), np.int64)
        result[:, :, :n] = above.transpose(0, 2, 1)
        missed = self._counts.sum(axis=(0, 1)) - above.sum(axis=1)
        result[:, :, BACKGROUND] += missed
        return result

    def best(self, rule: str = "union") -> tuple[float, Scores]:
        """The threshold of the highest mIoU (of equals, the lowest) and its scores."""
        every = [scores(matrix, rule) for matrix in self.matrices()]
        place = int(np.argmax(np.nan_to_num([one.miou for one in every], nan=-1.0)))
        return round(float(self.thresholds[place]), 6), every[place]


class _Ranks:
    """For float32 values, how many thresholds lie strictly below each; a fast searchsorted.

    Cells of equal width hold few thresholds. Rounding is monotone, so a threshold in a lower
    cell than a value is below it, one in a higher cell above; only those in the value's own cell
    are compared.
    """

    def __init__(self, thresholds: np.ndarray, n_cells: int = 1024) -> None:
        self._last = n_cells - 1
        self._origin = thresholds[0]
        span = np.maximum(thresholds[-1] - thresholds[0], np.float32(1e-6))
        self._scale = np.float32(n_cells) / span
        cells = self._cells(thresholds)
        per_cell = np.bincount(cells, minlength=n_cells)
        before = per_cell.cumsum() - per_cell
        self._before = before.astype(np.int32)
        # [i, cell]: the i-th threshold of the cell, or infinity, which is below nothing.
        self._inside = np.full((np.max(per_cell), n_cells), np.inf, np.float32)
        self._inside[np.arange(len(thresholds)) - before[cells], cells] = thresholds

    def _cells(self, values: np.ndarray) -> np.ndarray:
        place = (values - self._origin) * self._scale
        return np.clip(place, 0, self._last, out=place).astype(np.intp)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """(P,) int32 ranks of (P,) float32 values, none NaN."""
        cells = self._cells(values)
        ranks = self._before.take(cells)
        for thresholds in self._inside:
            ranks += thresholds.take(cells) < values
        return ranks
