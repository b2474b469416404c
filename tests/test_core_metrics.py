"""Metrics against loops over pixels and their invariants."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss_cli.core.classifier_metrics import average_precision, classifier_scores, mean_ap
from wsss_cli.core.labels import IGNORE
from wsss_cli.core.metrics import Scores, confusion_matrix, scores
from wsss_cli.core.sweep import SWEEP, ThresholdSweep

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
    iou, recall, precision, over, under, m_fp, m_fn = ([] for _ in range(7))
    for label in range(n):
        t, p = (truth == label) & known, (pred == label) & known
        hit, union = (t & p).sum(), (t | p).sum()
        iou.append(hit / union if union else np.nan)
        over.append((p & ~t).sum() / union if union else np.nan)
        under.append((t & ~p).sum() / union if union else np.nan)
        recall.append(hit / t.sum() if t.any() else np.nan)
        precision.append(hit / p.sum() if p.any() else np.nan)
        if label and hit:
            m_fp.append((p & ~t).sum() / hit)
            m_fn.append((t & ~p).sum() / hit)
    defined = [v for v in iou if not np.isnan(v)]
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
    for rule in ("union", "all"):
        result = scores(matrix, rule)
        assert result.fw_iou <= result.pixel_accuracy + 1e-12
        assert result.miou <= result.mean_accuracy + 1e-12
        defined = ~np.isnan(result.over)
        parts = result.iou + result.over + result.under
        np.testing.assert_allclose(parts[defined], 1, atol=1e-12)
    assert scores(matrix, "all").miou <= scores(matrix, "union").miou + 1e-12


def test_a_perfect_prediction_scores_one() -> None:
    truth = random_labels(4, 1)
    result = scores(confusion_matrix(truth, truth, 4))
    assert np.array_equal(result.iou, np.ones(4))
    for name in ("miou", "pixel_accuracy", "mean_accuracy", "fw_iou", "coverage"):
        assert getattr(result, name) == 1
    assert (result.m_fp, result.m_fn) == (0, 0)


def test_the_rule_decides_about_labels_that_nobody_holds() -> None:
    truth = np.array([0, 0, 1, 1], np.uint8)
    matrix = confusion_matrix(truth, truth, 4)
    union, every = scores(matrix, "union"), scores(matrix, "all")
    assert (union.miou, every.miou) == (1.0, 0.5)
    assert np.isnan(union.iou[2:]).all()
    assert every.iou.tolist() == [1, 1, 0, 0]
    with pytest.raises(ValueError, match="rule 'truth'"):
        scores(matrix, "truth")
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


def sweep_cam(k: int, shape: tuple[int, int], n: int, seed: int) -> tuple[np.ndarray, ...]:
    """(truth, cam, classes) whose maps often equal a threshold or each other."""
    rng = np.random.default_rng(seed)
    hundredths = (np.arange(101) / 100).astype(np.float32)
    values = np.concatenate(
        [hundredths, np.nextafter(hundredths, np.float32(2)), rng.random(50, dtype=np.float32)]
    )
    cam = rng.choice(values, (k, *shape))
    classes = np.sort(rng.choice(n - 1, k, replace=False)).astype(np.uint16)
    return random_labels(n, seed, shape), cam, classes


def loop_matrices(
    images: list[tuple[np.ndarray, ...]], n: int, thresholds: np.ndarray
) -> np.ndarray:
    """One pass over all images for each threshold."""
    result = []
    for threshold in np.asarray(thresholds, np.float32):
        total = np.zeros((n, n + 1), np.int64)
        for truth, cam, classes in images:
            background = np.full((1, *truth.shape), threshold, np.float32)
            names = np.concatenate([[0], classes.astype(int) + 1]).astype(np.uint8)
            pred = names[np.concatenate([background, cam]).argmax(0)]
            total += confusion_matrix(truth, pred, n)
        result.append(total)
    return np.stack(result)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), seeds)
def test_one_pass_counts_what_a_loop_over_thresholds_counts(ks: list[int], seed: int) -> None:
    images = [sweep_cam(k, (6, 11), 7, seed + i) for i, k in enumerate(ks)]
    sweep = ThresholdSweep(7)
    for image in images:
        sweep.add(*image)
    matrices = sweep.matrices()
    assert matrices.dtype == np.int64
    assert np.array_equal(matrices, loop_matrices(images, 7, SWEEP))


thresholds = st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=12, unique=True).map(sorted)


@settings(deadline=None, max_examples=50)
@given(thresholds, seeds, st.sampled_from([1.0, 1e-7, 1e6]))
def test_any_rising_thresholds_are_exact(values: list[float], seed: int, spread: float) -> None:
    # Crowded, far apart, negative and tiny thresholds; maps at, beside and far beyond them.
    rising = np.unique((np.array(values) * spread).astype(np.float32))
    rng = np.random.default_rng(seed)
    near = np.concatenate([rising, np.nextafter(rising, np.float32(9)), rising * 3 + 1])
    cam = rng.choice(np.append(near, [np.inf, -np.inf]).astype(np.float32), (2, 4, 6))
    image = (random_labels(4, seed, (4, 6)), cam, np.array([0, 2]))
    sweep = ThresholdSweep(4, rising)
    sweep.add(*image)
    assert np.array_equal(sweep.matrices(), loop_matrices([image], 4, rising))


def test_sweeps_merge_like_one() -> None:
    images = [sweep_cam(k, (5, 6), 5, k) for k in (0, 1, 2, 3)]
    serial, first, second = (ThresholdSweep(5) for _ in range(3))
    for i, image in enumerate(images):
        serial.add(*image)
        (first if i % 2 else second).add(*image)
    first.merge(second)
    assert np.array_equal(first.matrices(), serial.matrices())
    with pytest.raises(ValueError, match="do not merge"):
        first.merge(ThresholdSweep(6))
    with pytest.raises(ValueError, match="do not merge"):
        first.merge(ThresholdSweep(5, [0.1, 0.2]))


def test_the_ends_of_a_sweep() -> None:
    truth, cam, classes = sweep_cam(2, (8, 8), 4, 3)
    cam = np.maximum(cam, np.float32(0.01)).clip(0, 1)
    sweep = ThresholdSweep(4, [0.0, 1.0])
    sweep.add(truth, cam, classes)
    lowest, highest = sweep.matrices()
    assert lowest[:, 0].sum() == 0  # above 0 everywhere: no background
    assert highest[:, 1:].sum() == 0  # nothing above 1: all background
    assert lowest.sum() == highest.sum() == (truth != IGNORE).sum()


def test_the_best_threshold() -> None:
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    cam = np.array([[[0.1, 0.295, 0.305, 0.9]]], np.float32)
    sweep = ThresholdSweep(2)
    sweep.add(truth, cam, np.array([0]))
    threshold, result = sweep.best()
    assert threshold == 0.3
    assert result.miou == 1.0
    assert result.rule == "union"
    wide = ThresholdSweep(2, [0.2, 0.296, 0.3])
    wide.add(truth, cam, np.array([0]))
    assert wide.best("all")[0] == 0.296  # of equals, the lowest


def test_what_a_sweep_refuses() -> None:
    truth, cam = np.zeros((2, 3), np.uint8), np.zeros((1, 2, 3), np.float32)
    sweep = ThresholdSweep(3)
    with pytest.raises(ValueError, match="does not hold 2 classes"):
        sweep.add(truth, cam, np.array([0, 1]))
    with pytest.raises(ValueError, match="does not hold 1 classes"):
        sweep.add(truth[:1], cam, np.array([0]))
    with pytest.raises(ValueError, match="float32"):
        sweep.add(truth, cam.astype(np.float16), np.array([0]))
    with pytest.raises(ValueError, match="label 3 of 3"):
        sweep.add(truth, cam, np.array([2]))
    with pytest.raises(ValueError, match="truth holds label 7"):
        sweep.add(truth + np.uint8(7), cam, np.array([0]))
    with pytest.raises(ValueError, match="NaN"):
        sweep.add(truth, cam * np.float32(np.nan), np.array([0]))
    assert sweep.matrices().sum() == 0  # what was refused was not counted
    for bad in ([], [0.2, 0.1], [0.1, 0.1], [0.1, np.nan], [0.1, np.inf]):
        with pytest.raises(ValueError, match="thresholds"):
            ThresholdSweep(3, bad)


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
