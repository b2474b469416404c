"""Shapes as readers make them: rotation, ellipses, and what cannot be one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss_cli.core.mark_kinds import BOX, LINE, POINT, POLYGON, REGION
from wsss_cli.formats.shapes import (
    BACKGROUND,
    IGNORED,
    Drawing,
    box,
    ellipse,
    line,
    point,
    polygon,
    region,
    turned,
    turned_box,
)  # fmt: skip

SIDE = st.floats(-50, 50)


@given(SIDE, SIDE, SIDE, SIDE, st.floats(-720, 720))
def test_turning_is_clockwise_as_seen(x: float, y: float, cx: float, cy: float, by: float) -> None:
    """Against sines and cosines of a single point: y goes down, so clockwise is from x to y."""
    distance, angle = math.hypot(x - cx, y - cy), math.atan2(y - cy, x - cx)
    wanted = (
        cx + distance * math.cos(angle + math.radians(by)),
        cy + distance * math.sin(angle + math.radians(by)),
    )
    assert np.allclose(turned(np.array([[x, y]]), (cx, cy), by)[0], wanted, atol=1e-9)


def test_a_turned_box_is_a_polygon_that_is_no_outline() -> None:
    found = turned_box("a", 0, 0, 4, 2, 90)
    assert (found.kind, found.outline, found.boxed) == (POLYGON, False, True)
    assert np.allclose(found.rings[0], [[3, -1], [3, 3], [1, 3], [1, -1]])
    about_corner = turned_box("a", 1, 1, 3, 2, 90, (1, 1))
    assert np.allclose(about_corner.rings[0], [[1, 1], [1, 3], [0, 3], [0, 1]])
    for upright in (0, 180, -360):
        assert turned_box("a", 0, 0, 4, 2, upright).kind == BOX


@pytest.mark.parametrize("degrees", [0, 30, 90])
def test_an_ellipse_is_round(degrees: float) -> None:
    ring = ellipse("a", 20, 10, 8, 4, degrees).rings[0]
    (x, y) = turned(ring, (20, 10), -degrees).T
    assert np.allclose(((x - 20) / 8) ** 2 + ((y - 10) / 4) ** 2, 1)
    (x, y), (left, up) = ring.T, np.roll(ring, 1, axis=0).T
    assert abs(x @ up - y @ left) / 2 == pytest.approx(math.pi * 32, rel=1e-3)


def test_corners_of_boxes_and_closed_rings_in_any_order() -> None:
    assert box("a", 5, 1, 2, 9).rings[0].tolist() == [[2, 1], [5, 9]]
    hole = [[1, 1], [2, 1], [2, 2], [1, 1]]
    closed = polygon("a", [[0, 0], [4, 0], [4, 4], [0, 0], [0, 0]], [hole])
    assert [len(ring) for ring in closed.rings] == [3, 3]


def test_kinds() -> None:
    assert point("a", 1, 2).kind == POINT
    assert line("a", [[1, 2]]).kind == POINT
    assert line("a", [[1, 2], [3, 4]]).kind == LINE
    found = region("a", np.ones((2, 3), int), left=4, top=1)
    assert found.kind == REGION
    assert found.rings[0].tolist() == [[4, 1], [7, 3]]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: line("a", []), "without points"),
        (lambda: line("a", [[1, 2, 3]]), "not pairs"),
        (lambda: line("a", [1, 2]), "not pairs"),
        (lambda: line("a", [["x", 2]]), "no numbers"),
        (lambda: line("a", [[1, 2], [3]]), "no numbers"),  # type: ignore[list-item]
        (lambda: line("a", [[None, 2]]), "no place|no numbers"),  # type: ignore[list-item]
        (lambda: polygon("a", [[0, 0], [1, 1], [0, 0]]), "fewer than 3"),
        (lambda: polygon("a", [[0, 0], [1, 1], [0, 4]], [[[0, 0], [1, 1]]]), "fewer than 3"),
        (lambda: region("a", np.ones((2, 2), bool), left=-1), "outside"),
    ],
)
def test_what_cannot_be_a_shape(make: object, said: str) -> None:
    assert callable(make)
    try:
        found = make()
    except ValueError as err:
        assert any(part in str(err) for part in said.split("|"))  # noqa: PT017
    else:
        assert not np.isfinite(found.rings[0]).all()  # refused where it is held to its image


def test_names_are_classes_once_in_order() -> None:
    names = ("dog", BACKGROUND, "cat", IGNORED, "dog")
    drawing = Drawing(tuple(point(name, 1, 1) for name in names))
    assert drawing.names == ("dog", "cat")
    assert drawing.without(["dog"]).names == ("cat",)
