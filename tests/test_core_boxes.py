"""Parts of thresholded maps and their boxes, against plain loops over thresholds and pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss_cli.core.boxes import Parts, best_overlaps, overlaps, parts, ranks_above

Part = tuple[tuple[int, ...], int, int]  # corners, pixels, first pixel


def plain_parts(inside: np.ndarray) -> set[Part]:
    """Flood fill by shared edges, pixel by pixel."""
    height, width = inside.shape
    seen, found = np.zeros_like(inside), set()
    for start in np.ndindex(*inside.shape):
        if not inside[start] or seen[start]:
            continue
        stack, pixels = [start], []
        seen[start] = True
        while stack:
            y, x = stack.pop()
            pixels.append((y, x))
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                within = 0 <= near[0] < height and 0 <= near[1] < width
                if within and inside[near] and not seen[near]:
                    seen[near] = True
                    stack.append(near)
        ys, xs = zip(*pixels, strict=True)
        box = (min(xs), min(ys), max(xs) + 1, max(ys) + 1)
        found.add((box, len(pixels), min(y * width + x for y, x in pixels)))
    return found


def plain_iou(a: np.ndarray, b: np.ndarray) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    both = max(wide, 0.0) * max(high, 0.0)
    return float(both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both))


def parts_of(found: Parts) -> set[Part]:
    firsts = [int(np.flatnonzero(found.labels == i + 1)[0]) for i in range(len(found.area))]
    assert firsts == sorted(firsts)
    rows = zip(found.corners.tolist(), found.area.tolist(), firsts, strict=True)
    return {(tuple(corners), area, first) for corners, area, first in rows}


def maps(kind: str, size: tuple[int, int], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    height, width = size
    if kind == "noise":
        return rng.random(size).astype(np.float32)
    if kind == "plateaus":
        return (rng.integers(0, 4, size) / 3).astype(np.float32)
    y, x = np.mgrid[:height, :width]
    hills = [
        np.exp(-((y - height * rng.random()) ** 2 + (x - width * rng.random()) ** 2) / 30)
        for _ in range(4)
    ]
    return np.sum(hills, axis=0).astype(np.float32)


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=6))
def test_parts_are_those_of_a_flood_fill(rows: list[list[bool]]) -> None:
    inside = np.array(rows)
    assert parts_of(parts(inside)) == plain_parts(inside)


def test_of_equally_large_parts_the_first_is_the_largest() -> None:
    assert parts(np.array([[0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 1]], bool)).largest == 0


def test_a_map_of_zeros_has_no_part() -> None:
    ranks = ranks_above(np.zeros((3, 4), np.float32), np.array([0.0, 0.5]))
    assert best_overlaps(ranks, 2, np.array([[0, 0, 1, 1]])).tolist() == [[0, 0], [0, 0]]


def test_thresholds_are_strict_and_shares_of_the_maximum() -> None:
    one = np.array([[0.0, 0.1, 0.2, 0.4]], np.float32)
    assert ranks_above(one, np.array([0, 0.5, 1])).tolist() == [[0, 1, 1, 2]]


def test_overlaps_equal_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    low = rng.random((9, 2)) * 10
    boxes = np.concatenate([low, low + 0.1 + rng.random((9, 2)) * 8], axis=1)
    found = overlaps(boxes[:5], boxes[5:])
    plain = [[plain_iou(a, b) for b in boxes[5:]] for a in boxes[:5]]
    np.testing.assert_allclose(found, plain, rtol=1e-12)
    assert overlaps(boxes, boxes).diagonal().tolist() == pytest.approx([1.0] * 9, abs=1e-12)


def test_boxes_that_only_touch_do_not_overlap() -> None:
    assert overlaps(np.array([[0, 0, 2, 2]]), np.array([[2, 0, 4, 2], [5, 5, 6, 6]])).max() == 0


@pytest.mark.parametrize("kind", ["noise", "plateaus", "hills"])
def test_best_overlaps_equal_a_loop_over_thresholds(kind: str) -> None:
    shares = np.arange(25) / 25
    truth = np.array([[2, 3, 9, 11], [10, 0, 17, 6.5]])
    for seed in range(4):
        one = maps(kind, (13, 17), seed)
        largest, every = best_overlaps(ranks_above(one, shares), len(shares), truth)
        for index, share in enumerate(np.float32(shares)):
            parts = sorted(plain_parts(one > share * one.max()), key=lambda p: (-p[1], p[2]))
            scored = [max(plain_iou(np.array(p[0]), t) for t in truth) for p in parts]
            assert largest[index] == pytest.approx(scored[0] if parts else 0.0, abs=1e-12)
            assert every[index] == pytest.approx(max(scored, default=0.0), abs=1e-12)
        assert (largest <= every).all()


def test_a_filled_box_is_met_exactly() -> None:
    one = np.zeros((60, 80), np.float32)
    one[10:40, 20:60] = 0.7
    ranks = ranks_above(one, np.array([0.2]))
    assert best_overlaps(ranks, 1, np.array([[20, 10, 60, 40]])).tolist() == [[1], [1]]
