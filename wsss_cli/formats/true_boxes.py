"""Boxes that people drew around objects, as the devkit's XML has them: truth, for scoring only."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

SLACK = 1.0  # pixels that a box may lie outside its image: what counting from 0 or 1 makes
LEAST = 0.5  # pixels that are left of a box within its image, each way
SIDES = ("xmin", "ymin", "xmax", "ymax")


class BadBox(ValueError):
    """A box that cannot be meant so; the image's tags are not in doubt."""


@dataclass(frozen=True)
class TrueBox:
    """One object's box.

    Attributes:
        name: of its class.
        corners: x0, y0, x1, y1 in pixels: x right, y down, the image's first pixel covers 0 to 1.
        difficult: whether it is marked as hard to see.
        said: what messages call it.
    """

    name: str
    corners: tuple[float, float, float, float]
    difficult: bool
    said: str


@dataclass(frozen=True)
class Drawn:
    """All boxes of one image, before its pixels are looked at.

    Attributes:
        boxes: in the file's order.
        size: (H, W) of the image that they were drawn on, where the file says so.
        file: what messages call the file.
        cut: how many were cut at the image's edge.
    """

    boxes: tuple[TrueBox, ...]
    size: tuple[int, int] | None
    file: str
    cut: int = 0

    def without(self, names: Iterable[str]) -> Drawn:
        """Those of other classes."""
        left_out = set(names)
        return replace(self, boxes=tuple(one for one in self.boxes if one.name not in left_out))

    def fitted(self, size: tuple[int, int]) -> Drawn:
        """The same within an image of (H, W) as displayed; what sticks out by a pixel is cut.

        Raises:
            BadBox: drawn on an image of another size, or farther outside.
        """
        height, width = size
        if self.size is not None and self.size != size:
            turned = " as displayed (turned by EXIF?)" if self.size == (width, height) else ""
            raise BadBox(
                f"{self.file}: its boxes were drawn on {self.size[1]}x{self.size[0]} pixels, the "
                f"image is {width}x{height}{turned}"
            )
        boxes = tuple(self._within(one, width, height) for one in self.boxes)
        cut = sum(one.corners != was.corners for one, was in zip(boxes, self.boxes, strict=True))
        return replace(self, boxes=boxes, cut=cut)

    def _within(self, box: TrueBox, width: int, height: int) -> TrueBox:
        x0, y0, x1, y1 = box.corners
        left, top, right, bottom = max(x0, 0.0), max(y0, 0.0), min(x1, width), min(y1, height)
        outside = max(left - x0, top - y0, x1 - right, y1 - bottom)
        if outside > SLACK or min(right - left, bottom - top) < LEAST:
            raise BadBox(
                f"{self.file}: the box of {box.said}, x {x0 + 1:g} to {x1:g} and y {y0 + 1:g} to "
                f"{y1:g}, is not within the image of {width}x{height}"
            )
        return replace(box, corners=(left, top, right, bottom))


def drawn_boxes(root: Element, file: str) -> Drawn | None:
    """The boxes of an <annotation>, its objects all named; None where an object has none.

    VOC counts pixels from 1 and names the last one: xmin to xmax becomes xmin - 1 to xmax.

    Raises:
        BadBox: a side that is missing or no number, a box that ends before it begins, or an object
            with two.
    """
    boxes = []
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
        boxes.append(TrueBox(name, (x0 - 1, y0 - 1, x1, y1), difficult, said))
    return Drawn(tuple(boxes), _size(root), file)


def _side(frame: Element, side: str, place: str) -> float:
    text = (frame.findtext(side) or "").strip()
    try:
        value = math.nan if "_" in text else float(text)  # to Python, 1_0 is 10
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadBox(f"{place} has {side} {text[:40]!r}, which is no number")
    return value


def _size(root: Element) -> tuple[int, int] | None:
    """(H, W) as <size> says; None where it does not, or says 0."""
    texts = [(root.findtext(f"size/{side}") or "").strip() for side in ("height", "width")]
    if not all(text.isascii() and text.isdigit() and len(text) < 10 for text in texts):
        return None
    height, width = map(int, texts)
    return (height, width) if height and width else None
