"""Metrics against loops over pixels and their invariants."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss_cli.core.labels import IGNORE
from wsss_cli.core.metrics import Scores, confusion_matrix, scores

seeds = st.integers(0, 9999)


def random_labels(n: int, seed: int, shape: tuple[int, ...] = (7, 9)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.choice([*range(n), IGNORE], shape).astype(np.uint8)


@given(st.integers(1, 6), seeds)
def test_confusion_against_a_loop(n: int, seed: int) -> None:
    truth, pred = random_labels(n, seed), random_labels(n, seed + 1)
    expected = np.zeros((n, n + 1), np.int64)
    as_background = expected.copy()
    for t, p in zip(truth.flat, pred.flat, strict=True):
        if t != IGNORE:
            expected[t, n if p == IGNORE else p] += 1
            as_background[t, 0 if p == IGNORE else p] += 1
    matrix = confusion_matrix(truth, pred, n)
    assert matrix.dtype == np.int64
    assert np.array_equal(matrix, expected)
    background = confusion_matrix(truth, pred, n, unlabelled="background")
    assert np.array_equal(background, as_background)


@given(st.integers(2, 6), seeds)
def test_confusion_adds_up_and_void_is_irrelevant(n: int, seed: int) -> None:
    truth, pred = random_labels(n, seed), random_labels(n, seed + 1)
    whole = confusion_matrix(truth, pred, n)
    parts = [confusion_matrix(truth[rows], pred[rows], n) for rows in (slice(3), slice(3, None))]
    assert np.array_equal(sum(parts), whole)
    other = np.where(truth == IGNORE, random_labels(n, seed + 2), pred)
    assert np.array_equal(confusion_matrix(truth, other, n), whole)


@given(st.integers(2, 6), seeds)
def test_relabelling_permutes_the_matrix(n: int, seed: int) -> None:
    truth, pred = random_labels(n, seed), random_labels(n, seed + 1)
    order = np.random.default_rng(seed).permutation(n)
    table = np.full(256, IGNORE, np.uint8)
    table[:n] = order
    renamed = confusion_matrix(table[truth], table[pred], n)
    matrix = confusion_matrix(truth, pred, n)
    assert np.array_equal(renamed[order][:, [*order, n]], matrix)
    assert scores(renamed).miou == pytest.approx(scores(matrix).miou, nan_ok=True)


def test_what_confusion_refuses() -> None:
    good = np.zeros((2, 2), np.uint8)
    with pytest.raises(ValueError, match="truth holds label 3, but there are 3"):
        confusion_matrix(good + np.uint8(3), good, 3)
    with pytest.raises(ValueError, match="prediction holds label 254"):
        confusion_matrix(good, good + np.uint8(254), 3)
    with pytest.raises(ValueError, match="differ in shape"):
        confusion_matrix(good, good[:1], 3)
    with pytest.raises(ValueError, match="uint8"):
        confusion_matrix(good.astype(np.int64), good, 3)
    with pytest.raises(ValueError, match="unlabelled 'skip'"):
        confusion_matrix(good, good, 3, unlabelled="skip")
    for n in (0, 256):
        with pytest.raises(ValueError, match=f"{n} labels"):
            confusion_matrix(good, good, n)


def test_void_of_an_unknown_label_is_not_mistaken_for_a_label() -> None:
    truth = np.array([254, 255, 0], np.uint8)
    assert confusion_matrix(truth, truth, 255)[254, 254] == 1
    assert confusion_matrix(truth, truth, 255).sum() == 2


def brute_scores(truth: np.ndarray, pred: np.ndarray, n: int) -> dict[str, object]:
    """From masks, label by label, as the definitions are written."""
    known = truth != IGNORE
    iou, counted, recall, precision, over, under, m_fp, m_fn = ([] for _ in range(8))
    for label in range(n):
        t, p = (truth == label) & known, (pred == label) & known
        hit, union = (t & p).sum(), (t | p).sum()
        iou.append(hit / union if t.any() else np.nan)
        counted.append(hit / union if union else np.nan)
        over.append((p & ~t).sum() / union if union else np.nan)
        under.append((t & ~p).sum() / union if union else np.nan)
        recall.append(hit / t.sum() if t.any() else np.nan)
        precision.append(hit / p.sum() if p.any() else np.nan)
        if label and hit:
            m_fp.append((p & ~t).sum() / hit)
            m_fn.append((t & ~p).sum() / hit)
    defined = [v for v in counted if not np.isnan(v)]
    share = [((truth == label) & known).sum() / max(known.sum(), 1) for label in range(n)]
    claimed = known & (pred != 0) & (pred != IGNORE)
    return {
        "iou": iou,
        "recall": recall,
        "precision": precision,
        "over": over,
        "under": under,
        "miou": np.mean(defined) if defined else np.nan,
        "pixel_accuracy": (truth == pred)[known].mean() if known.any() else np.nan,
        "mean_accuracy": np.nanmean(recall) if known.any() else np.nan,
        "fw_iou": np.nansum(np.multiply(share, iou)) if known.any() else np.nan,
        "m_fp": np.mean(m_fp) if m_fp else np.nan,
        "m_fn": np.mean(m_fn) if m_fn else np.nan,
        "foreground_precision": (truth == pred)[claimed].mean() if claimed.any() else np.nan,
        "coverage": (pred != IGNORE)[known].mean() if known.any() else np.nan,
    }


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(0, 12), seeds)
def test_scores_against_masks(n: int, pixels: int, seed: int) -> None:
    truth, pred = random_labels(n, seed, (pixels,)), random_labels(n, seed + 1, (pixels,))
    result = scores(confusion_matrix(truth, pred, n))
    for name, value in brute_scores(truth, pred, n).items():
        np.testing.assert_allclose(getattr(result, name), value, atol=1e-12, err_msg=name)


@given(st.integers(2, 6), seeds)
def test_relations_between_scores(n: int, seed: int) -> None:
    matrix = confusion_matrix(random_labels(n, seed), random_labels(n, seed + 1), n)
    for rule in ("union", "all", "truth"):
        result = scores(matrix, rule)
        assert result.fw_iou <= result.pixel_accuracy + 1e-12
        assert result.miou <= result.mean_accuracy + 1e-12
        defined = ~np.isnan(result.iou)
        parts = result.iou + result.over + result.under
        np.testing.assert_allclose(parts[defined], 1, atol=1e-12)
    rising = [scores(matrix, rule).miou for rule in ("all", "union", "truth")]
    assert rising == sorted(rising) or np.allclose(rising, sorted(rising), atol=1e-12)


def test_a_perfect_prediction_scores_one() -> None:
    truth = random_labels(4, 1)
    result = scores(confusion_matrix(truth, truth, 4))
    assert np.array_equal(result.iou, np.ones(4))
    for name in ("miou", "pixel_accuracy", "mean_accuracy", "fw_iou", "coverage"):
        assert getattr(result, name) == 1
    assert (result.m_fp, result.m_fn) == (0, 0)


def test_a_label_that_the_truth_lacks_has_no_iou_but_counts_where_predicted() -> None:
    truth, pred = np.array([0, 0, 0, 1], np.uint8), np.array([0, 0, 2, 1], np.uint8)
    matrix = confusion_matrix(truth, pred, 4)
    by_rule = {rule: scores(matrix, rule) for rule in ("union", "truth", "all")}
    for found in by_rule.values():
        assert found.as_dict()["iou"] == [pytest.approx(2 / 3), 1.0, None, None]
    sums = 2 / 3 + 1
    assert by_rule["union"].miou == pytest.approx(sums / 3)  # label 2 is 0
    assert by_rule["truth"].miou == pytest.approx(sums / 2)
    assert by_rule["all"].miou == pytest.approx(sums / 4)


def test_the_rule_decides_about_labels_that_nobody_holds() -> None:
    truth = np.array([0, 0, 1, 1], np.uint8)
    matrix = confusion_matrix(truth, truth, 4)
    union, every = scores(matrix, "union"), scores(matrix, "all")
    assert (union.miou, every.miou) == (1.0, 0.5)
    assert np.isnan(union.iou[2:]).all()
    assert np.isnan(every.iou[2:]).all()
    with pytest.raises(ValueError, match="rule 'mean'"):
        scores(matrix, "mean")
    with pytest.raises(ValueError, match=r"not \(4, 4\)"):
        scores(matrix[:, :4])


def test_an_ignored_prediction_is_missed_truth_and_no_prediction() -> None:
    truth = np.array([1, 1, 1, 0], np.uint8)
    pred = np.array([1, IGNORE, IGNORE, 0], np.uint8)
    result = scores(confusion_matrix(truth, pred, 2))
    assert result.iou.tolist() == [1.0, pytest.approx(1 / 3)]
    assert result.precision.tolist() == [1.0, 1.0]
    assert result.recall.tolist() == [1.0, pytest.approx(1 / 3)]
    assert (result.m_fp, result.m_fn, result.coverage) == (0.0, 2.0, 0.5)
    as_background = scores(confusion_matrix(truth, pred, 2, unlabelled="background"))
    assert as_background.iou.tolist() == [pytest.approx(1 / 3)] * 2


def test_scores_of_nothing_are_undefined_and_fit_json() -> None:
    result = scores(np.zeros((2, 3), np.int64))
    assert np.isnan([result.miou, result.pixel_accuracy, result.m_fp, result.coverage]).all()
    plain = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert plain["matrix"] == [[0, 0, 0], [0, 0, 0]]
    assert plain["iou"] == [None, None]
    assert plain["miou"] is None
    assert plain["rule"] == "union"
    assert set(plain) == set(Scores.__dataclass_fields__)


def test_counts_beyond_32_bits() -> None:
    result = scores(np.array([[2**40, 2**40, 0], [0, 2**41, 0]], np.int64))
    assert result.iou.tolist() == [0.5, pytest.approx(2 / 3)]
    assert result.pixel_accuracy == 0.75
