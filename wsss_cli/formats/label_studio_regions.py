"""What people drew in Label Studio: the items of a `result` as shapes.

Coordinates are percent of the image's width and height. A box turns about its upper left corner,
an ellipse about its centre, both clockwise and in pixels.

Source: labelstud.io/guide/task_format and the pages of its tags.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from .shapes import Shape, box, ellipse, later_region, line, meant, point, polygon, turned_box

if TYPE_CHECKING:
    import numpy as np

MOST = 1 << 31  # pixels of an image
# What tells a kind of region, by the keys of its value.
KINDS = (
    ("rle", "a brush stroke"),
    ("points", "a polygon"),
    ("radiusX", "an ellipse"),
    ("width", "a rectangle"),
    ("x", "a point"),
)


@dataclass(frozen=True)
class Region:
    """One region of an annotation.

    Attributes:
        said: what messages call it.
        value: where it is.
        labels: its classes.
        size: (H, W) of the image, None where it is not said.
        source: who drew it.
    """

    said: str
    value: Mapping[str, Any]
    labels: tuple[str, ...]
    size: tuple[int, int] | None
    source: str | None

    @property
    def outline(self) -> bool:
        """Whether it says which pixels are its object's."""
        return any(key in self.value for key in ("rle", "points", "radiusX"))


