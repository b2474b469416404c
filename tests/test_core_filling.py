"""Which pixels an outline holds, against a plain rule for each pixel's centre."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageDraw

from wsss_cli.core.filling import filled, traced


def plain(rings: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Centre by centre: how many edges does a ray to the left cross?"""
    mask = np.zeros(size, bool)
    for row in range(size[0]):
        for column in range(size[1]):
            x, y, inside = column + 0.5, row + 0.5, False
            for ring in rings:
                for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
                    low = min(y0, y1) <= y < max(y0, y1)
                    if low and x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x:
                        inside = not inside
            mask[row, column] = inside
    return mask


@pytest.mark.parametrize("seed", range(30))
def test_as_a_plain_rule_for_each_pixel(seed: int) -> None:
    draw = np.random.default_rng(seed)
    rings = [draw.uniform(-6, 18, (draw.integers(3, 8), 2)) for _ in range(draw.integers(1, 4))]
    if seed % 3 == 0:  # corners on centres and on corners of pixels
        rings = [np.round(ring * 2) / 2 for ring in rings]
    assert np.array_equal(filled(rings, (11, 13)), plain(rings, (11, 13)))


def test_outlines_with_a_common_edge_share_no_pixel_and_leave_none() -> None:
    middle = np.array([5.3, 4.1])
    corners = np.array([[0, 0], [9, 0], [9, 8], [0, 8]], float)
    parts = [
        np.stack([a, b, middle]) for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)
    ]
    assert np.array_equal(
        sum(filled([part], (8, 9)).astype(int) for part in parts), np.ones((8, 9))
    )


def test_whole_pixels_are_those_between_the_corners() -> None:
    box = np.array([[2, 1], [6, 1], [6, 4], [2, 4]])
    wanted = np.zeros((7, 9), bool)
    wanted[1:4, 2:6] = True
    assert np.array_equal(filled([box], (7, 9)), wanted)
    hole = np.array([[3, 2], [5, 2], [5, 3], [3, 3]])
    wanted[2, 3:5] = False
    assert np.array_equal(filled([box, hole], (7, 9)), wanted)


def test_outside_or_flat_there_is_nothing() -> None:
    for ring in ([[20, 20], [30, 20], [30, 30]], [[1, 1], [5, 1]], [[-9, 2], [-1, 2], [-1, 4]]):
        assert not filled([np.array(ring, float)], (6, 6)).any()


def test_the_inclusive_rule_is_that_of_pillow_for_outlines_of_pixels() -> None:
    """Blobs whose outline goes through pixels' centres level, upright or at 45 degrees."""
    ring = np.array([[2, 1], [6, 1], [8, 3], [8, 6], [4, 6], [2, 4]])
    drawn = Image.new("1", (11, 9))
    ImageDraw.Draw(drawn).polygon([tuple(point) for point in ring.tolist()], fill=1, outline=1)
    assert np.array_equal(filled([ring + 0.5], (9, 11), inclusive=True), np.array(drawn))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_coordinates_that_are_none_are_refused(bad: float) -> None:
    ring = np.array([[0, 0], [5, 0], [bad, 5]])
    with pytest.raises(ValueError, match="no number of pixels"):
        filled([ring], (6, 6))
    with pytest.raises(ValueError, match="no number of pixels"):
        traced(ring, (6, 6))


@pytest.mark.parametrize("seed", range(20))
def test_a_line_passes_neighbours_and_stays_on_its_way(seed: int) -> None:
    draw = np.random.default_rng(seed)
    line = draw.uniform(0, 20, (4, 2))
    cells = traced(line, (20, 20))
    assert (np.abs(np.diff(cells, axis=0)).max(axis=1) <= 1).all()
    assert cells[0].tolist() == np.floor(line[0]).tolist()
    assert cells[-1].tolist() == np.floor(line[-1]).tolist()
    share = np.linspace(0, 1, 2001)[:, None]
    way = np.concatenate([a + share * (b - a) for a, b in pairwise(line)])
    for cell in cells:
        assert np.abs(way - (cell + 0.5)).max(axis=1).min() <= 0.51


def test_lines_from_far_outside_cost_nothing_and_enter_where_they_should() -> None:
    cells = traced(np.array([[-1e6, 2.5], [1e6, 2.5]]), (5, 7))
    assert set(map(tuple, cells.tolist())) == {(column, 2) for column in range(7)}
    assert len(traced(np.array([[-9.0, -9.0]]), (5, 7))) == 0
