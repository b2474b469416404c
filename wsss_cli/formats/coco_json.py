"""One JSON of COCO: its categories and images, and the annotations of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import WsssError
from .coco_records import Annotation, Id, Panoptic, Picture, compact, id_of
from .lists import read_json
from .place import Place


class Category(NamedTuple):
    """A class; `thing` is whether it can be counted."""

    name: str
    parent: str | None
    thing: bool


@dataclass(frozen=True)
class Page:
    """One file.

    Attributes:
        file: it.
        info: what it says of itself, in small letters.
        categories: by id, in order.
        pictures: in order.
        of: what is said of each image, by its id.
        strangers: ids of images that annotations name and the file does not list, one for each.
        panoptic: whether annotations are segments.
    """

    file: Path
    info: str
    categories: dict[Id, Category]
    pictures: tuple[Picture, ...]
    of: dict[Id, list[Any]] = field(default_factory=dict)
    strangers: list[Id] = field(default_factory=list)
    panoptic: bool = False


def read_page(place: Place, file: Path) -> Page:
    """A file as it is.

    Raises:
        WsssError: not such JSON; no images, annotations or categories, or such that make no sense;
            most annotations are of images that it does not list.
    """
    found = read_json(file, compact)
    if isinstance(found, list):
        raise WsssError(
            f"{file}: holds a list, which is what a detector writes, not a data set",
            "give the JSON with images, annotations and categories",
        )
    if not isinstance(found, dict):
        raise WsssError(f"{file}: no JSON of COCO")
    for part in ("images", "annotations", "categories"):
        if not isinstance(found.get(part), list):
            raise WsssError(f"{file}: has no list of {part}", "COCO's JSON has one")
    page = Page(
        file,
        str(found.get("info") or "").lower(),
        _categories(file, found["categories"]),
        _pictures(file, found["images"]),
        panoptic=any(isinstance(one, Panoptic) for one in found["annotations"]),
    )
    known = {one.id for one in page.pictures}
    kind = Panoptic if page.panoptic else Annotation
    for number, one in enumerate(found["annotations"], 1):
        if not isinstance(one, kind):
            raise WsssError(f"{file}: annotation {number} of {len(found['annotations'])} is none")
        if one.image is None:
            raise WsssError(f"{file}: annotation {number}: {one.bad}")
        if one.image in known:
            page.of.setdefault(one.image, []).append(one)
        else:
            page.strangers.append(one.image)
    if 2 * len(page.strangers) > len(found["annotations"]):
        raise WsssError(
            f"{file}: {len(page.strangers)} of {len(found['annotations'])} annotations are of "
            f"images that it does not list, first of image {page.strangers[0]!r}"
        )
    return page


def _pictures(file: Path, found: Sequence[Any]) -> tuple[Picture, ...]:
    """
    Raises:
        WsssError: an image without id or name, or two of one id.
    """
    for number, one in enumerate(found, 1):
        if not isinstance(one, Picture):
            raise WsssError(f"{file}: image {number} of {len(found)} has no id or no file_name")
    named: dict[Id, str] = {}
    for one in found:
        if named.setdefault(one.id, one.name) != one.name:
            raise WsssError(f"{file}: two images have the id {one.id!r}")
    return tuple(found)


def _categories(file: Path, found: Sequence[Any]) -> dict[Id, Category]:
    """By id, in the order of ids.

    Raises:
        WsssError: one without id or name, or two of one id or name.
    """
    read: dict[Id, Category] = {}
    for number, one in enumerate(found, 1):
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str) or not name.strip() or "id" not in one:
            raise WsssError(f"{file}: category {number} of {len(found)} has no id or no name")
        try:
            key = id_of(one["id"])
        except ValueError as err:
            raise WsssError(f"{file}: category {number} of {len(found)} has {err}") from None
        if key in read:
            raise WsssError(f"{file}: two categories have the id {key!r}")
        parent = one.get("supercategory")
        thing = one.get("isthing", 1) not in (0, False)
        read[key] = Category(name.strip(), parent if isinstance(parent, str) else None, thing)
    twice = [name for name, n in Counter(one.name for one in read.values()).items() if n > 1]
    if twice:
        raise WsssError(
            f"{file}: two categories are called {twice[0]!r}",
            "give each a name of its own, such as its supercategory's in front",
        )
    return dict(sorted(read.items(), key=lambda pair: (isinstance(pair[0], str), pair[0])))
