"""Average precision and F1, against a loop and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss_cli.core.classifier_metrics import average_precision, classifier_scores, mean_ap

seeds = st.integers(0, 9999)


def brute_ap(score: np.ndarray, target: np.ndarray) -> float:
    """Precision at every distinct score, weighted by the recall gained there."""
    total, found = 0.0, 0
    for value in sorted(set(score.tolist()), reverse=True):
        taken = score >= value
        hits = int(target[taken].sum())
        total += (hits - found) * hits / taken.sum()
        found = hits
    return total / target.sum() if target.any() else float("nan")


@given(st.integers(1, 20), seeds)
def test_average_precision_against_a_loop(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, target = rng.integers(0, 6, n) / 5, rng.random(n) < 0.4
    ap = average_precision(score, target)
    np.testing.assert_allclose(ap, brute_ap(score, target), atol=1e-12)
    order = rng.permutation(n)
    np.testing.assert_allclose(average_precision(score[order], target[order]), ap, atol=1e-12)
    monotone = average_precision(np.exp(3 * score) - 7, target)
    np.testing.assert_allclose(monotone, ap, atol=1e-12)


def test_average_precision_by_hand() -> None:
    score = np.array([0.9, 0.8, 0.7, 0.6])
    assert average_precision(score, np.array([1, 1, 0, 0])) == 1
    assert average_precision(score, np.array([0, 0, 1, 1])) == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert average_precision(np.zeros(4), np.array([1, 0, 0, 0])) == 0.25  # chance
    assert np.isnan(average_precision(score, np.zeros(4)))
    with pytest.raises(ValueError, match="NaN"):
        average_precision(np.array([np.nan]), np.array([1]))
    with pytest.raises(ValueError, match="do not fit"):
        average_precision(score, np.array([1]))


def test_classifier_scores() -> None:
    probability = np.array([[0.9, 0.6, 0.1], [0.5, 0.2, 0.1], [0.7, 0.8, 0.1]])
    target = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0]])
    result = classifier_scores(probability, target)
    assert result.ap[0] == pytest.approx((1 + 2 / 3) / 2)
    assert result.ap[1] == 1
    assert np.isnan(result.ap[2])
    assert result.mean_ap == pytest.approx((5 / 6 + 1) / 2)
    assert mean_ap(probability, target) == result.mean_ap
    # class 0: predicted 1 and 3 (0.5 is not above .5), truth 1 and 2; class 1: predicted 1 and 3
    assert result.f1[:2].tolist() == [pytest.approx(1 / 2), pytest.approx(2 / 3)]
    assert np.isnan(result.f1[2])
    assert result.mean_f1 == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert result.micro_f1 == pytest.approx(2 * 2 / (4 + 3))
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        classifier_scores(probability, target[:2])


KINDS = [(True, 1), (True, 0), (False, 1)]  # predicted, there


def test_what_is_not_said_has_no_part_in_scores() -> None:
    """Brute force: each class over the images that say something of it."""
    rng = np.random.default_rng(0)
    probability, target = rng.random((40, 5)), (rng.random((40, 5)) < 0.4).astype(np.float32)
    target[rng.random((40, 5)) < 0.5] = np.nan
    target[:, 4] = np.nan
    target[:3, 3], target[3:, 3] = 0, np.nan
    result = classifier_scores(probability, target)
    hits = wrong = missed = 0
    for c in range(5):
        pairs = [(probability[n, c], target[n, c]) for n in range(40) if target[n, c] in (0, 1)]
        ranked = [truth for _, truth in sorted(pairs, reverse=True)]
        at_hits = [np.mean(ranked[: i + 1]) for i, truth in enumerate(ranked) if truth]
        np.testing.assert_allclose(result.ap[c], np.mean(at_hits) if at_hits else np.nan)
        own = [sum((p > 0.5) == says and t == truth for p, t in pairs) for says, truth in KINDS]
        np.testing.assert_allclose(
            result.f1[c], 2 * own[0] / (2 * own[0] + own[1] + own[2]) if sum(own) else np.nan
        )
        hits, wrong, missed = hits + own[0], wrong + own[1], missed + own[2]
    assert np.isnan(result.ap[3:]).all()
    assert result.mean_ap == pytest.approx(np.mean(result.ap[:3]))
    assert result.micro_f1 == pytest.approx(2 * hits / (2 * hits + wrong + missed))