def tags_of(items: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The choices that are of the image as a whole.

    Raises:
        ValueError: choices that are no texts.
    """
    found: list[str] = []
    for item in items:
        value = item["value"]
        if "choices" in value and kind_of(value) is None:
            found += texts(value["choices"], "choices")
    return tuple(dict.fromkeys(found))


def regions_of(items: Iterable[Mapping[str, Any]], source: str | None) -> list[Region]:
    """The regions of a result. Items of one id, or of one place, are one: a shape and its labels.

    Raises:
        ValueError: a region without a label, labels that are no texts, a size that cannot be, an
            image that was turned in the tool.
    """
    grouped: dict[object, list[Mapping[str, Any]]] = {}
    for number, item in enumerate(items):
        if kind_of(item["value"]) is not None:
            grouped.setdefault(_key(item, number), []).append(item)
    return [_region(parts, source) for parts in grouped.values()]


def kind_of(value: Mapping[str, Any]) -> str | None:
    """What a value draws on the image, or None."""
    if "sequence" in value or "start" in value:  # of a video, a sound or a text
        return None
    return next((said for key, said in KINDS if key in value), None)


def texts(found: Any, what: str) -> list[str]:
    """
    Raises:
        ValueError: not a text, or a list of texts that are not empty.
    """
    listed = [found] if isinstance(found, str) else found
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise ValueError(f"{what} that are no texts")
    return [one.strip() for one in listed if one.strip()]


def shapes_of(region: Region) -> Iterator[Shape]:
    """A region as shapes, one for each of its labels, in shares of the image's size.

    Raises:
        ValueError: numbers that are none, or a shape that cannot be.
    """
    for name in region.labels:
        yield _shape(meant(name), region)


def _key(item: Mapping[str, Any], number: int) -> object:
    if isinstance(item.get("id"), str) and item["id"]:
        return item["id"]
    value = item["value"]
    if "rle" in value:
        return number
    place = {key: part for key, part in value.items() if isinstance(part, (int, float, list))}
    return repr(sorted((k, v) for k, v in place.items() if not _names_classes(k)))


def _names_classes(key: str) -> bool:
    return key.endswith("labels") or key == "choices"


def _region(parts: list[Mapping[str, Any]], source: str | None) -> Region:
    value = parts[0]["value"]
    said = str(kind_of(value))
    labels: list[str] = []
    for item in parts:
        for key, part in item["value"].items():
            if key.endswith("labels"):
                labels += texts(part, "labels")
    if not labels:  # a shape that was drawn without, and a choice made for it
        for item in parts:
            labels += texts(item["value"].get("choices", []), "choices")
    if not labels:
        raise ValueError(f"{said} has no label")
    turned = [one for item in parts if (one := item.get("image_rotation")) not in (None, 0)]
    if turned:
        raise ValueError(f"{said} was drawn on the image turned by {turned[0]!r} degrees")
    return Region(said, value, tuple(dict.fromkeys(labels)), _size(parts[0]), source)


def _size(item: Mapping[str, Any]) -> tuple[int, int] | None:
    """
    Raises:
        ValueError: not two whole numbers above 0.
    """
    found = [item.get(key, item["value"].get(key)) for key in ("original_height", "original_width")]
    if found == [None, None]:
        return None
    if not all(type(one) is int and one > 0 for one in found) or found[0] * found[1] > MOST:
        raise ValueError(f"an image of {found[1]!r}x{found[0]!r} pixels")
    return found[0], found[1]


def _shape(name: str, region: Region) -> Shape:
    value, said = region.value, f"{region.said} of {name!r}"
    more: dict[str, Any] = {"source": region.source, "said": said}

    def share(key: str) -> float:
        return _number(value, key, said) / 100

    if "rle" in value:
        if region.size is None:
            raise ValueError(f"{said} without the size of its image")
        decode = partial(_painted, value, *region.size, said)
        return later_region(name, decode, (0, 0, 1, 1), **more)
    if "points" in value:
        points = value["points"]
        if not isinstance(points, list):
            raise ValueError(f"{said} without points")
        shares = _shares(points, said)
        open_ = value.get("closed") is False
        return line(name, shares, **more) if open_ else polygon(name, shares, **more)
    if "radiusX" in value:
        found = ellipse(name, 0, 0, share("radiusX"), share("radiusY"), **more)
        return _turned(found, (share("x"), share("y")), value, region)
    if "width" in value and not any(key.startswith("keypoint") for key in value):
        x, y, width, height = (share(key) for key in ("x", "y", "width", "height"))
        degrees = _number(value, "rotation", said, 0) % 360
        if degrees == 0:
            return box(name, x, y, x + width, y + height, **more)
        if degrees % 90 == 0:
            upright = turned_box(name, 0, 0, *_pixels((width, height), region), degrees, (0, 0))
            low, high = upright.rings[0].round(9).min(axis=0), upright.rings[0].round(9).max(axis=0)
            (x0, y0), (x1, y1) = (_of_pixels(corner, region) for corner in (low, high))
            return box(name, x + x0, y + y0, x + x1, y + y1, **more)
        found = turned_box(name, 0, 0, width, height, 0.0, (0, 0), **more)
        return _turned(found, (x, y), value, region)
    return point(name, share("x"), share("y"), **more)


def _turned(
    shape: Shape, origin: tuple[float, float], value: Mapping[str, Any], region: Region
) -> Shape:
    """A shape around (0, 0), in shares, turned there in pixels, and moved to its place."""
    from dataclasses import replace

    import numpy as np

    from .shapes import turned

    degrees = _number(value, "rotation", shape.said, 0)
    (ring,) = shape.rings
    if degrees % 360:
        size = np.array(_pixels((1, 1), region))
        ring = turned(ring * size, (0, 0), degrees) / size
    return replace(shape, rings=(ring + origin,))


def _pixels(share: tuple[float, float], region: Region) -> tuple[float, float]:
    """
    Raises:
        ValueError: the size is not known.
    """
    if region.size is None:
        raise ValueError(f"{region.said} is turned, and nothing says how large its image is")
    return share[0] * region.size[1], share[1] * region.size[0]


def _of_pixels(place: np.ndarray, region: Region) -> tuple[float, float]:
    assert region.size is not None
    return float(place[0]) / region.size[1], float(place[1]) / region.size[0]


def _number(value: Mapping[str, Any], key: str, said: str, usual: float | None = None) -> float:
    found = value.get(key, usual)
    if found is None and usual is not None:
        return usual
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise ValueError(f"{said} whose {key} is {found!r}"[:200])
    try:
        number = float(found)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{said} whose {key} is no number")
    return number


def _shares(points: list[Any], said: str) -> np.ndarray:
    import numpy as np

    try:
        found = np.array(points, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{said} whose points are no numbers") from None
    return found / 100


def _painted(value: Mapping[str, Any], height: int, width: int, said: str) -> np.ndarray:
    from .label_studio_rle import decode_brush

    if value.get("format", "rle") != "rle":
        raise ValueError(f"{said} in the format {value['format']!r}")
    try:
        return decode_brush(value["rle"], height, width)
    except ValueError as err:
        raise ValueError(f"{said} has {err}") from None
