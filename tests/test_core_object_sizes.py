"""IoU by size of object against a plain loop, and what the sizes add up to."""

from __future__ import annotations

import numpy as np
import pytest
from test_core_boundary import ANY, SHAPES, N, blobs

from wsss_cli.core.boundary import Pair, fill_void
from wsss_cli.core.metrics import confusion_matrix
from wsss_cli.core.object_sizes import SizeLimits, components, size_counts

LIMITS = SizeLimits((4, 12))
Places = list[tuple[int, int]]


def plain_parts(label: np.ndarray) -> list[tuple[int, Places]]:
    """(label, pixels) of the 4-connected parts of each class, by flooding."""
    parts: list[tuple[int, Places]] = []
    seen: set[tuple[int, int]] = set()
    for start in [(int(y), int(x)) for y, x in np.argwhere((label > 0) & (label < 255))]:
        if start in seen:
            continue
        part, todo = [], [start]
        seen.add(start)
        while todo:
            y, x = todo.pop()
            part.append((y, x))
            for p in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                inside = 0 <= p[0] < label.shape[0] and 0 <= p[1] < label.shape[1]
                if inside and p not in seen and label[p] == label[start]:
                    seen.add(p)
                    todo.append(p)
        parts.append((int(label[start]), part))
    return parts


def plain_objects(pair: Pair) -> list[tuple[int, Places]]:
    """Parts of the filled truth, without the pixels of void; those of void alone left out."""
    found = [
        (of, [p for p in part if pair.counted[p]])
        for of, part in plain_parts(pair.truth if pair.counted.any() else pair.truth * 0)
    ]
    return [(of, part) for of, part in found if part]


def plain_sizes(
    pair: Pair, objects: list[tuple[int, Places]], limits: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """`size_counts`, object by object and pixel by pixel."""
    counts, elsewhere = np.zeros((N, len(limits) + 1, 5), np.int64), np.zeros(N, np.int64)
    sizes = [sum(len(part) >= limit for limit in limits) for _, part in objects]
    for (of, part), size in zip(objects, sizes, strict=True):
        right = sum(int(pair.pred[p]) == of for p in part)
        found = right >= len(part) / 2
        counts[of, size] += [1, found, len(part), right, len(part)]
    for y, x in np.argwhere(pair.counted & (pair.truth != pair.pred)).tolist():
        guess = int(pair.pred[y, x])
        if guess in (0, 255):
            continue
        near = [
            (min((y - v) ** 2 + (x - u) ** 2 for v, u in part), size)
            for (of, part), size in zip(objects, sizes, strict=True)
            if of == guess
        ]
        if near:
            counts[guess, min(near)[1], -1] += 1
        else:
            elsewhere[guess] += 1
    return counts, elsewhere


def a_pair(seed: int, shape: tuple[int, int]) -> Pair:
    truth, pred = blobs(seed, shape, ANY), blobs(seed + 1, shape)
    noise = np.random.default_rng(seed).random(shape) < 0.3
    return fill_void(truth, np.where(noise, blobs(seed + 2, shape, ANY), pred))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(20, 30))
def test_counts_are_those_of_a_plain_loop(shape: tuple[int, int], seed: int) -> None:
    pair = a_pair(seed, shape)
    counts, elsewhere = size_counts(pair, components(pair), LIMITS, N)
    plain, nowhere = plain_sizes(pair, plain_objects(pair), LIMITS.limits)
    assert counts.tolist() == plain.tolist()
    assert elsewhere.tolist() == nowhere.tolist()


@pytest.mark.parametrize("seed", range(30, 34))
def test_one_size_for_all_is_the_iou_of_images_that_hold_the_class(seed: int) -> None:
    pair = a_pair(seed, (16, 15))
    counts, elsewhere = size_counts(pair, components(pair), SizeLimits(()), N)
    truth = np.where(pair.counted, pair.truth, np.uint8(255))
    matrix = confusion_matrix(truth, pair.pred, N)
    hit = matrix.diagonal()
    union = matrix.sum(axis=1) + matrix.sum(axis=0)[:N] - hit
    assert (counts[1:, 0, 3] == hit[1:]).all()
    assert (counts[1:, 0, 2] == matrix.sum(axis=1)[1:]).all()
    assert (counts[1:, 0, 4] + elsewhere[1:] == union[1:]).all()
    assert not ((counts[:, 0, 0] > 0) & (elsewhere > 0)).any()
    assert not counts[0].any()
    assert elsewhere[0] == 0


