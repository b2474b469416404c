"""Boxes that people drew around objects, as the devkit's XML has them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from .shapes import Drawing, Shape, box

if TYPE_CHECKING:
    from ..core.marks import TrueBoxes

SLACK = 1.0  # pixels that a box may lie outside its image: what counting from 0 or 1 makes
LEAST = 0.5  # pixels that are left of a box within its image, each way
SIDES = ("xmin", "ymin", "xmax", "ymax")


class BadBox(ValueError):
    """A box that cannot be meant so; the image's tags are not in doubt."""


def within(shape: Shape, width: int, height: int, file: str) -> Shape:
    """A box within an image; what sticks out by a pixel is cut.

    Raises:
        BadBox: farther outside.
    """
    (x0, y0), (x1, y1) = shape.rings[0].tolist()
    left, top, right, bottom = max(x0, 0.0), max(y0, 0.0), min(x1, width), min(y1, height)
    outside = max(left - x0, top - y0, x1 - right, y1 - bottom)
    if outside > SLACK or min(right - left, bottom - top) < LEAST:
        raise BadBox(
            f"{file}: the box of {shape.said}, x {x0 + 1:g} to {x1:g} and y {y0 + 1:g} to "
            f"{y1:g}, is not within the image of {width}x{height}"
        )
    if not outside > 0:
        return shape
    import numpy as np

    return replace(shape, rings=(np.array([[left, top], [right, bottom]]),))


def as_truth(boxes: Sequence[Shape], classes: Mapping[str, int]) -> TrueBoxes:
    """Boxes within their image as a data set keeps them, those of classes."""
    import numpy as np

    from ..core.marks import TrueBoxes

    kept = [one for one in boxes if one.name in classes]
    corners = np.array([one.rings[0].ravel() for one in kept], np.float32)
    return TrueBoxes(
        corners.reshape(-1, 4),
        np.array([classes[one.name] for one in kept], np.uint16),
        np.array([one.difficult or one.crowd for one in kept], bool),
    )


def drawn_boxes(root: Element, file: str) -> Drawing | None:
    """The boxes of an <annotation>, its objects all named; None where an object has none.

    VOC counts pixels from 1 and names the last one: xmin to xmax becomes xmin - 1 to xmax. CVAT and
    Datumaro write edges instead, with decimals: where all sides have some, they are edges. (VOC has
    some sides with decimals, too, among whole numbers.)

    Raises:
        BadBox: a side that is missing or no number, a box that ends before it begins, or an object
            with two.
    """
    boxes = []
    sides = (item.text or "" for side in SIDES for item in root.iterfind(f"object/bndbox/{side}"))
    first = 0 if all("." in text for text in sides) else 1
    for number, item in enumerate(root.findall("object"), 1):
        frames = item.findall("bndbox")
        if not frames:
            return None
        frame, name = frames[0], (item.findtext("name") or "").strip()
        said = f"object {number} ({name})"
        if len(frames) > 1:
            raise BadBox(f"{file}: {said} has {len(frames)} boxes")
        x0, y0, x1, y1 = (_side(frame, side, f"{file}: the box of {said}") for side in SIDES)
        if x1 < x0 or y1 < y0:
            raise BadBox(
                f"{file}: the box of {said} ends before it begins "
                f"(x {x0:g} to {x1:g}, y {y0:g} to {y1:g})"
            )
        difficult = (item.findtext("difficult") or "").strip().lower() in ("1", "true", "yes")
        boxes.append(
            box(name, x0 - first, y0 - first, x1, y1, object=number, difficult=difficult, said=said)
        )
    return Drawing(tuple(boxes), file, size_in(root), strict=True, true_boxes=True)


def _side(frame: Element, side: str, place: str) -> float:
    text = (frame.findtext(side) or "").strip()
    try:
        value = math.nan if "_" in text else float(text)  # to Python, 1_0 is 10
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadBox(f"{place} has {side} {text[:40]!r}, which is no number")
    return value


def size_in(root: Element) -> tuple[int, int] | None:
    """(H, W) as <size> says; None where it does not, or says 0."""
    texts = [(root.findtext(f"size/{side}") or "").strip() for side in ("height", "width")]
    if not all(text.isascii() and text.isdigit() and len(text) < 10 for text in texts):
        return None
    height, width = map(int, texts)
    return (height, width) if height and width else None
