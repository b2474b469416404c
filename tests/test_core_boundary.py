"""Boundary IoU and boundary F against plain loops, and what void may and may not do."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.core.boundary import (
    Pair,
    band_counts,
    band_width,
    boundary_f,
    contour,
    contour_counts,
    fill_void,
    in_band,
)
from wsss_cli.core.metrics import confusion_matrix

N = 4  # labels
SHAPES = [(9, 13), (17, 6), (1, 7), (5, 1), (12, 12)]
ANY = (0, 1, 2, 3, 255)


def blobs(seed: int, shape: tuple[int, int], values: tuple[int, ...] = (0, 1, 2, 3)) -> np.ndarray:
    """Labels in rectangles, which have insides and meet each other and the image's edges."""
    rng = np.random.default_rng(seed)
    label = np.zeros(shape, np.uint8)
    for _ in range(6):
        y, x = (int(rng.integers(0, size)) for size in shape)
        label[y : y + int(rng.integers(1, 7)), x : x + int(rng.integers(1, 7))] = rng.choice(values)
    return label


def plain_boundary(mask: np.ndarray, width: int) -> np.ndarray:
    """A mask minus its erosion by a 3x3 square, `width` times, in a frame of zeros 1 pixel wide."""
    eroded = np.pad(mask, 1)
    for _ in range(width):
        before = eroded.copy()
        for y, x in np.ndindex(*eroded.shape):
            eroded[y, x] = before[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].all()
    return mask & ~eroded[1:-1, 1:-1]


def plain_counts(truth: np.ndarray, pred: np.ndarray, width: int) -> list[list[int]]:
    counts = []
    for label in range(N):
        one, other = plain_boundary(truth == label, width), plain_boundary(pred == label, width)
        counts.append([int((one & other).sum()), int((one | other).sum())])
    return counts


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("width", [1, 2, 5, 30])
def test_without_void_it_is_the_published_formula(shape: tuple[int, int], width: int) -> None:
    truth, pred = blobs(1, shape), blobs(2, shape)
    found = band_counts(fill_void(truth, pred), N, width)
    assert found.dtype == np.int64
    assert found.tolist() == plain_counts(truth, pred, width)


@pytest.mark.parametrize("width", [1, 3])
def test_bands_of_all_labels_at_once_are_those_of_each_mask(width: int) -> None:
    label = blobs(3, (14, 11))
    together = in_band(label, width)
    for value in range(N):
        alone = plain_boundary(label == value, width)
        assert (alone == (together & (label == value))).all()


def test_the_band_is_rounded_as_in_the_published_code() -> None:
    # A diagonal of 625: 12.5 and 37.5 pixels. Python rounds halves to the even number.
    assert [band_width((375, 500), ratio) for ratio in (0.02, 0.06, 0.021)] == [12, 38, 13]
    assert band_width((375, 500), 0) == band_width((3, 4), 0.02) == 1


def test_a_band_that_covers_all_makes_it_the_iou_of_masks() -> None:
    truth, pred = blobs(4, (10, 12), ANY), blobs(5, (10, 12))
    matrix = confusion_matrix(truth, pred, N)
    hit = matrix.diagonal()
    union = matrix.sum(axis=1) + matrix.sum(axis=0)[:N] - hit
    found = band_counts(fill_void(truth, pred), N, 12)
    assert found.tolist() == np.stack([hit, union], axis=1).tolist()


def test_a_shift_costs_boundary_iou_more_than_iou() -> None:
    truth = np.zeros((40, 40), np.uint8)
    truth[5:35, 5:33] = 1
    pred = np.roll(truth, 2, axis=1)
    shared, either = band_counts(fill_void(truth, pred), 2, 3)[1]
    matrix = confusion_matrix(truth, pred, 2)
    assert shared / either < 0.5 < 0.8 < matrix[1, 1] / (2 * truth.sum() - matrix[1, 1])


# Void


def plain_nearest(void: np.ndarray) -> dict[tuple[int, int], set[tuple[int, int]]]:
    """The nearest pixels that are not void, of each that is."""
    others = np.argwhere(~void)
    nearest = {}
    for y, x in np.argwhere(void):
        squared = ((others - (y, x)) ** 2).sum(axis=1)
        nearest[int(y), int(x)] = {tuple(p) for p in others[squared == squared.min()].tolist()}
    return nearest


