"""Regions of Label Studio as shapes: percent, and turns against a plain loop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss_cli.core.mark_kinds import BOX, POLYGON
from wsss_cli.formats.label_studio_regions import kind_of, regions_of, shapes_of, tags_of
from wsss_cli.formats.shapes import ROUND, Shape

share, extent = st.floats(0, 100), st.floats(0.1, 100)
side = st.integers(1, 4000)
degree = st.integers(-40000, 40000).map(lambda hundredths: hundredths / 100)


def shape(value: dict[str, Any], width: int, height: int) -> Shape:
    item = {"value": value, "original_width": width, "original_height": height}
    (region,) = regions_of([item], "me")
    (found,) = shapes_of(region)
    assert found.source == "me"
    return found


@given(share, share, extent, extent, degree, side, side)
def test_a_box_turns_about_its_upper_left_corner_in_pixels(
    x: float, y: float, w: float, h: float, degrees: float, width: int, height: int
) -> None:
    value = {"x": x, "y": y, "width": w, "height": h, "rotation": degrees}
    found = shape({**value, "rectanglelabels": ["cat"]}, width, height)
    angle = math.radians(degrees)
    corners = []
    for right, down in ((0, 0), (w, 0), (w, h), (0, h)):
        dx, dy = right / 100 * width, down / 100 * height
        px = x / 100 * width + dx * math.cos(angle) - dy * math.sin(angle)
        py = y / 100 * height + dx * math.sin(angle) + dy * math.cos(angle)
        corners.append((px, py))
    wanted = np.array(corners)
    pixels = found.rings[0] * (width, height)
    if found.kind == BOX:
        assert degrees % 90 == 0
        wanted = np.array([wanted.min(axis=0), wanted.max(axis=0)])
    else:
        assert found.kind == POLYGON
        assert found.boxlike
    assert np.allclose(pixels, wanted, atol=1e-4)


@given(share, share, extent, extent, degree, side, side)
def test_an_ellipse_turns_about_its_centre(
    x: float, y: float, rx: float, ry: float, degrees: float, width: int, height: int
) -> None:
    value = {"x": x, "y": y, "radiusX": rx, "radiusY": ry, "rotation": degrees}
    found = shape({**value, "ellipselabels": ["cat"]}, width, height)
    angle = math.radians(degrees)
    points = []
    for corner in range(len(found.rings[0])):
        way = 2 * math.pi * corner / ROUND
        dx, dy = rx / 100 * width * math.cos(way), ry / 100 * height * math.sin(way)
        px = x / 100 * width + dx * math.cos(angle) - dy * math.sin(angle)
        points.append((px, y / 100 * height + dx * math.sin(angle) + dy * math.cos(angle)))
    assert np.allclose(found.rings[0] * (width, height), points, atol=1e-4)


def test_turned_shapes_need_the_size_of_the_image() -> None:
    value = {"x": 0, "y": 0, "width": 1, "height": 1, "rotation": 3, "rectanglelabels": ["cat"]}
    (region,) = regions_of([{"value": value}], None)
    with pytest.raises(ValueError, match="nothing says how large"):
        list(shapes_of(region))


def test_what_is_drawn_and_what_is_said_of_the_image() -> None:
    assert kind_of({"choices": ["cat"]}) is None
    assert kind_of({"start": 1, "end": 4, "labels": ["word"]}) is None
    assert kind_of({"x": 1, "y": 2, "choices": ["cat"]}) == "a point"
    items = [{"value": {"choices": ["cat", "dog"]}}, {"value": {"x": 1, "choices": ["far"]}}]
    assert tags_of(items) == ("cat", "dog")
    (region,) = regions_of([{"value": {"x": 1, "y": 2, "choices": ["far"]}}], None)
    assert region.labels == ("far",)  # nothing else names it


def test_a_point_has_a_width_and_is_no_box() -> None:
    found = shape({"x": 50, "y": 25, "width": 0.5, "keypointlabels": ["cat"]}, 10, 20)
    assert found.rings[0].tolist() == [[0.5, 0.25]]
