"""The images of COCO's files, with the classes of all files and what is to be said of them."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..artifacts import ledger
from .coco_json import Page
from .coco_panoptic import drawing_of as segments_of
from .coco_panoptic import segments_file
from .coco_records import Annotation, Id, Panoptic, Picture
from .coco_shapes import (
    Crowd,
    OnTop,
    Ways,
    border_named,
    drawing_of,
    ignores_crowds,
    is_stuff,
    which_on_top,
)
from .entries import Entry
from .place import Place
from .reading import Asked
from .shapes import BACKGROUND, IGNORED, Drawing

HOME = "annotations"  # the folder that COCO has its files in
SPECIAL = {"background": BACKGROUND, "_background_": BACKGROUND, "__ignore__": IGNORED}
Pages = Sequence[tuple[Page, str | None]]  # with the split of each


@dataclass(frozen=True)
class Said:
    """What the user says that files do not: as the options of the format have it."""

    crowd: Crowd | None = None
    inclusive: bool | None = None
    on_top: OnTop | None = None


@dataclass(frozen=True)
class Reading:
    """What was read.

    Attributes:
        entries: of all images.
        classes: of all files, in the order of the first one's ids.
        remarks: what looks like a mistake.
        notes: what was decided.
        asked: what is left to be done of what was asked.
    """

    entries: list[Entry]
    classes: tuple[str, ...]
    remarks: list[str]
    notes: dict[str, Any]
    asked: Asked


def reading_of(pages: Pages, place: Place, asked: Asked, said: Said) -> Reading:
    """All that files say, as one.

    Raises:
        WsssError: as `ignores_crowds`.
    """
    names = _names([page for page, _ in pages])
    counts: Counter[str] = Counter()
    notes: dict[str, Any] = {}
    entries = []
    for page, split in pages:
        ways = _ways(page, names, said, counts, notes)
        wherever = partial(_wherever, _beside(place, page.file), split)
        splits = () if split is None else (split,)
        for pictures in _alike(page.pictures):
            counts["merged"] += len(pictures) - 1
            first, more = wherever(pictures[0])
            entry = Entry(name=first, names=more, splits=splits)
            try:
                entries.append(_told(entry, page, pictures, ways, asked.masks))
            except LookupError as err:
                entries.append(replace(entry, problem=str(err)))
    if any(page.panoptic for page, _ in pages):
        asked = replace(asked, masks=None)  # the folder of the segments
    classes = [name for name in names.values() if name not in (BACKGROUND, IGNORED)]
    strangers = [one for page, _ in pages for one in page.strangers]
    remarks = _remarks(counts, strangers)
    return Reading(entries, tuple(dict.fromkeys(classes)), remarks, notes, asked)


def _names(pages: Sequence[Page]) -> dict[str, str]:
    """Class names, and what stands for BACKGROUND and IGNORED, by category name.

    Left out is the parent that Roboflow makes up: of others, of nothing itself, never used.
    """
    found: dict[str, str] = {}
    for page in pages:
        used = {key for some in page.of.values() for one in some for key in _used(one)}
        parents = {one.parent for one in page.categories.values()}
        for key, one in page.categories.items():
            root = one.parent is None or one.parent.lower() in ("", "none")
            if key in used or not (root and one.name in parents):
                found.setdefault(one.name, SPECIAL.get(one.name.lower(), one.name))
    return found


def _used(one: Annotation | Panoptic) -> Iterator[Id]:
    if isinstance(one, Panoptic):
        yield from (part.category for part in one.segments)
    elif one.category is not None:
        yield one.category


def _ways(
    page: Page,
    names: Mapping[str, str],
    said: Said,
    counts: Counter[str],
    notes: dict[str, Any],
) -> Ways:
    """How a file is read; what was seen is added to counts and notes."""
    known = {key: names[one.name] for key, one in page.categories.items() if one.name in names}
    if page.panoptic:
        return Ways(known, ignore_crowds=said.crowd is not Crowd.class_)
    every = [one for some in page.of.values() for one in some]
    counts["lost"] += sum(one.lost for one in every)
    counts["bare"] += sum(
        one.box is None and one.outline is None and one.bad is None for one in every
    )
    crowds = [one for one in every if one.crowd]
    ignore = ignores_crowds(page, crowds, said.crowd)
    if crowds:
        notes["crowd"] = (Crowd.ignore if ignore else Crowd.class_).value
    named, total = border_named(every) if said.inclusive is None else (0, 0)
    border = 2 * named > total if said.inclusive is None else said.inclusive
    counts["border"] += named if border else 0
    if border:
        notes["inclusive"] = True
    partly = any(one.absent is not None for one in page.pictures)
    on_top = which_on_top(every, said.on_top)
    notes["on_top"] = on_top.value
    return Ways(known, ignore, border, on_top, is_stuff(page), not partly)


def _beside(place: Place, file: Path) -> tuple[str, str]:
    """Where a file lies below the source, and what its images' names begin below."""
    beside = file.parent.relative_to(place.root).as_posix().removeprefix(".")
    above, last = posixpath.split(beside)
    return beside, above if last == HOME else beside


