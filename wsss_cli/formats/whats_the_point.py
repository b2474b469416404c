"""What's the Point: clicks on VOC's images, as JSON {image: [{x, y, cls, rank}]}.

Pixels count from 0, so that a click on whole numbers is a pixel's centre. Class 0 is background,
others are VOC's in order; the rank says as which of an annotator's clicks it came.

Source: Bearman et al., What's the Point (ECCV 2016), and the README of its annotations.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..errors import WsssError
from .entries import Entry, gather
from .json_fields import as_list, as_number, as_object, type_of
from .lists import read_json
from .place import Place
from .reading import TAGGED, Asked, Reader
from .sample import VOC_CLASSES, Collection
from .shapes import BACKGROUND, UNKNOWN, Drawing, Shape, point

IMAGES = "JPEGImages"
LOOKED_AT = 8  # files that tell the format
_CLICK = re.compile(r'^\s*\{\s*"[^"]*"\s*:\s*\[\s*(\{\s*"(x|y|cls|rank)"|\])')


def read(path: Path, asked: Asked, _: Any) -> Collection:
    """Read a file, or all such files of a folder: those of background lie in one of their own.

    Raises:
        WsssError: there is none; as `gather`.
    """
    place = Place(path)
    files = place.matching("*.json")
    if not place.single:
        files = [file for file in files if _holds_clicks(place, file)]
    if not files:
        raise WsssError(f"{path}: holds no JSON of clicks (image: [{{x, y, cls}}])")
    clicks: dict[str, list[Any]] = {}
    problems: dict[str, str] = {}
    for file in files:
        content = read_json(file)
        if not isinstance(content, dict):
            raise WsssError(f"{file}: holds {type_of(content)}, not clicks by image")
        for image, listed in content.items():
            try:
                clicks.setdefault(image, []).extend(as_list(listed, "what it has"))
            except ValueError as err:
                problems[image] = f"{file.name}: {err}"
    classes = asked.classes or VOC_CLASSES
    entries = (
        _entry(image, listed, classes, problems.get(image)) for image, listed in clicks.items()
    )
    notes, folder = {"source": READER.name}, place.folder(asked.images)
    return gather(str(path), entries, folder, asked, notes, classes=classes)


def _entry(image: str, listed: list[Any], classes: tuple[str, ...], problem: str | None) -> Entry:
    try:
        shapes = [_click(item, number, classes) for number, item in enumerate(listed, 1)]
    except ValueError as err:
        problem = problem or str(err)
    if problem is not None:
        return Entry(name=image, problem=problem)
    drawing = Drawing(tuple(shapes), f"image {image!r}")
    return Entry(name=image, names=(f"{IMAGES}/{image}",), drawing=drawing)


def _click(value: Any, number: int, classes: tuple[str, ...]) -> Shape:
    """
    Raises:
        ValueError: it is none, or of no class.
    """
    said = f"click {number}"
    item = as_object(value, said)
    label, rank = item.get("cls"), item.get("rank")
    if type(label) is not int or not 0 <= label <= len(classes):
        raise ValueError(f"the cls of {said} is {str(label)[:40]!r}: 0 to {len(classes)} are known")
    if rank is not None and (type(rank) is not int or not 0 <= rank < 1 << 31):
        raise ValueError(f"the rank of {said} is {str(rank)[:40]!r}, no place in an order")
    x, y = (as_number(item.get(side), f"the {side} of {said}") + 0.5 for side in "xy")
    name = [BACKGROUND, *classes][label]
    return point(name, x, y, rank=UNKNOWN if rank is None else rank, said=f"{said} ({name})")


def _holds_clicks(place: Place, file: Path) -> bool:
    head = place.head(file)
    return '"cls"' in head and _CLICK.match(head) is not None


def detect(place: Place) -> str | None:
    """As `Reader.detect`."""
    for file in place.matching("*.json")[:LOOKED_AT]:
        if _holds_clicks(place, file):
            return f"{file.name} holds clicks by image"
    return None


READER = Reader(
    name="whats-the-point",
    said="What's the Point",
    read=read,
    detect=detect,
    option=False,
    takes=("images", *TAGGED),
)
