"""What COCO's JSON holds, each record made small as soon as it is parsed.

As Python has it, a file of outlines takes six times its size; so, about twice.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .coco_rle import Rle, rle_of

Id = int | str
Box = tuple[float, float, float, float]
CORNERS = 6  # numbers of the smallest outline


class Picture(NamedTuple):
    """An image that a file lists; `absent` are categories that it says not to be there."""

    id: Id
    name: str
    address: str | None
    size: tuple[int, int] | None
    absent: tuple[Id, ...] | None


@dataclass(frozen=True, slots=True)
class Annotation:
    """One object.

    Attributes:
        image, category: ids; None where `bad` says so.
        box: x0, y0, x1, y1; None where it has none, or one without a size.
        outline: its parts, x and y in turn each; or run lengths; None where it has none.
        lost: parts with fewer than three points.
        crowd: what the file calls iscrowd.
        attributed: whether it has attributes, as those of CVAT and datumaro.
        annotator: who drew it, where the file says so.
        bad: why it cannot be read.
    """

    image: Id | None
    category: Id | None = None
    box: Box | None = None
    outline: Rle | tuple[array[float], ...] | None = None
    lost: int = 0
    crowd: bool = False
    attributed: bool = False
    annotator: str | None = None
    bad: str | None = None


class Segment(NamedTuple):
    """A segment of a panoptic image."""

    id: int
    category: Id
    crowd: bool


class Panoptic(NamedTuple):
    """The segments of an image, and the file of their pixels."""

    image: Id | None
    file: str
    segments: tuple[Segment, ...]
    bad: str | None = None


def compact(found: dict[str, Any]) -> Any:
    """What takes the place of an object of the JSON: as `lists.read_json` wants it."""
    if "segments_info" in found:
        return _panoptic(found)
    if "image_id" in found:
        return _annotation(found)
    try:
        if "category_id" in found:
            number = found.get("id")
            if type(number) is not int or number < 0:
                return found
            return Segment(number, id_of(found["category_id"]), _crowd(found))
        if "id" in found and ("file_name" in found or "coco_url" in found):
            return _picture(found)
    except ValueError:
        pass  # as it is, it is told by where it stands
    return found


def id_of(value: Any) -> Id:
    """An id; a text of digits is a number.

    Raises:
        ValueError: neither a whole number nor a text.

    >>> id_of("12"), id_of("a"), id_of("007"), id_of(3.0)
    (12, 'a', '007', 3)
    """
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        plain = value.isascii() and value.isdigit() and len(value) < 20
        return int(value) if plain and str(int(value)) == value else value
    raise ValueError(f"an id that is {ascii(value)[:40]}")


def _annotation(found: Mapping[str, Any]) -> Annotation:
    try:
        image = id_of(found["image_id"])
    except ValueError as err:
        return Annotation(None, bad=f"the image has {err}")
    try:
        if "category_id" not in found:
            raise ValueError("no category_id")
        outline, lost = _outline(found.get("segmentation"))
        annotator = found.get("annotator")
        return Annotation(
            image,
            id_of(found["category_id"]),
            _box(found.get("bbox")),
            outline,
            lost,
            _crowd(found),
            "attributes" in found,
            str(annotator) if type(annotator) in (int, str) else None,
        )
    except ValueError as err:
        return Annotation(image, bad=f"annotation {ascii(found.get('id'))[:20]} has {err}")


def _panoptic(found: Mapping[str, Any]) -> Panoptic:
    try:
        image = id_of(found.get("image_id"))
    except ValueError as err:
        return Panoptic(None, "", (), f"the image has {err}")
    file, segments = found.get("file_name"), found["segments_info"]
    if not isinstance(file, str) or not file:
        return Panoptic(image, "", (), "no file_name of its segments")
    if not isinstance(segments, list) or not all(isinstance(one, Segment) for one in segments):
        return Panoptic(image, file, (), "segments without an id or a category_id")
    twice = [one for one, count in Counter(part.id for part in segments).items() if count > 1]
    if twice:
        return Panoptic(image, file, (), f"two segments have the id {twice[0]}")
    return Panoptic(image, file, tuple(segments))


def _picture(found: Mapping[str, Any]) -> Picture:
    address = found.get("coco_url")
    address = address if isinstance(address, str) and address else None
    name = found.get("file_name") or address
    if not isinstance(name, str):
        raise ValueError("no name")
    sides = found.get("height"), found.get("width")
    size = sides if all(type(one) is int and 0 < one < 1 << 31 for one in sides) else None
    absent = found.get("neg_category_ids")
    ids = tuple(id_of(one) for one in absent) if isinstance(absent, list) else None
    return Picture(id_of(found["id"]), name, address, size, ids)  # type: ignore[arg-type]


def _box(found: Any) -> Box | None:
    """
    Raises:
        ValueError: no four numbers.
    """
    if found is None or found == []:
        return None
    if not isinstance(found, list) or len(found) != 4 or not _numbers(found):
        raise ValueError("a bbox that is not four numbers")
    x, y, width, height = map(_float, found)
    return (x, y, x + width, y + height) if width > 0 and height > 0 else None


def _outline(found: Any) -> tuple[Rle | tuple[array[float], ...] | None, int]:
    """An outline, and how many parts of it are none.

    Raises:
        ValueError: it cannot be read.
    """
    if found is None or found == []:
        return None, 0
    if isinstance(found, dict):
        return rle_of(found), 0
    if not isinstance(found, list):
        raise ValueError("a segmentation that is neither a list nor run lengths")
    flat = not isinstance(found[0], list)
    parts = [_part(one) for one in ([found] if flat or _pairs(found) else found)]
    kept = tuple(one for one in parts if len(one) >= CORNERS)
    return kept or None, len(parts) - len(kept)


def _pairs(found: Sequence[Any]) -> bool:
    return all(isinstance(one, list) and len(one) == 2 and _numbers(one) for one in found)


def _part(found: Any) -> array[float]:
    """x and y in turn, the first point not again at the end.

    Raises:
        ValueError: no such numbers.
    """
    if isinstance(found, list) and found and _pairs(found):
        found = [number for pair in found for number in pair]
    if not isinstance(found, list) or not _numbers(found) or len(found) % 2:
        raise ValueError("a polygon that is no list of x and y in turn")
    try:
        part = array("d", found)
    except OverflowError:
        raise ValueError("a polygon with a number beyond all images") from None
    while len(part) > 2 and part[:2] == part[-2:]:
        del part[-2:]
    return part


def _numbers(found: Sequence[Any]) -> bool:
    return all(type(one) is float or type(one) is int for one in found)


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        raise ValueError("a number beyond all images") from None


def _crowd(found: Mapping[str, Any]) -> bool:
    value = found.get("iscrowd") or 0
    if value not in (0, 1):
        raise ValueError(f"an iscrowd that is {ascii(value)[:40]}")
    return bool(value)