def _wherever(
    beside: tuple[str, str], split: str | None, one: Picture
) -> tuple[str, tuple[str, ...]]:
    """The name of an image, and further ones: those that COCO's and CVAT's folders give it."""
    folder, base = beside
    inside = [one.name]
    if split is not None:
        inside += [f"images/{split}/{one.name}", f"{split}/{one.name}"]
    inside.append(f"images/{one.name}")
    found = [posixpath.join(base, name) for name in inside]
    found += [posixpath.join(folder, one.name), *([one.address] if one.address else [])]
    return one.name, tuple(dict.fromkeys(name for name in found if name != one.name))


def _alike(pictures: Iterable[Picture]) -> Iterator[list[Picture]]:
    """The images, those of one name together."""
    found: dict[str, list[Picture]] = {}
    for one in pictures:
        found.setdefault(one.name, []).append(one)
    yield from found.values()


def _told(
    entry: Entry, page: Page, pictures: Sequence[Picture], ways: Ways, masks: Path | None
) -> Entry:
    """An entry with all that is said of its image.

    Raises:
        LookupError: nothing can be made of that.
    """
    keys = dict.fromkeys(one.id for one in pictures)
    found = tuple(one for key in keys for one in page.of.get(key, ()))
    for one in found:
        if one.bad is not None:
            raise LookupError(one.bad)
        for category in _used(one):
            if category not in ways.names:
                raise LookupError(f"has category {category!r}, which the file does not list")
    shown = dict.fromkeys(ways.names[key] for one in found for key in _used(one))
    entry = replace(
        entry,
        tags=tuple(name for name in shown if name not in (BACKGROUND, IGNORED)),
        absent=_absent(pictures, ways.names),
    )
    if page.panoptic:
        return replace(entry, drawing=_segments(entry.name, page, found, ways, masks))
    sizes = {one.size for one in pictures if one.size is not None}
    if len(sizes) > 1:
        raise LookupError("is listed with several sizes")
    size = next(iter(sizes), None)
    return replace(entry, drawing=partial(drawing_of, found, ways, entry.name, size))


def _absent(pictures: Sequence[Picture], names: Mapping[Id, str]) -> tuple[str, ...] | None:
    """Classes that are said not to be there, where that is said of some alone, as in LVIS."""
    said = [one.absent for one in pictures if one.absent is not None]
    if not said:
        return None
    return tuple(dict.fromkeys(names[key] for some in said for key in some if key in names))


def _segments(
    name: str, page: Page, found: Sequence[Panoptic], ways: Ways, masks: Path | None
) -> Any:
    """The drawing of a panoptic image.

    Raises:
        LookupError: it has several, or one whose file is nowhere in the folder.
    """
    if not found:
        return Drawing((), name)
    if len(found) > 1:
        raise LookupError(f"has {len(found)} lists of segments")
    png = segments_file(masks or page.file.with_suffix(""), found[0].file)
    ledger.read(png)
    things = frozenset(key for key, one in page.categories.items() if one.thing)
    return partial(segments_of, found[0], png, ways.names, things, ways.ignore_crowds, name)


def _remarks(counts: Mapping[str, int], strangers: Sequence[Id]) -> list[str]:
    found = []
    if strangers:
        found.append(
            f"{len(strangers)} annotations are of images that the file does not list, first of "
            f"image {strangers[0]!r}: left out"
        )
    said = {
        "lost": "{} polygons have fewer than 3 points: left out",
        "bare": "{} annotations have neither an outline nor a box: only their class counts",
        "merged": "{} images are listed twice, and taken as one each",
        "border": "{} outlines name the pixels on their border, which are taken as the objects' "
        "own: --no-inclusive reads them as edges",
    }
    return found + [text.format(counts[key]) for key, text in said.items() if counts[key]]
