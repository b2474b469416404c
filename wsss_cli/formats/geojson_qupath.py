"""QuPath's annotations as GeoJSON: one file an image, in pixels of the full image.

Coordinates are those of pixel corners, rings are closed, the further rings of a polygon are holes.
The image is not named in the file: it is the one that the file is called after.

Source: qupath.readthedocs.io (Exporting annotations), GsonTools of github.com/qupath/qupath, and
RFC 7946.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import WsssError
from .entries import Entry, gather
from .lists import read_json
from .place import Place
from .reading import DRAWN, Asked, Reader, Unclassed
from .sample import Collection
from .shapes import BACKGROUND, IGNORED, Drawing, Shape, line, meant, point, polygon

SOME = 20  # files of a folder that are looked into to find out what it is
DEEP = 8  # collections of geometries within each other
# What QuPath says of every object, and what no map says.
_OWN = re.compile(r'"(objectType|classification|isLocked|nucleusGeometry)"\s*:')


def read(path: Path, asked: Asked, options: Unclassed) -> Collection:
    """Read one file, or a folder of them.

    Raises:
        WsssError: no such file, one of maps, or whatever `gather` raises.
    """
    place = Place(path)
    files = place.matching("*.geojson")
    files = files or [file for file in place.matching("*.json") if _is_geojson(place, file)]
    if place.single:
        files = [path]
    if not files:
        raise WsssError(f"{path}: holds no GeoJSON")
    entries = [_entry(place, file, options.label) for file in files]
    return gather(str(path), entries, place.folder(asked.images), asked, {"source": "geojson"})


def _entry(place: Place, file: Path, label: str | None) -> Entry:
    """
    Raises:
        WsssError: not GeoJSON, or of a map.
    """
    inside = os.path.splitext(os.path.relpath(file, place.root))[0].replace(os.sep, "/")
    features = _features(file, label)
    try:
        named = [(_class_of(one, label), one) for one in features if _wanted(one)]
    except ValueError as err:
        return Entry(name=inside, problem=str(err))
    names = dict.fromkeys(name for name, _ in named)
    return Entry(
        name=inside,
        names=(inside.rpartition("/")[2],),
        drawing=partial(_drawing, named, file.name),
        tags=tuple(name for name in names if name not in (BACKGROUND, IGNORED)),
    )


def _features(file: Path, label: str | None) -> list[dict[str, Any]]:
    """The features of a file: of a collection, or of a list, as QuPath wrote before 0.3.

    Raises:
        WsssError: other JSON, or coordinates of a map.
    """
    found = read_json(file)
    if isinstance(found, dict) and found.get("crs") is not None:
        raise WsssError(
            f"{file}: is of a map (crs), whose coordinates are not pixels",
            "export the annotations in pixels of the image",
        )
    if isinstance(found, dict):
        found = found.get("features") if found.get("type") == "FeatureCollection" else [found]
    if not isinstance(found, list) or not all(_is_feature(one) for one in found):
        raise WsssError(f"{file}: is no list of GeoJSON's features")
    own = [one for one in found if {"objectType", "classification"} & set(one["properties"] or {})]
    if found and not own and label is None:
        raise WsssError(
            f"{file}: no feature has an objectType or a classification, as QuPath's have: is it of "
            "a map?",
            "--label NAME reads it as pixels, of one class",
        )
    return found


def _is_feature(one: Any) -> bool:
    return (
        isinstance(one, dict)
        and one.get("type") == "Feature"
        and isinstance(one.setdefault("properties", {}), (dict, type(None)))
    )


def _wanted(feature: Mapping[str, Any]) -> bool:
    """Whether it is an object, and has a place."""
    kind = (feature["properties"] or {}).get("objectType")
    return feature.get("geometry") is not None and kind not in ("root", "tile")


def _class_of(feature: Mapping[str, Any], label: str | None) -> str:
    """
    Raises:
        ValueError: it has none.
    """
    found = (feature["properties"] or {}).get("classification")
    if isinstance(found, dict):
        names = found.get("names")
        found = found.get("name")
        if found is None and isinstance(names, list) and all(isinstance(n, str) for n in names):
            found = ": ".join(names)
    if found is None or found == "":
        if label is None:
            raise ValueError("an object has no class: --label NAME gives it one")
        return label
    if not isinstance(found, str):
        raise ValueError(f"a class that is {found!r}"[:100])
    return meant(found.strip().rstrip("*"))  # "Ignore*": the star keeps it from being measured


def _drawing(named: list[tuple[str, dict[str, Any]]], file: str) -> Drawing:
    """
    Raises:
        ValueError: coordinates that are none, or of a kind that is not known.
    """
    shapes: list[Shape] = []
    for number, (name, feature) in enumerate(named):
        try:
            shapes += _shapes(name, feature["geometry"], number)
        except (ValueError, TypeError, OverflowError) as err:
            text = str(err) if isinstance(err, ValueError) else "coordinates that are no numbers"
            raise ValueError(f"{file}: an object of {name!r}: {text}") from None
    return Drawing(tuple(shapes), file)


def _shapes(name: str, geometry: Any, number: int, depth: int = 0) -> Iterator[Shape]:
    """The parts of an object.

    Raises:
        ValueError: as `_drawing`.
    """
    if not isinstance(geometry, dict) or depth > DEEP:
        raise ValueError("a geometry that is none")
    kind, found = geometry.get("type"), geometry.get("coordinates")
    more: dict[str, Any] = {"object": number, "said": f"a {kind} of {name!r}"}
    if kind == "GeometryCollection":
        for part in _list(geometry.get("geometries")):
            yield from _shapes(name, part, number, depth + 1)
        return
    parts = _list(found)
    if kind == "Point":
        yield point(name, *_place(parts), **more)
    elif kind == "MultiPoint":
        for place in parts:
            yield point(name, *_place(place), **more)
    elif kind in ("LineString", "MultiLineString"):
        for path in [parts] if kind == "LineString" else parts:
            yield line(name, [_place(place) for place in _list(path)], **more)
    elif kind in ("Polygon", "MultiPolygon"):
        for part in [parts] if kind == "Polygon" else parts:
            rings = [[_place(place) for place in _list(ring)] for ring in _list(part)]
            if not rings:
                raise ValueError("a polygon without points")
            yield polygon(name, rings[0], rings[1:], **more)
    else:
        raise ValueError(f"a geometry of the type {kind!r}"[:100])


def _list(found: Any) -> list[Any]:
    if not isinstance(found, list):
        raise ValueError("coordinates that are no list")
    return found


def _place(found: Any) -> tuple[float, float]:
    """x and y; a height behind is left."""
    if not isinstance(found, list) or len(found) < 2:
        raise ValueError("a place that is not x and y")
    x, y = found[:2]
    if isinstance(x, (str, bool)) or isinstance(y, (str, bool)):
        raise ValueError("coordinates that are no numbers")
    return float(x), float(y)


def _is_geojson(place: Place, file: Path) -> bool:
    head = place.head(file)
    return '"Feature' in head and _OWN.search(head) is not None


def detect(place: Place) -> str | None:
    """As `Reader.detect`."""
    for file in place.matching("*.geojson", "*.json")[:SOME]:
        head = place.head(file)
        if file.suffix.lower() == ".geojson" and '"Feature' in head and '"crs"' not in head:
            if _OWN.search(head) or re.search(r'"features"\s*:\s*\[\s*\]', head):
                return f"{file.name} holds objects of QuPath"
        elif _is_geojson(place, file):
            return f"{file.name} holds objects of QuPath"
    return None


READER = Reader(
    name="geojson",
    said="QuPath's GeoJSON",
    read=read,
    options=Unclassed,
    detect=detect,
    option=False,
    takes=DRAWN,
)
