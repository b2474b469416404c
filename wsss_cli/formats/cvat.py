"""CVAT for images 1.1: annotations.xml with tags, boxes, outlines, points, lines and masks.

Coordinates are those of pixel corners, of the image as displayed. A mask's run lengths go row by
row, from zeros, over the part of the image that it covers. `rotation` is in degrees, clockwise
about the box's centre. What has a greater z_order lies on top.

Source: dump_as_cvat_annotation and MaskConverter of github.com/cvat-ai/cvat.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from xml.etree.ElementTree import Element

from ..errors import WsssError
from .entries import Entry, gather
from .json_fields import Groups
from .place import Place
from .reading import DRAWN, Asked, Reader
from .sample import Collection
from .shapes import (
    UNKNOWN,
    Drawing,
    Shape,
    ellipse,
    later_region,
    line,
    meant,
    point,
    polygon,
    turned_box,
)  # fmt: skip
from .xml_files import read_xml

if TYPE_CHECKING:
    import numpy as np

Number = TypeVar("Number", int, float)
SHAPES = ("box", "polygon", "polyline", "points", "ellipse", "mask")
UNREAD = ("cuboid", "skeleton")


def read(path: Path, asked: Asked, _: Any) -> Collection:
    """Read an export.

    Raises:
        WsssError: not such a file, one of a video, or whatever `gather` raises.
    """
    place = Place(path)
    file = place.one("annotations.xml") or (path if place.single else None)
    if file is None:
        raise WsssError(f"{path}: holds no annotations.xml")
    root = read_xml(file)
    if root.tag != "annotations":
        raise WsssError(f"{file}: holds <{root.tag}>, not CVAT's <annotations>")
    if root.find("track") is not None:
        raise WsssError(
            f"{file}: annotates a video (<track>)", "export the task as CVAT for images 1.1"
        )
    labels = [(item.findtext("name") or "").strip() for item in root.iterfind("meta//labels/label")]
    unread = sorted({item.tag for item in root.iterfind("image/*") if item.tag in UNREAD})
    remarks = [f"{' and '.join(unread)} are not read"] if unread else []
    images = root.findall("image")
    splits = dict.fromkeys(name for item in images if (name := item.get("subset")))
    return gather(
        str(path),
        (_entry(item) for item in images),
        place.folder(asked.images),
        asked,
        {"source": "cvat"},
        classes=tuple(labels) or None,
        splits=splits,
        remarks=remarks,
    )


def _entry(item: Element) -> Entry:
    name = item.get("name") or ""
    tags = tuple(dict.fromkeys(_label(one) for one in item.iterfind("tag")))
    subset = item.get("subset")
    splits = (subset,) if subset else ()
    groups = Groups()
    try:
        ordered = sorted(
            (one for one in item if one.tag in SHAPES), key=lambda one: _whole(one, "z_order", 0)
        )
        shapes = tuple(shape for one in ordered for shape in _shapes(one, groups))
        size = _whole(item, "height", 0), _whole(item, "width", 0)
        drawing = Drawing(shapes, f"image {name!r}", size if all(size) else None)
    except ValueError as err:
        return Entry(name=name, problem=str(err))
    inside = f"images/{subset}/{name}" if subset else f"images/{name}"
    return Entry(
        name=name, names=(inside, f"images/{name}"), drawing=drawing, tags=tags, splits=splits
    )


def _label(item: Element) -> str:
    return meant(item.get("label") or "")


def _shapes(item: Element, groups: Groups) -> Iterator[Shape]:
    """The shapes of an element; several of <points>, which holds one or more clicks.

    Raises:
        ValueError: numbers that are none, or a shape that cannot be.
    """
    name = _label(item)
    if not name:
        raise ValueError(f"a <{item.tag}> without a label")
    group = _whole(item, "group_id", 0)
    more: dict[str, Any] = {
        "object": groups.number(group) if group > 0 else UNKNOWN,
        "said": f"a <{item.tag}> of {name!r}",
    }
    turn = _number(item, "rotation", 0)
    if item.tag == "box":
        x0, y0, x1, y1 = (_number(item, side) for side in ("xtl", "ytl", "xbr", "ybr"))
        yield turned_box(name, x0, y0, x1, y1, turn, **more)
    elif item.tag == "ellipse":
        x, y, rx, ry = (_number(item, side) for side in ("cx", "cy", "rx", "ry"))
        yield ellipse(name, x, y, rx, ry, turn, **more)
    elif item.tag == "mask":
        left, top, width, height = (_whole(item, s) for s in ("left", "top", "width", "height"))
        if min(width, height) < 1 or width * height > 1 << 31:
            raise ValueError(f"{more['said']} is {width}x{height} pixels")
        decode = partial(_mask, item.get("rle") or "", width, height, more["said"])
        yield later_region(name, decode, (left, top, left + width, top + height), **more)
    else:
        points = _points(item)
        if item.tag == "polygon":
            yield polygon(name, points, **more)
        elif item.tag == "polyline":
            yield line(name, points, **more)
        else:
            yield from (point(name, x, y, **more) for x, y in points)


def _mask(rle: str, width: int, height: int, said: str) -> np.ndarray:
    """(height, width) bool.

    Raises:
        ValueError: runs that are not of so many pixels.
    """
    import numpy as np

    from ..core.runs import from_runs

    parts = [text for text in re.split(r"[,\s]+", rle.strip()) if text]
    if not all(text.isascii() and text.isdigit() and len(text) < 11 for text in parts):
        raise ValueError(f"the run lengths of {said} are no whole numbers")
    try:
        return from_runs(np.array(parts, np.uint64), height, width)
    except ValueError as err:
        raise ValueError(f"{said} has {err}") from None


def _points(item: Element) -> list[tuple[float, float]]:
    pairs = [pair.split(",") for pair in (item.get("points") or "").split(";") if pair.strip()]
    try:
        return [(float(x), float(y)) for x, y in pairs]
    except ValueError:
        raise ValueError(f"a <{item.tag}> of {_label(item)!r} has points that are none") from None


def _number(item: Element, name: str, usual: float | None = None) -> float:
    return _value(item, name, usual, float)


def _whole(item: Element, name: str, usual: int | None = None) -> int:
    return _value(item, name, usual, int)


def _value(item: Element, name: str, usual: Number | None, kind: Callable[[str], Number]) -> Number:
    """An attribute, or what is usual where it is missing.

    Raises:
        ValueError: it is of another kind.
    """
    text = item.get(name)
    if text is None and usual is not None:
        return usual
    try:
        return kind(text or "")
    except ValueError:
        raise ValueError(f"a <{item.tag}> whose {name} is {text!r}") from None


def detect(place: Place) -> str | None:
    """As `Reader.detect`."""
    for file in place.matching("annotations.xml", "*.xml")[:1]:
        head = place.head(file)
        if "<annotations>" in head and ("<version>" in head or "<image " in head):
            return f"{file.name} holds <annotations>"
    return None


READER = Reader(
    name="cvat",
    said="CVAT for images",
    read=read,
    detect=detect,
    option=False,
    takes=DRAWN,
)
