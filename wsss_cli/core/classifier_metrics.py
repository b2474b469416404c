"""Scores of multi-label classifiers: average precision and F1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .metrics import mean_defined, ratio


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
    """Average precision and F1 of a multi-label classifier, over what is said.

    Args:
        probabilities: (N, C) float; a class counts as predicted strictly above threshold.
        targets: (N, C) bool, or 1, 0 and NaN for what is not said; an image has no part in the
            scores of a class of which it says nothing.

    Raises:
        ValueError: shapes that differ, or probabilities that are NaN.
    """
    targets = np.asarray(targets)
    if probabilities.shape != targets.shape or targets.ndim != 2:
        raise ValueError(f"scores of {probabilities.shape}, targets of {targets.shape}")
    said = ~np.isnan(targets)
    targets = np.where(said, targets, 0).astype(bool)
    columns = zip(probabilities.T, targets.T, said.T, strict=True)
    ap = np.array([average_precision(score[own], there[own]) for score, there, own in columns])
    predicted = (probabilities > threshold) & said
    hit, both = (predicted & targets).sum(axis=0), predicted.sum(axis=0) + targets.sum(axis=0)
    f1 = ratio(2 * hit, both)
    micro = float(ratio(2 * hit.sum(), both.sum()))
    return ClassifierScores(ap, mean_defined(ap), f1, mean_defined(f1), micro)


def mean_ap(scores: np.ndarray, targets: np.ndarray) -> float:
    """Mean `average_precision` over the columns of (N, C) that have positives."""
    return classifier_scores(scores, targets).mean_ap
