"""Resamples of images, against plain loops, known truths and what must hold of any."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss_cli.core.bootstrap import (
    LabelSet,
    by_cluster,
    interval,
    ious,
    mean_ious,
    over_seeds,
    resampled,
    summed,
    weights,
    widening,
)
from wsss_cli.core.image_counts import ImageCounts, cells_of
from wsss_cli.core.metrics import RULES, scores

N = 4


def random_matrices(images: int, seed: int, empty: float = 0.5) -> np.ndarray:
    """(I, N, N + 1); many labels are not in an image."""
    rng = np.random.default_rng(seed)
    matrices = rng.integers(0, 500, (images, N, N + 1))
    matrices *= rng.random((images, N, 1)) > empty
    return matrices * (rng.random((images, 1, N + 1)) > empty / 2)


def tallies_of(matrices: np.ndarray) -> np.ndarray:
    return ImageCounts.of(N, [cells_of(matrix) for matrix in matrices]).tallies()


def plain_iou(matrix: np.ndarray, label: int) -> float:
    """In float64, cell by cell; NaN for a label that the truth lacks."""
    hit = float(matrix[label, label])
    true = sum(float(value) for value in matrix[label])
    said = sum(float(matrix[row, label]) for row in range(N))
    return hit / (true + said - hit) if true > 0 else float("nan")


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 7), st.integers(0, 999))
def test_resamples_are_a_plain_loop_over_weighed_images(images: int, seed: int) -> None:
    matrices = random_matrices(images, seed)
    found = resampled(tallies_of(matrices), 9, seed)
    point = [plain_iou(matrices.sum(axis=0), label) for label in range(N)]
    totals = []
    for weight in np.concatenate([*weights(images, 9, seed)]):
        totals.append(np.zeros((N, N + 1)))
        for image in range(images):
            totals[-1] += float(weight[image]) * matrices[image]
    for label in range(N):
        drawn = [plain_iou(total, label) for total in totals]
        wide = plain_widening(matrices[:, label].sum(axis=1).tolist())
        mean = sum(drawn) / 9
        centre = point[label] - (mean - point[label])
        expected = [min(max(centre + wide * (one - mean), 0.0), 1.0) for one in drawn]
        assert found[:, label] == pytest.approx(expected, nan_ok=True, rel=1e-9, abs=1e-12)


def plain_widening(true: list[int]) -> float:
    squares = sum(t * t for t in true)
    many = max(sum(true) ** 2 / squares, 1.5) if squares else 1.5
    return float(((many + 1) / (many - 1)) ** 0.5)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 9), st.integers(1, 60), st.integers(0, 999))
def test_weights_are_above_0_and_sum_to_the_images(units: int, draws: int, seed: int) -> None:
    found = np.concatenate([*weights(units, draws, seed)])
    assert found.shape == (draws, units)
    assert (found > 0).all()
    grains = found * 2**16
    assert (grains == grains.round()).all()
    assert np.abs(found.sum(axis=1) - units).max() <= units / 2**16


def test_weights_are_those_of_a_flat_dirichlet() -> None:
    found = np.concatenate([*weights(3, 20_000, 0)]) / 3
    assert found.mean(axis=0) == pytest.approx([1 / 3] * 3, abs=0.01)
    assert found.var(axis=0) == pytest.approx([2 / 9 / 4] * 3, abs=0.002)  # Beta(1, 2)
    places = np.sort(found[:, 0])
    flat = 1 - (1 - places) ** 2  # its distribution: Beta(1, 2)
    assert np.abs(flat - np.arange(1, 20_001) / 20_000).max() < 0.015


def test_sums_of_weighed_counts_are_exact_in_any_order() -> None:
    tallies = np.random.default_rng(0).integers(0, 10**8, (300, N, 3))  # 2^35 pixels in all
    weight = next(weights(300, 20, 1))
    found = summed(weight, tallies)
    order = np.random.default_rng(1).permutation(300)
    assert summed(weight[:, order], tallies[order]).tobytes() == found.tobytes()
    grains = (weight * 2**16).astype(np.int64).astype(object)  # Python's whole numbers
    exact = np.tensordot(grains, tallies.astype(object), (1, 0))
    assert ((found * 2**16).astype(np.int64) == exact).all()


def test_deviations_are_widened_for_few_images() -> None:
    true = np.array([[5, 9, 7, 0], [5, 1, 0, 0], [5, 0, 0, 0]])
    found = widening(np.stack([true, true, true], axis=-1))
    assert found == pytest.approx([2**0.5, 5**0.5, 5**0.5, 5**0.5])
    # Of a label of one size in each image, the resamples' variance is that of a mean of images.
    rng = np.random.default_rng(3)
    hit = rng.uniform(0, 1, (6, 1))
    tallies = np.stack([hit, np.ones((6, 1)), hit], axis=-1)  # its union is always 1 an image
    drawn = resampled(tallies, 100_000, 0)[:, 0]
    assert drawn.mean() == pytest.approx(hit.mean(), abs=0.002)
    assert drawn.var() == pytest.approx(hit.var(ddof=1) / 6, rel=0.02)


def test_blocks_do_not_change_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    tallies = tallies_of(random_matrices(7, 3))
    whole = resampled(tallies, 100, 5)
    monkeypatch.setattr("wsss_cli.core.bootstrap.BLOCK", 7 * 13)
    assert len([*weights(7, 100, 5)]) == 8
    assert resampled(tallies, 100, 5).tobytes() == whole.tobytes()
    assert resampled(tallies, 100, 6).tobytes() != whole.tobytes()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(8))
def test_each_image_once_gives_the_scores(rule: str, seed: int) -> None:
    matrices = random_matrices(5, seed, empty=0.8)  # labels that only one side holds, and none
    sums = summed(np.ones((1, 5)), tallies_of(matrices))
    found = scores(matrices.sum(axis=0), rule)
    assert (sums[0] == tallies_of(matrices).sum(axis=0)).all()
    assert ious(sums[0]) == pytest.approx(found.iou, nan_ok=True, abs=0)
    if not np.isnan(found.miou):
        assert mean_ious(sums, rule)[0] == pytest.approx(found.miou, abs=1e-15)
        mean = LabelSet.of(sums[0], rule).mean(ious(sums))
        assert mean[0] == pytest.approx(found.miou, abs=1e-15)


def test_one_image_has_an_interval_of_no_width() -> None:
    tallies = tallies_of(random_matrices(1, 0, empty=0))
    found = resampled(tallies, 50, 0)
    for label in range(N):
        assert interval(found[:, label]) == (found[0, label], found[0, label])


def test_the_labels_of_the_mean_are_fixed() -> None:
    # Label 1 is in the second image alone; label 2 is predicted, and never there.
    tallies = np.array([[[4, 6, 5], [0, 0, 1], [0, 0, 1]], [[2, 2, 2], [3, 4, 3], [0, 0, 0]]])
    fixed = LabelSet.of(tallies.sum(axis=0), "union")
    assert (fixed.held.tolist(), fixed.size) == ([True, True, False], 3)
    assert LabelSet.of(tallies.sum(axis=0), "truth").size == 2
    drawn = np.array([[0.5, 1.5], [1.0, 1.0]])
    means = fixed.mean(ious(summed(drawn, tallies)))
    assert means.tolist() == pytest.approx([(5 / 6.5 + 4.5 / 6.5) / 3, (6 / 9 + 3 / 5) / 3])
    drawn = resampled(tallies, 500, 0)
    assert np.isfinite(fixed.mean(drawn)).all()
    assert np.isnan(drawn[:, 2]).all()


def test_ends_are_percentiles() -> None:
    assert interval(np.array([np.nan, np.nan])) is None
    assert interval(np.arange(1001) / 1000) == pytest.approx((0.025, 0.975))


def test_clusters_are_drawn_as_one() -> None:
    tallies = tallies_of(random_matrices(6, 1))
    found = by_cluster(tallies, np.array([0, 1, 0, 2, 1, 0]))
    assert found.tolist() == [
        tallies[[0, 2, 5]].sum(axis=0).tolist(),
        tallies[[1, 4]].sum(axis=0).tolist(),
        tallies[3].tolist(),
    ]


def drawn_sizes(rng: np.random.Generator, images: int) -> np.ndarray:
    """(I, 3) true pixels of three labels, each there in two of five images."""
    return 100.0 * rng.integers(1, 9, (images, 3)) * (rng.random((images, 3)) < 0.4)


def drawn_tallies(rng: np.random.Generator, size: np.ndarray) -> np.ndarray:
    """Predictions whose IoU is .48 in the long run: .6 / 1.25.

    Of a label's pixels .6 are hit on average, and a quarter as many are wrongly given it.
    """
    hit = size * rng.integers(1, 6, size.shape) / 5
    wrong = size * rng.integers(0, 2, size.shape) / 2
    return np.stack([hit, size, hit + wrong], axis=-1)


def covered(images: int, copies: int = 1, clustered: bool = False) -> float:
    """In how many of 800 drawn sets of images the 95 % interval of mIoU holds the truth."""
    rng = np.random.default_rng(11)
    inside = 0
    for number in range(800):
        tallies = np.repeat(drawn_tallies(rng, drawn_sizes(rng, images)), copies, axis=0)
        if clustered:
            tallies = by_cluster(tallies, np.repeat(np.arange(images), copies))
        means = LabelSet.of(tallies.sum(axis=0), "union").mean(resampled(tallies, 500, number))
        ends = interval(means)
        assert ends is not None
        inside += ends[0] <= 0.6 / 1.25 <= ends[1]
    return inside / 800


def test_95_percent_intervals_cover_95_percent() -> None:
    assert 0.93 <= covered(200) <= 0.97


def test_copies_deceive_unless_they_are_drawn_together() -> None:
    assert covered(100, copies=4) < 0.75
    assert 0.93 <= covered(100, copies=4, clustered=True) <= 0.97


def test_drawn_trainings_spread_as_their_mean_does() -> None:
    mious = np.array([0.4, 0.5, 0.8])
    means = np.tile(mious, (100_000, 1))  # no spread over images
    expected = mious.var(ddof=1) / 3
    assert over_seeds(means, 0).var() == pytest.approx(expected, rel=0.02)
    plain = over_seeds(means, 0, widened=False)
    assert plain.var() == pytest.approx(expected * 2 / 3, rel=0.02)
    assert plain.max() == pytest.approx(0.8)
    assert plain.mean() == pytest.approx(mious.mean(), abs=0.001)


def test_one_training_leaves_the_images_alone() -> None:
    means = np.random.default_rng(0).random((50, 1))
    assert over_seeds(means, 0).tolist() == means[:, 0].tolist()
