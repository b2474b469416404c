"""Supervisely's projects: meta.json, and DATASET/img/NAME with DATASET/ann/NAME.json.

Whole numbers name pixels: a point is the pixel's centre, and a rectangle's last pixel is its own.
Numbers with decimals, which the program writes itself, are those of pixel corners. A bitmap is a
PNG packed by zlib, its origin a pixel. Later objects lie on top.

Source: geometry/{rectangle,bitmap,geometry}.py of github.com/supervisely/supervisely.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import WsssError
from .bitmaps import bitmap, decoded_base64, inflated
from .entries import Entry, gather
from .json_fields import (
    Groups,
    as_list,
    as_object,
    as_points,
    as_text,
    read_object,
    size_of,
)
from .place import Place
from .reading import DRAWN, Asked, Reader
from .sample import Collection
from .shapes import UNKNOWN, Drawing, Shape, box, line, meant, point, polygon, region

Points = list[tuple[float, float]]
KINDS = ("point", "line", "rectangle", "polygon", "bitmap")
META, ANNOTATIONS, IMAGES = "meta.json", "ann", "img"


def read(path: Path, asked: Asked, _: Any) -> Collection:
    """Read a project.

    Raises:
        WsssError: no annotations, a meta.json that is none, or as `gather`.
    """
    place = Place(path)
    files = [one for one in place.matching("*.json") if one.parent.name == ANNOTATIONS]
    if not files:
        raise WsssError(f"{path}: holds no {ANNOTATIONS}/NAME.json of Supervisely")
    classes = _meta(place)
    entries = [_entry(file, place) for file in files]
    if classes is not None:  # tags of images stand behind them
        others = {tag for one in entries for tag in one.tags}
        classes += sorted(others.difference(classes, asked.negative))
    notes, order = {"source": "supervisely"}, None if classes is None else tuple(classes)
    return gather(str(path), entries, place.folder(asked.images), asked, notes, classes=order)


def _meta(place: Place) -> list[str] | None:
    """The classes in order, if there is a meta.json.

    Raises:
        WsssError: it is not as it should be.
    """
    file = place.one(META)
    if file is None:
        return None
    try:
        items = as_list(read_object(file).get("classes"), "classes")
        return [as_text(as_object(one, "a class").get("title"), "a class's title") for one in items]
    except ValueError as err:
        raise WsssError(f"{file}: {err}", "it should be Supervisely's meta.json") from None


def _entry(file: Path, place: Place) -> Entry:
    relative = os.path.relpath(file, place.root).replace(os.sep, "/")
    folder, last = posixpath.split(posixpath.splitext(relative)[0])
    above = posixpath.dirname(folder)
    try:
        tags = _tags(read_object(file))
    except ValueError as err:
        return Entry(name=relative, problem=str(err))
    name = posixpath.join(above, IMAGES, last)
    others = (posixpath.join(above, last), last)
    return Entry(name=name, names=others, tags=tags, drawing=partial(drawing, file, relative))


def _tags(content: dict[str, Any]) -> tuple[str, ...]:
    """Classes of the objects, and the image's own tags, but for those that have a value.

    Raises:
        ValueError: one without a name.
    """
    found = []
    for number, item in enumerate(as_list(content.get("objects"), "objects"), 1):
        found.append(_class(as_object(item, f"object {number}"), number))
    for item in as_list(content.get("tags") or [], "tags"):
        tag = as_object(item, "a tag")
        name = as_text(tag.get("name"), "the name of a tag")
        if tag.get("value") is None:
            found.append(name)
    return tuple(dict.fromkeys(found))


def _class(item: dict[str, Any], number: int) -> str:
    return meant(as_text(item.get("classTitle"), f"the classTitle of object {number}"))


def drawing(file: Path, said: str) -> Drawing:
    """The objects of a file.

    Raises:
        ValueError: one that cannot be.
    """
    content, groups = read_object(file), Groups()
    shapes: list[Shape] = []
    items = as_list(content.get("objects"), "objects")
    items = [as_object(item, f"object {number}") for number, item in enumerate(items, 1)]
    shift = 0.0 if any(_has_decimals(item.get("points")) for item in items) else 0.5
    for number, item in enumerate(items, 1):
        shapes += _shapes(item, number, shift, groups)
    size = as_object(content.get("size") or {}, "size")
    return Drawing(tuple(shapes), said, size_of(size.get("height"), size.get("width")))


def _has_decimals(value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, float) or (isinstance(value, list) and any(map(_has_decimals, value)))


def _shapes(item: dict[str, Any], number: int, shift: float, groups: Groups) -> Iterator[Shape]:
    """The shapes of an object, to whose coordinates a shift is added; several of several clicks."""
    name, kind = _class(item, number), item.get("geometryType")
    said = f"object {number} ({name})"
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise ValueError(f"{said} is of the type {str(kind)[:40]!r}; known are {known}")
    key = item.get("instance") or item.get("id")  # no two figures have one id but parts
    same = isinstance(key, str) or (isinstance(key, int) and key > 0)
    more: dict[str, Any] = {"object": groups.number(key) if same else UNKNOWN, "said": said}
    if kind == "bitmap":
        yield _bitmap(name, as_object(item.get("bitmap"), f"the bitmap of {said}"), more)
        return
    points = as_object(item.get("points"), f"the points of {said}")
    given = as_points(points.get("exterior"), f"the points of {said}")
    holes = as_list(points.get("interior") or [], f"the holes of {said}")
    inner = [as_points(hole, f"a hole of {said}") for hole in holes]
    rings = [[(x + shift, y + shift) for x, y in ring] for ring in (given, *inner)]
    if kind == "point":
        yield from (point(name, x, y, **more) for x, y in rings[0])
    elif kind == "line":
        yield line(name, rings[0], **more)
    elif kind == "polygon":
        yield polygon(name, rings[0], rings[1:], **more)
    elif len(given) != 2:
        raise ValueError(f"{said}, a rectangle, has {len(given)} points")
    else:
        xs, ys = zip(*given, strict=True)
        last = 2 * shift  # the last pixel, where pixels are named
        yield box(name, min(xs), min(ys), max(xs) + last, max(ys) + last, **more)


def _bitmap(name: str, item: dict[str, Any], more: dict[str, Any]) -> Shape:
    """
    Raises:
        ValueError: no picture, or an origin that is no pixel.
    """
    said = f"the bitmap of {more['said']}"
    (origin,) = as_points([item.get("origin")], f"the origin of {said}")
    if not all(abs(value) < 1e6 for value in origin):  # NaN and infinity are not
        raise ValueError(f"the origin of {said} is no place")
    mask = bitmap(inflated(decoded_base64(item.get("data"), said), said), said)
    return region(name, mask, int(origin[0]), int(origin[1]), **more)


def detect(place: Place) -> str | None:
    """As `Reader.detect`."""
    for file in place.matching("*.json"):
        if file.parent.name != ANNOTATIONS:
            continue
        head = place.head(file)
        if '"objects"' in head and '"size"' in head and '"images"' not in head:
            return f"{ANNOTATIONS}/{file.name} holds Supervisely's objects"
        return None
    return None


READER = Reader(
    name="supervisely",
    said="a project of Supervisely",
    read=read,
    detect=detect,
    option=False,
    takes=DRAWN,
)
