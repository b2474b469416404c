"""The shapes of VIA's regions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import compare, packed

from wsss_cli.core.marks import BOX, LINE, POINT, POLYGON
from wsss_cli.formats.via_shapes import shape_of


def one(**attributes: Any) -> Any:
    return shape_of("cat", attributes, 1)


@pytest.mark.parametrize("file", ["via_project.json", "via_region_data.json", "."])
def test_what_version_2_writes(file: str, tmp_path: Path) -> None:
    attribute = ("--attribute", "class", "--attribute", "tags")
    data = packed("via", tmp_path / "d.h5", "--fill-boxes", *attribute, source=file)
    compare("via", data, skip=("splits", "boxes"))  # a part is an object of its own


def test_kinds() -> None:
    assert one(name="rect", x=1, y=2, width=3, height=4).rings[0].tolist() == [[1, 2], [4, 6]]
    points = {"all_points_x": [0, 4, 4, 0], "all_points_y": [0, 0, 3, 0]}
    assert one(name="polyline", **points).rings[0].tolist() == [[0, 0], [4, 0], [4, 3], [0, 0]]
    assert one(name="polygon", **points).rings[0].tolist() == [[0, 0], [4, 0], [4, 3]]
    assert one(name="point", cx=2.5, cy=1).rings[0].tolist() == [[2.5, 1]]
    circle = one(name="circle", cx=5, cy=6, r=2).rings[0]
    assert np.allclose(np.hypot(*(circle - (5, 6)).T), 2)
    shapes = [
        one(name="rect", x=1, y=2, width=3, height=4), one(name="polyline", **points),
        one(name="polygon", **points), one(name="point", cx=1, cy=1),
    ]  # fmt: skip
    assert [shape.kind for shape in shapes] == [BOX, LINE, POLYGON, POINT]


def test_an_ellipse_is_turned_clockwise_by_radians() -> None:
    ring = one(name="ellipse", cx=5, cy=6, rx=4, ry=1, theta=math.pi / 6).rings[0]
    far = ring[np.hypot(*(ring - (5, 6)).T).argmax()] - (5, 6)
    far = far if far[0] > 0 else -far
    assert np.allclose(far, (4 * math.cos(math.pi / 6), 4 * math.sin(math.pi / 6)))
    assert np.ptp(one(name="ellipse", cx=5, cy=6, rx=4, ry=1).rings[0][:, 0]) == 8


def test_a_region_without_a_shape() -> None:
    assert one() is None


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"name": "blob"}, "is of the shape 'blob'"),
        ({"name": ["rect"]}, "is of the shape"),
        ({"name": "rect", "x": 1, "y": 1, "width": 1}, "the height of region 1"),
        ({"name": "rect", "x": "1", "y": 1, "width": 1, "height": 1}, "the x of region 1"),
        ({"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1]}, "has 3 x and 1 y"),
        ({"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1, 2]}, "fewer than 3"),
        ({"name": "polyline", "all_points_x": [], "all_points_y": []}, "without points"),
        ({"name": "polyline", "all_points_x": None, "all_points_y": []}, "null, not a list"),
        ({"name": "circle", "cx": 1, "cy": 1, "r": None}, "the r of region 1"),
        ({"name": "point", "cx": True, "cy": 1}, "the cx of region 1"),
    ],
)
def test_what_cannot_be_is_told(attributes: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        one(**attributes)
    with pytest.raises(ValueError, match="is a list, not an object"):
        shape_of("cat", [], 1)