def test_sizes_add_up_to_one_size_for_all() -> None:
    pair = a_pair(41, (20, 20))
    parts = components(pair)
    apart, elsewhere = size_counts(pair, parts, LIMITS, N)
    whole, same = size_counts(pair, parts, SizeLimits(()), N)
    assert (apart.sum(axis=1) == whole[:, 0]).all()
    assert (elsewhere == same).all()
    assert (apart[:, :, 0].sum(axis=0) > 0).all()


def test_a_pixel_between_belongs_to_the_nearer_and_of_equals_to_the_smaller() -> None:
    truth = np.array([[1, 1, 1, 1, 1, 0, 0, 0, 1]], np.uint8)
    pred = np.array([[1, 1, 1, 0, 0, 1, 1, 1, 0]], np.uint8)
    pair = fill_void(truth, pred)
    counts, elsewhere = size_counts(pair, components(pair), SizeLimits((4,)), 2)
    # Small: the last pixel, missed, with the one beside it and the one in the middle.
    assert counts[1].tolist() == [[1, 0, 1, 0, 1 + 2], [1, 1, 5, 3, 5 + 1]]
    assert not elsewhere.any()


def test_what_is_predicted_in_an_image_without_the_class_has_no_size() -> None:
    truth = np.array([[0, 0, 1]], np.uint8)
    pair = fill_void(truth, np.array([[2, 2, 1]], np.uint8))
    counts, elsewhere = size_counts(pair, components(pair), LIMITS, N)
    assert elsewhere.tolist() == [0, 0, 2, 0]
    assert counts[1, 0].tolist() == [1, 1, 1, 1, 1]
    assert not counts[2].any()


def test_void_joins_parts_and_has_no_area() -> None:
    truth = np.array([[1, 255, 1, 0, 1]], np.uint8)
    objects, labels = components(fill_void(truth, truth))
    assert objects.tolist() == [[1, 0, 1, 0, 2]]
    assert labels.tolist() == [1, 1]


def test_where_all_is_void_there_is_no_object() -> None:
    truth = np.full((3, 3), 255, np.uint8)
    pair = fill_void(truth, np.ones_like(truth))
    objects, labels = components(pair)
    assert not objects.any()
    assert len(labels) == 0
    counts, elsewhere = size_counts(pair, (objects, labels), LIMITS, N)
    assert not counts.any()
    assert not elsewhere.any()


def test_true_objects_may_stand_in_for_connected_parts() -> None:
    # Two touching objects of 3 pixels, numbered 2 and 5 of 5: in one part of 6.
    truth = np.ones((1, 6), np.uint8)
    pair = fill_void(truth, np.array([[1, 1, 1, 0, 0, 0]], np.uint8))
    objects = np.array([[2, 2, 2, 5, 5, 5]], np.int32)
    labels = np.ones(5, np.uint8)
    counts, _ = size_counts(pair, (objects, labels), LIMITS, N)
    assert counts[1].tolist() == [[2, 1, 6, 3, 6], [0] * 5, [0] * 5]
    counts, _ = size_counts(pair, components(pair), LIMITS, N)
    assert counts[1].tolist() == [[0] * 5, [1, 1, 6, 3, 6], [0] * 5]


def test_limits_may_be_shares_of_the_image() -> None:
    areas = np.array([9, 10, 99, 100])
    assert SizeLimits((0.01, 0.1), shares=True).sizes_of(areas, 1000).tolist() == [0, 1, 1, 2]
    assert SizeLimits((10, 100)).sizes_of(areas, 1000).tolist() == [0, 1, 1, 2]
    pair = fill_void(np.array([[1, 1, 0, 0]], np.uint8), np.zeros((1, 4), np.uint8))
    counts, _ = size_counts(pair, components(pair), SizeLimits((0.5,), shares=True), 2)
    assert counts[1, :, 0].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("limits", "shares"),
    [((4, 4), False), ((9, 4), False), ((0,), False), ((1.0,), True), ((float("nan"),), False)],
)
def test_limits_that_part_nothing_are_refused(limits: tuple[float, ...], shares: bool) -> None:
    with pytest.raises(ValueError, match="must rise and be above 0"):
        SizeLimits(limits, shares)
