"""Rows of YOLO's label files: boxes, turned boxes, outlines, and boxes with key points.

A row is a class number and shares of the image's width and height, of the image as displayed: `c cx
cy w h` is a box (a sixth number is its confidence), `c x1 y1 x2 y2 ...` an outline or, with four
corners, a turned box. Key points stand behind a box.

Source: verify_image_label of ultralytics/data/utils.py and docs.ultralytics.com/datasets.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .lists import read_text
from .shapes import Drawing, Shape, box, polygon

OVER = 0.01  # of the width or height that a number may lie outside, by rounding
VISIBLE = (0, 1, 2)  # what a key point's third number may be


class RowKind(enum.Enum):
    """What a row holds."""

    box = "box"
    corners = "corners"  # four: an outline or a turned box
    outline = "outline"


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        kind: of what it holds.
        name: of its class.
        numbers: of a box cx, cy, w and h; else x and y of each corner; all shares.
        line: in the file, from 1.
    """

    kind: RowKind
    name: str
    numbers: tuple[float, ...]
    line: int


def read_rows(path: Path, names: Mapping[int, str], points: int | None = None) -> list[Row]:
    """The rows of a label file, each once.

    Args:
        path: the file.
        names: of the classes by number.
        points: numbers behind each box that are of key points, where the data set says so.

    Raises:
        ValueError: a row that is none; says which and why.
        WsssError: no text.
    """
    rows: dict[str, Row] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        fields = line.split()
        key = " ".join(fields)
        if not fields or key in rows:
            continue
        try:
            rows[key] = _row(fields, names, points, number)
        except ValueError as err:
            raise ValueError(f"line {number} of {path.name}: {err}") from None
    return list(rows.values())


def _row(fields: list[str], names: Mapping[int, str], points: int | None, line: int) -> Row:
    try:
        first, *numbers = map(float, fields)
    except ValueError:
        raise ValueError("holds something that is no number") from None
    if not first.is_integer() or int(first) not in names:
        raise ValueError(f"there is no class {fields[0][:20]}")
    kind, own = _kind(numbers, points)
    if not all(math.isfinite(one) and -OVER <= one <= 1 + OVER for one in own):
        bad = next(one for one in own if not (math.isfinite(one) and -OVER <= one <= 1 + OVER))
        raise ValueError(f"{bad:g} is no share of the image's width or height, from 0 to 1")
    if kind is RowKind.box and min(own[2:]) < 0:
        raise ValueError("a box of negative size")
    return Row(kind, names[int(first)], tuple(own), line)


def _kind(numbers: list[float], points: int | None) -> tuple[RowKind, list[float]]:
    """What the numbers behind a class are, and those of them that are read.

    Raises:
        ValueError: nothing that is known has so many.
    """
    count = len(numbers)
    if count in (4, 5) or count - 4 == points:
        return RowKind.box, numbers[:4]
    if points is None and count >= 6 and count % 2 == 0:
        return (RowKind.corners if count == 8 else RowKind.outline), numbers
    seen = numbers[6::3] if points is None and count > 6 and (count - 4) % 3 == 0 else ()
    if seen and all(one in VISIBLE for one in seen):
        return RowKind.box, numbers[:4]
    raise ValueError(f"{count + 1} numbers are no box and no outline")


@dataclass(frozen=True)
class Ways:
    """How label files are read.

    Attributes:
        names: of the classes by number.
        points: as `read_rows` takes it.
        turned: whether four corners are a turned box, not an outline.
        inclusive: whether outlines name the pixels on their border.
        boxes: whether the data set has boxes alone, so that these are of all objects.
    """

    names: Mapping[int, str]
    points: int | None = None
    turned: bool = False
    inclusive: bool = False
    boxes: bool = False


def drawing_of(path: Path, ways: Ways) -> Drawing:
    """What a label file draws; later rows lie on top, as tools write what was drawn.

    Raises:
        ValueError: as `read_rows`.
    """
    rows = read_rows(path, ways.names, ways.points)
    shapes = tuple(_shape(row, ways) for row in rows)
    return Drawing(shapes, path.name, fraction=True, true_boxes=ways.boxes)


def _shape(row: Row, ways: Ways) -> Shape:
    said = f"line {row.line}"
    if row.kind is RowKind.box:
        x, y, w, h = row.numbers
        return box(row.name, x - w / 2, y - h / 2, x + w / 2, y + h / 2, said=said)
    clipped = [min(max(one, 0.0), 1.0) for one in row.numbers]
    ring = list(zip(clipped[::2], clipped[1::2], strict=True))
    turned = ways.turned and row.kind is RowKind.corners
    try:
        return polygon(
            row.name, ring, boxlike=turned, inclusive=ways.inclusive and not turned, said=said
        )
    except ValueError as err:
        raise ValueError(f"{said}: {err}") from None