@pytest.mark.parametrize("shape", SHAPES)
def test_void_takes_the_label_of_the_nearest_pixel(shape: tuple[int, int]) -> None:
    truth, pred = blobs(6, shape, ANY), blobs(7, shape)
    truth[0, 0] = 0
    truth[-1, -1] = 255
    pair = fill_void(truth, pred)
    void = truth == 255
    assert (pair.counted == ~void).all()
    assert (pair.truth[~void] == truth[~void]).all()
    assert (pair.pred[~void] == pred[~void]).all()
    for place, nearest in plain_nearest(void).items():
        pairs = {(int(truth[p]), int(pred[p])) for p in nearest}
        assert (int(pair.truth[place]), int(pair.pred[place])) in pairs  # of one and the same pixel


@pytest.mark.parametrize("turns", range(4))
def test_void_is_filled_from_the_one_side_that_is_known(turns: int) -> None:
    truth = np.full((5, 4), 255, np.uint8)
    truth[-1], truth[-2] = 3, 1
    filled = np.full((5, 4), 1, np.uint8)
    filled[-1] = 3
    pair = fill_void(np.rot90(truth, turns), np.rot90(truth, turns))
    assert (pair.truth == np.rot90(filled, turns)).all()
    assert (pair.pred == pair.truth).all()


def test_what_is_predicted_on_void_is_of_no_account() -> None:
    truth, pred = blobs(8, (13, 15), ANY), blobs(9, (13, 15))
    changed = np.where(truth == 255, blobs(10, (13, 15), ANY), pred)
    assert (changed != pred).any()
    one, other = fill_void(truth, pred), fill_void(truth, changed)
    assert (one.pred == other.pred).all()


def test_what_is_right_on_all_other_pixels_is_perfect() -> None:
    truth = blobs(11, (20, 20), ANY)
    pred = np.where(truth == 255, np.uint8(2), truth)
    pair = fill_void(truth, pred)
    bands = band_counts(pair, N, 2)
    assert (bands[:, 0] == bands[:, 1]).all()
    assert bands.any()
    contours = contour_counts(pair, N, 0.01)
    assert (contours[:, 0] == contours[:, 1]).all()
    assert (contours[:, 2:] == contours[:, :2]).all()
    f = boundary_f(contours, *pair.held(N))
    assert f[~np.isnan(f)].tolist() == [1] * int((~np.isnan(f)).sum())


def test_void_amid_one_label_makes_no_outline() -> None:
    truth = np.zeros((30, 30), np.uint8)
    truth[10:20, 10:20] = 255
    pair = fill_void(truth, np.zeros_like(truth))
    assert band_counts(pair, 2, 2).tolist() == [[30 * 30 - 26 * 26] * 2, [0, 0]]  # the image's edge
    assert not contour_counts(pair, 2, 0.1).any()


def test_an_outline_within_void_does_not_tell_where_the_object_is() -> None:
    # A disc behind a ring of void; the prediction knows of neither.
    y, x = np.ogrid[:40, :40]
    far = np.hypot(y - 20, x - 20)
    truth = np.where(far < 8, 1, np.where(far < 12, 255, 0)).astype(np.uint8)
    pair = fill_void(truth, np.zeros_like(truth))
    assert not pair.pred.any()
    bands = band_counts(pair, 2, 4)
    edge = 40 * 40 - 32 * 32
    assert bands[0, 0] == edge < bands[0, 1]
    assert contour_counts(pair, 2, 0.05)[:, [0, 1, 3]].tolist() == [[0, 0, 0]] * 2


def test_where_all_is_void_nothing_counts() -> None:
    truth = np.full((4, 5), 255, np.uint8)
    pair = fill_void(truth, blobs(1, (4, 5)))
    assert not pair.counted.any()
    assert not band_counts(pair, N, 1).any()
    assert not np.concatenate(pair.held(N)).any()


def test_what_is_predicted_nothing_has_no_outline_of_a_label() -> None:
    truth = np.ones((8, 8), np.uint8)
    pred = truth.copy()
    pred[:, 4:] = 255
    bands = band_counts(fill_void(truth, pred), 2, 1)
    # The true band is the image's edge, 28 pixels; the predicted one that of its left half, 20.
    assert bands[1].tolist() == [14, 28 + 20 - 14]


