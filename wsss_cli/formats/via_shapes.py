"""The shapes of VIA's regions, of versions 1 and 2. Coordinates are those of pixel corners."""

from __future__ import annotations

import math
from typing import Any

from .json_fields import as_list, as_number, as_object
from .shapes import Shape, box, ellipse, line, point, polygon

KINDS = ("rect", "polygon", "polyline", "point", "circle", "ellipse")


def shape_of(name: str, value: Any, number: int) -> Shape | None:
    """A region's shape by its shape_attributes; None of one that has none.

    Raises:
        ValueError: a kind that nobody knows, or coordinates that are none.
    """
    said = f"region {number} ({name})"
    item = as_object(value, f"the shape of {said}")
    kind = item.get("name")
    if not item or kind == "":
        return None
    if kind not in KINDS:
        raise ValueError(f"{said} is of the shape {str(kind)[:40]!r}; known are {', '.join(KINDS)}")

    def number_of(field: str, usual: float | None = None) -> float:
        found = item.get(field)
        if found is None and usual is not None:
            return usual
        return as_number(found, f"the {field} of {said}")

    if kind == "rect":
        x, y = number_of("x"), number_of("y")
        return box(name, x, y, x + number_of("width"), y + number_of("height"), said=said)
    if kind in ("polygon", "polyline"):
        sides = [as_list(item.get(f"all_points_{side}"), f"points of {said}") for side in "xy"]
        if len(sides[0]) != len(sides[1]):
            raise ValueError(f"{said} has {len(sides[0])} x and {len(sides[1])} y")
        xy = [
            (as_number(x, f"an x of {said}"), as_number(y, f"a y of {said}"))
            for x, y in zip(*sides, strict=True)
        ]
        return (polygon if kind == "polygon" else line)(name, xy, said=said)
    x, y = number_of("cx"), number_of("cy")
    if kind == "point":
        return point(name, x, y, said=said)
    if kind == "circle":
        radius = number_of("r")
        return ellipse(name, x, y, radius, radius, said=said)
    turn = math.degrees(number_of("theta", 0))  # as a canvas turns it, clockwise as seen
    return ellipse(name, x, y, number_of("rx"), number_of("ry"), turn, said=said)
