"""Scores of label maps and of classifiers, from exact counts.

Everything about label maps follows from a confusion matrix, (n, n + 1) int64: entry [i, j] counts
the pixels of true label i predicted j; the last column those predicted IGNORE. Pixels whose truth
is IGNORE are in no entry. Matrices of images, shards and workers add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .labels import BACKGROUND, IGNORE, label_of_class

RULES = ("union", "all")
UNLABELLED = ("error", "background")
SWEEP = np.arange(60) / 100  # 0, .01, ... .59, the thresholds of published code
# Pixels counted at a time: what is worked out for each stays in the cache, and memory is that of
# the image alone. Fewer than these do not repay the adding up of their bins.
BLOCK, SWEEP_BLOCK = 1 << 18, 1 << 16
MAX_THRESHOLDS = 10_000  # keeps the bins of a sweep (thresholds x classes x 256) in int32


def confusion_matrix(
    truth: np.ndarray, pred: np.ndarray, n_labels: int, *, unlabelled: str = "error"
) -> np.ndarray:
    """Count the pixels of every (true, predicted) pair of labels.

    Args:
        truth: uint8 labels below n_labels, or IGNORE (not counted), any shape.
        pred: uint8 labels below n_labels, or IGNORE, same shape.
        n_labels: number of labels, background included.
        unlabelled: what a predicted IGNORE is: an 'error' (last column: it counts as truth that
            was missed, but not as a prediction) or 'background'.

    Returns:
        (n_labels, n_labels + 1) int64.

    Raises:
        ValueError: shapes or dtypes that do not fit, or labels that are neither.

    >>> confusion_matrix(np.array([0, 1, 1, 255], np.uint8), np.array([0, 1, 255, 1], np.uint8), 2)
    array([[1, 0, 0],
           [0, 1, 1]])
    """
    if unlabelled not in UNLABELLED:
        raise ValueError(f"unlabelled {unlabelled!r}: one of {', '.join(UNLABELLED)}")
    if truth.shape != pred.shape:
        raise ValueError(f"truth of {truth.shape} and prediction of {pred.shape} differ in shape")
    if truth.dtype != np.uint8 or pred.dtype != np.uint8:
        raise ValueError(f"label maps are uint8, not {truth.dtype} and {pred.dtype}")
    _check_n_labels(n_labels)
    # A bin for every pair of labels, IGNORE and all else having one more each: one pass, no masks.
    # A bin for every pair of bytes would be half a megabyte anew for each image, however small.
    side = n_labels + 2
    column = np.full(256, n_labels + 1, np.intp)
    column[:n_labels], column[IGNORE] = np.arange(n_labels), n_labels
    row = column * side
    flat, guess = truth.ravel(), pred.ravel()
    counts: np.ndarray = np.zeros(side * side, np.int64)
    for start in range(0, flat.size, BLOCK):
        part = slice(start, start + BLOCK)
        counts += np.bincount(row[flat[part]] + column[guess[part]], minlength=side * side)
    counts = counts.reshape(side, side)
    if counts[-1].any():
        _refuse_labels(np.bincount(flat, minlength=256), n_labels, "truth")
    if counts[:, -1].any():
        _refuse_labels(np.bincount(guess, minlength=256), n_labels, "prediction")
    matrix = counts[:n_labels, : n_labels + 1].copy()
    if unlabelled == "background":
        matrix[:, BACKGROUND] += matrix[:, n_labels]
        matrix[:, n_labels] = 0
    return matrix


def _check_n_labels(n_labels: int) -> None:
    if not 1 <= n_labels <= IGNORE:
        raise ValueError(f"{n_labels} labels: there may be 1..{IGNORE}, background included")


def _refuse_labels(counts: np.ndarray, n_labels: int, what: str) -> None:
    """Raise ValueError for labels n_labels..254, given (256,) counts of bytes."""
    if counts[n_labels:IGNORE].any():
        label = n_labels + int(np.flatnonzero(counts[n_labels:IGNORE])[0])
        raise ValueError(f"{what} holds label {label}, but there are {n_labels} labels")


@dataclass(frozen=True)
class Scores:
    """What a confusion matrix says. Undefined values are NaN.

    Per label, (n,) float64:
        iou: TP / union, union = truth + predicted - TP.
        precision: TP / predicted.
        recall: TP / truth.
        over: (predicted - TP) / union, the false positives; iou + over + under = 1.
        under: (truth - TP) / union, the false negatives.
    Over labels:
        miou: mean iou by `rule`: 'union' averages the labels that truth or prediction holds,
            'all' every label, 0 for one that neither holds (the VOC server).
        pixel_accuracy, mean_accuracy: of all pixels; mean recall over labels that truth holds.
        fw_iou: iou weighted by the label's share of the truth.
        m_fp, m_fn: mean of FP/TP and FN/TP over classes with TP > 0 (background left out); maps
            are too large where m_fp > m_fn (SEAM, Wang et al., CVPR 2020).
        foreground_precision: share of the pixels predicted a class that are of that class.
        coverage: share of the pixels that are predicted anything but IGNORE.
    """

    matrix: np.ndarray
    rule: str
    iou: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    over: np.ndarray
    under: np.ndarray
    miou: float
    pixel_accuracy: float
    mean_accuracy: float
    fw_iou: float
    m_fp: float
    m_fn: float
    foreground_precision: float
    coverage: float

    def as_dict(self) -> dict[str, object]:
        """Plain lists, floats and ints for JSON, None for what is undefined."""
        plain: dict[str, object] = {"rule": self.rule, "matrix": self.matrix.tolist()}
        for name, value in vars(self).items():
            if name not in plain:
                plain[name] = _plain(value)
        return plain


def _plain(value: np.ndarray | float) -> list[float | None] | float | None:
    if isinstance(value, np.ndarray):
        return [None if np.isnan(v) else float(v) for v in value]
    return None if np.isnan(value) else float(value)


def scores(matrix: np.ndarray, rule: str = "union") -> Scores:
    """All `Scores` of an (n, n + 1) confusion matrix.

    Raises:
        ValueError: another shape or an unknown rule.

    >>> s = scores(np.array([[2, 0, 0], [1, 1, 0]]))
    >>> s.iou.round(2).tolist(), round(s.miou, 4), s.pixel_accuracy
    ([0.67, 0.5], 0.5833, 0.75)
    """
    if rule not in RULES:
        raise ValueError(f"rule {rule!r}: one of {', '.join(RULES)}")
    n = matrix.shape[0]
    if matrix.shape != (n, n + 1):
        raise ValueError(f"a confusion matrix is (n, n + 1), not {matrix.shape}")
    truth, predicted = matrix.sum(axis=1), matrix[:, :n].sum(axis=0)
    hit = matrix.diagonal()
    union = truth + predicted - hit
    iou, recall = _ratio(hit, union), _ratio(hit, truth)
    if rule == "all":
        iou = np.where(union > 0, iou, 0.0)
    total = truth.sum()
    found = hit[1:] > 0  # classes with true positives
    return Scores(
        matrix=matrix,
        rule=rule,
        iou=iou,
        precision=_ratio(hit, predicted),
        recall=recall,
        over=_ratio(predicted - hit, union),
        under=_ratio(truth - hit, union),
        miou=_mean(iou),
        pixel_accuracy=float(_ratio(hit.sum(), total)),
        mean_accuracy=_mean(recall),
        fw_iou=float(_ratio((truth * np.nan_to_num(iou)).sum(), total)),
        m_fp=_mean(_ratio((predicted - hit)[1:], hit[1:])[found]),
        m_fn=_mean(_ratio((truth - hit)[1:], hit[1:])[found]),
        foreground_precision=float(_ratio(hit[1:].sum(), predicted[1:].sum())),
        coverage=float(_ratio(predicted.sum(), total)),
    )


def _ratio(above: ArrayLike, below: ArrayLike) -> np.ndarray:
    """above / below in float64, NaN where below is 0."""
    over, under = np.asarray(above, np.float64), np.asarray(below, np.float64)
    return np.divide(over, under, out=np.full(over.shape, np.nan), where=under > 0)


def _mean(values: np.ndarray) -> float:
    """Mean of the values that are not NaN; NaN if none is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


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
        _check_n_labels(n_labels)
        self.thresholds = np.asarray(thresholds, np.float32)
        if self.thresholds.ndim != 1 or not 0 < len(self.thresholds) <= MAX_THRESHOLDS:
            raise ValueError(f"a sweep needs a list of 1..{MAX_THRESHOLDS} thresholds")
        if not np.isfinite(self.thresholds).all() or not (np.diff(self.thresholds) > 0).all():
            raise ValueError("thresholds must rise strictly (in float32)")
        self.n_labels = n_labels
        # [number of thresholds below the maximum, strongest label, true label]
        self._counts = np.zeros((len(self.thresholds) + 1, n_labels, n_labels), np.int64)
        self._ranks = _Ranks(self.thresholds)

    def add(self, truth: np.ndarray, cam: np.ndarray, classes: np.ndarray) -> None:
        """Count one image.

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
        for start in range(0, flat.size, SWEEP_BLOCK):
            part = slice(start, start + SWEEP_BLOCK)
            counts += np.bincount(self._bins(flat[part], maps[:, part]), minlength=counts.size)
        counts = counts.reshape(-1, n, 256)
        _refuse_labels(counts.sum(axis=(0, 1)), self.n_labels, "truth")
        for k in range(n):
            label = names[k] if len(names) else BACKGROUND
            self._counts[:, label] += counts[:, k, : self.n_labels]

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


def average_precision(scores: np.ndarray, targets: np.ndarray) -> float:
    """Area under one class's precision-recall steps, sum of precision times gain in recall.

    Args:
        scores: (N,) float; only their order matters. Equal scores enter together.
        targets: (N,) bool, or 0 and 1.

    Returns:
        AP in [0, 1]; NaN without positives.

    Raises:
        ValueError: different lengths, or scores that are NaN.

    >>> round(average_precision(np.array([.9, .8, .7]), np.array([1, 0, 1])), 4)
    0.8333
    """
    scores, targets = np.asarray(scores, np.float64), np.asarray(targets).astype(bool)
    if scores.shape != targets.shape or scores.ndim != 1:
        raise ValueError(f"scores of {scores.shape} and targets of {targets.shape} do not fit")
    if np.isnan(scores).any():
        raise ValueError("scores hold NaN")
    if not targets.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = targets[order].cumsum()
    last = np.append(np.diff(scores[order]) != 0, True)  # last of each group of equals
    hits, taken = hits[last], np.flatnonzero(last) + 1
    gain = np.diff(hits, prepend=0)
    return float((gain * hits / taken).sum() / targets.sum())


@dataclass(frozen=True)
class ClassifierScores:
    """Scores of a multi-label classifier; NaN where undefined.

    Attributes:
        ap: (C,) average precision; NaN for a class without positives.
        mean_ap: mean over the classes that have one.
        f1: (C,) at the given threshold; NaN for a class neither there nor predicted.
        mean_f1: mean over the classes that have one.
        micro_f1: F1 over all decisions together.
    """

    ap: np.ndarray
    mean_ap: float
    f1: np.ndarray
    mean_f1: float
    micro_f1: float


def classifier_scores(
    probabilities: np.ndarray, targets: np.ndarray, threshold: float = 0.5
) -> ClassifierScores:
    """Average precision and F1 of a multi-label classifier.

    Args:
        probabilities: (N, C) float; a class counts as predicted strictly above threshold.
        targets: (N, C) bool, or 0 and 1.

    Raises:
        ValueError: shapes that differ, or NaN.
    """
    targets = np.asarray(targets).astype(bool)
    if probabilities.shape != targets.shape or targets.ndim != 2:
        raise ValueError(f"scores of {probabilities.shape}, targets of {targets.shape}")
    columns = range(targets.shape[1])
    ap = np.array([average_precision(probabilities[:, c], targets[:, c]) for c in columns])
    predicted = probabilities > threshold
    hit, both = (predicted & targets).sum(axis=0), predicted.sum(axis=0) + targets.sum(axis=0)
    f1 = _ratio(2 * hit, both)
    micro = float(_ratio(2 * hit.sum(), both.sum()))
    return ClassifierScores(ap, _mean(ap), f1, _mean(f1), micro)


def mean_ap(scores: np.ndarray, targets: np.ndarray) -> float:
    """Mean `average_precision` over the columns of (N, C) that have positives."""
    return classifier_scores(scores, targets).mean_ap