def test_permuted_labels_have_permuted_scores() -> None:
    truth, pred = blobs(12, (15, 15), ANY), blobs(13, (15, 15))
    order = np.array([2, 0, 3, 1])
    table = np.full(256, 255, np.uint8)
    table[:N] = order
    plain, moved = fill_void(truth, pred), fill_void(table[truth], table[pred])
    assert (band_counts(moved, N, 2)[order] == band_counts(plain, N, 2)).all()
    assert (contour_counts(moved, N, 0.1)[order] == contour_counts(plain, N, 0.1)).all()


# Contours


def plain_contour(label: np.ndarray, value: int) -> list[tuple[int, int]]:
    """Pixels of a label that have another above, below, left or right."""
    found = []
    for y, x in np.argwhere(label == value).tolist():
        beside = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        inside = [p for p in beside if 0 <= p[0] < label.shape[0] and 0 <= p[1] < label.shape[1]]
        if any(label[p] != value for p in inside):
            found.append((y, x))
    return found


def plain_matched(
    points: list[tuple[int, int]], others: list[tuple[int, int]], reach: float
) -> int:
    return sum(
        any((y - v) ** 2 + (x - u) ** 2 < reach * reach for v, u in others) for y, x in points
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tolerance", [0.01, 0.15, 0.4])
def test_contours_are_matched_as_in_a_plain_loop(shape: tuple[int, int], tolerance: float) -> None:
    pair = fill_void(blobs(14, shape, ANY), blobs(15, shape))
    reach = tolerance * float(np.hypot(*shape))
    for value, row in enumerate(contour_counts(pair, N, tolerance).tolist()):
        true, predicted = plain_contour(pair.truth, value), plain_contour(pair.pred, value)
        assert row == [
            len(predicted),
            plain_matched(predicted, true, reach),
            len(true),
            plain_matched(true, predicted, reach),
        ]


def test_the_edge_of_the_image_is_no_contour() -> None:
    assert not contour(np.ones((5, 6), np.uint8)).any()


def test_a_contour_just_at_the_tolerance_is_another() -> None:
    # The diagonal is 20 pixels, a quarter of it 5; both numbers are exact.
    truth, pred = (np.zeros((12, 16), np.uint8) for _ in range(2))
    truth[:, 9:], pred[:, 4:] = 1, 1
    pair = fill_void(truth, pred)
    assert contour_counts(pair, 2, 0.25).tolist() == [[12, 0, 12, 0]] * 2
    assert contour_counts(pair, 2, 0.26).tolist() == [[12, 12, 12, 12]] * 2


@pytest.mark.parametrize(
    ("counts", "in_truth", "in_pred", "f"),
    [
        ((4, 2, 8, 8), True, True, 2 * 0.5 * 1 / 1.5),
        ((5, 5, 5, 5), True, True, 1),
        ((5, 0, 5, 0), True, True, 0),
        ((0, 0, 5, 0), True, False, 0),  # missed
        ((5, 0, 0, 0), False, True, 0),  # made up
        ((0, 0, 0, 0), True, True, 1),  # fills the image in both
        ((0, 0, 5, 0), True, True, 0),  # only the prediction fills the image
        ((0, 0, 0, 0), True, False, 0),  # fills the image, and is missed
        ((0, 0, 0, 0), False, False, None),  # in neither
    ],
)
def test_boundary_f(
    counts: tuple[int, ...], in_truth: bool, in_pred: bool, f: float | None
) -> None:
    found = boundary_f(np.array([counts]), np.array([in_truth]), np.array([in_pred]))
    if f is None:
        assert np.isnan(found).tolist() == [True]
    else:
        assert found.tolist() == pytest.approx([f])


def test_labels_that_are_held_are_those_of_counted_pixels() -> None:
    truth = np.array([[1, 255, 0]], np.uint8)
    pair = Pair(truth, np.array([[3, 2, 3]], np.uint8), truth != 255)
    in_truth, in_pred = pair.held(N)
    assert in_truth.tolist() == [True, True, False, False]
    assert in_pred.tolist() == [False, False, False, True]
