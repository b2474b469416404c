"""Scores of label maps, from exact counts.

All of them follow from a confusion matrix, (n, n + 1) int64: entry [i, j] counts the pixels of
true label i predicted j; the last column those predicted IGNORE. Pixels whose truth is IGNORE are
in no entry. Matrices of images, shards and workers add up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .labels import BACKGROUND, IGNORE

RULES = ("union", "all", "truth")
UNLABELLED = ("error", "background")
# Pixels counted at a time: what is worked out for each stays in the cache, and memory is that of
# the image alone. Fewer than these do not repay the adding up of their bins.
BLOCK = 1 << 18


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
    check_n_labels(n_labels)
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
        refuse_labels(np.bincount(flat, minlength=256), n_labels, "truth")
    if counts[:, -1].any():
        refuse_labels(np.bincount(guess, minlength=256), n_labels, "prediction")
    matrix = counts[:n_labels, : n_labels + 1].copy()
    if unlabelled == "background":
        matrix[:, BACKGROUND] += matrix[:, n_labels]
        matrix[:, n_labels] = 0
    return matrix


def check_n_labels(n_labels: int) -> None:
    """Raise ValueError for a number of labels that cannot be."""
    if not 1 <= n_labels <= IGNORE:
        raise ValueError(f"{n_labels} labels: there may be 1..{IGNORE}, background included")


def refuse_labels(counts: np.ndarray, n_labels: int, what: str) -> None:
    """Raise ValueError for labels n_labels..254, given (256,) counts of bytes."""
    if counts[n_labels:IGNORE].any():
        label = n_labels + int(np.flatnonzero(counts[n_labels:IGNORE])[0])
        raise ValueError(f"{what} holds label {label}, but there are {n_labels} labels")


@dataclass(frozen=True)
class Scores:
    """What a confusion matrix says. Undefined values are NaN.

    Per label, (n,) float64:
        iou: TP / union, union = truth + predicted - TP; undefined where the truth holds none of
            the label, though a prediction may.
        precision: TP / predicted.
        recall: TP / truth.
        over: (predicted - TP) / union, the false positives; iou + over + under = 1 where
            the truth holds the label.
        under: (truth - TP) / union, the false negatives.
    Over labels:
        miou: mean of TP / union by `rule`: 'union' averages the labels that truth or prediction
            holds, which is 0 for one that is only predicted; 'truth' those that the truth holds;
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
        found: dict[str, object] = {"rule": self.rule, "matrix": self.matrix.tolist()}
        for name, value in vars(self).items():
            if name not in found:
                found[name] = plain(value)
        return found


def plain(value: np.ndarray | float) -> list[float | None] | float | None:
    """Of (n,) numbers or one, what JSON can hold: None for NaN."""
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
    iou = np.where(truth > 0, ratio(hit, union), np.nan)
    recall = ratio(hit, truth)
    averaged = {"union": union > 0, "all": np.ones(n, bool), "truth": truth > 0}[rule]
    total = truth.sum()
    found = hit[1:] > 0  # classes with true positives
    return Scores(
        matrix=matrix,
        rule=rule,
        iou=iou,
        precision=ratio(hit, predicted),
        recall=recall,
        over=ratio(predicted - hit, union),
        under=ratio(truth - hit, union),
        miou=mean_defined(np.nan_to_num(iou)[averaged]),
        pixel_accuracy=float(ratio(hit.sum(), total)),
        mean_accuracy=mean_defined(recall),
        fw_iou=float(ratio((truth * np.nan_to_num(iou)).sum(), total)),
        m_fp=mean_defined(ratio((predicted - hit)[1:], hit[1:])[found]),
        m_fn=mean_defined(ratio((truth - hit)[1:], hit[1:])[found]),
        foreground_precision=float(ratio(hit[1:].sum(), predicted[1:].sum())),
        coverage=float(ratio(predicted.sum(), total)),
    )


def ratio(above: ArrayLike, below: ArrayLike) -> np.ndarray:
    """above / below in float64, NaN where below is 0."""
    over, under = np.asarray(above, np.float64), np.asarray(below, np.float64)
    return np.divide(over, under, out=np.full(over.shape, np.nan), where=under > 0)


def mean_defined(values: np.ndarray) -> float:
    """Mean of the values that are not NaN; NaN if none is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
