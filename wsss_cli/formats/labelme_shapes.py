"""The shapes of labelme's JSON files.

Coordinates are those of pixel corners, of the image as displayed; later shapes lie on top. A mask's
two points are its first and its last pixel.

Source: _utils/shape.py and examples/semantic_segmentation/labelme2voc.py of
github.com/wkentaro/labelme; the rotated boxes of github.com/CVHub520/X-AnyLabeling.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .bitmaps import bitmap, decoded_base64
from .json_fields import (
    Groups,
    as_list,
    as_object,
    as_points,
    as_text,
    read_object,
    size_of,
    type_of,
)
from .shapes import (
    BACKGROUND,
    IGNORED,
    UNKNOWN,
    Drawing,
    Shape,
    box,
    ellipse,
    line,
    point,
    polygon,
    region,
)

NAMES = {"_background_": BACKGROUND, "__ignore__": IGNORED}  # those that are no classes
Points = list[tuple[float, float]]


def drawing(file: Path, said: str) -> Drawing:
    """The shapes of a file.

    Raises:
        ValueError: one that cannot be.
    """
    content, groups = read_object(file), Groups()
    shapes: list[Shape] = []
    for number, item in enumerate(as_list(content.get("shapes"), "shapes"), 1):
        shapes += _shapes(as_object(item, f"shape {number}"), number, groups)
    size = size_of(content.get("imageHeight"), content.get("imageWidth"))
    return Drawing(tuple(shapes), said, size)


def _shapes(item: dict[str, Any], number: int, groups: Groups) -> Iterator[Shape]:
    """The shapes of an entry; several where it holds several clicks."""
    kind = item.get("shape_type")
    kind = "polygon" if kind is None else kind  # as the oldest files have it
    name = as_text(item.get("label"), f"the label of shape {number}")
    said = f"shape {number} ({name})"
    if not isinstance(kind, str) or kind not in KINDS:
        known = ", ".join(KINDS)
        raise ValueError(f"{said} is of the type {str(kind)[:40]!r}; known are {known}")
    group = item.get("group_id")
    if isinstance(group, (list, dict)):
        raise ValueError(f"the group_id of {said} is {type_of(group)}, not a number")
    more = {"object": UNKNOWN if group is None else groups.number(group), "said": said}
    points = as_points(item.get("points"), f"the points of {said}")
    count = COUNTS.get(kind, ())
    if count and len(points) not in count:
        raise ValueError(f"{said}, a {kind}, has {len(points)} points")
    name = NAMES.get(name, name)
    if kind == "mask":
        yield _mask(name, points, item.get("mask"), more)
    elif kind == "points":
        yield from (point(name, x, y, **more) for x, y in points)
    else:
        yield KINDS[kind](name, points, more)


def _rectangle(name: str, points: Points, more: dict[str, Any]) -> Shape:
    """A box by two corners, or by four."""
    (x0, y0), (x1, y1) = points[0], points[len(points) // 2]
    if len(points) == 4 and len({x for x, _ in points}) + len({y for _, y in points}) > 4:
        return _turned(name, points, more)
    return box(name, x0, y0, x1, y1, **more)


def _turned(name: str, points: Points, more: dict[str, Any]) -> Shape:
    return polygon(name, points, boxlike=True, **more)


def _circle(name: str, points: Points, more: dict[str, Any]) -> Shape:
    """By its centre and a point on its rim."""
    (x, y), rim = points
    radius = math.dist((x, y), rim)
    return ellipse(name, x, y, radius, radius, **more)


def _mask(name: str, points: Points, text: Any, more: dict[str, Any]) -> Shape:
    """A picture whose first and last pixel two points name; its own size counts where these are
    no whole numbers.

    Raises:
        ValueError: no picture, or one of another size.
    """
    said = f"the mask of {more['said']}"
    mask = bitmap(decoded_base64(text, said), said)
    (x0, y0), (x1, y1) = points
    if not all(map(math.isfinite, (x0, y0, x1, y1))):
        raise ValueError(f"{said} has a corner that is no place")
    wide, high = x1 - x0 + 1, y1 - y0 + 1
    whole = all(value.is_integer() for value in (x0, y0, x1, y1))
    if whole and mask.shape != (high, wide):
        height, width = mask.shape
        raise ValueError(f"{said} is {width}x{height} pixels, its corners say {wide:g}x{high:g}")
    return region(name, mask, int(x0), int(y0), **more)


KINDS: dict[str, Callable[[str, Points, dict[str, Any]], Shape]] = {
    "polygon": lambda name, points, more: polygon(name, points, **more),
    "rectangle": _rectangle,
    "oriented_rectangle": _turned,
    "rotation": _turned,
    "circle": _circle,
    "line": lambda name, points, more: line(name, points, **more),
    "linestrip": lambda name, points, more: line(name, points, **more),
    "point": lambda name, points, more: point(name, *points[0], **more),
    "points": lambda name, points, more: line(name, points, **more),
    "mask": lambda name, points, more: line(name, points, **more),
}
COUNTS = {
    "rectangle": (2, 4), "oriented_rectangle": (4,), "rotation": (4,), "circle": (2,),
    "point": (1,), "mask": (2,),
}  # fmt: skip
