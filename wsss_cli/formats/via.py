"""VGG Image Annotator (VIA): projects of versions 2 and 3, and annotations of 1 and 2, as JSON.

An image's tags are the values of the attributes that hold the classes, the regions' and its own.

Source: what via-2.0.x and via-3.0.x of gitlab.com/vgg/via write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import WsssError
from .files import ImageFolder
from .lists import read_json, read_lists, refuse_twice
from .reading import TAGGED, Asked, Reader
from .sample import Collection, Problem, Sample, collect, need_class_order

_TEXT, _CHECKBOX = 1, 2  # types of a version 3 attribute; of the others, a value is one option
_IMAGE = 2  # type of a version 3 file
_HINT = "VIA writes one with Project > Save, or Annotation > Export (as json)"
Names = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of --via alone."""

    attribute: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Attribute whose values are the classes. Repeatable. Default: the only one of "
            "regions, and the only one of images that is a choice.",
        ),
    ] = None


@dataclass
class _Entry:
    """One image as the file describes it.

    Attributes:
        name: as the file has it.
        own: the image's attributes, and the names that each holds.
        regions: the same of each region.
        free: of the image's attributes, those that hold free text, such as a caption.
        problem: why it cannot be used.
    """

    name: str
    own: dict[str, Names] = field(default_factory=dict)
    regions: list[dict[str, Names]] = field(default_factory=list)
    free: set[str] = field(default_factory=set)
    problem: str | None = None


def read_via(
    path: Path,
    images: Path | None = None,
    attributes: Sequence[str] = (),
    splits: Mapping[str, Path | None] | None = None,
    classes: tuple[str, ...] | None = None,
    masks: Path | None = None,
) -> Collection:
    """Read a project or an export of annotations.

    Args:
        path: the JSON file.
        images: folder of the images, the file's own by default; an image is found by its path in
            there, or by its name where that is the only one.
        attributes: those whose values are classes; otherwise as `Options` says.
        splits: list files by split name.
        classes: names in order; otherwise all tags found, sorted.
        masks: folder of label PNGs named like the images.

    Raises:
        WsssError: a file is missing, not JSON or not of VIA; which attribute holds the classes is
            not clear; an image listed twice; masks without a class order.
    """
    folder = ImageFolder(images or path.parent, "--images names the folder of the images")
    if masks is not None and not masks.is_dir():
        raise WsssError(f"{masks}: no such folder")
    entries = _entries(path, read_json(path))
    of_regions, of_images = _choose(path, entries, attributes)
    samples, problems = [], []
    for entry in entries:
        try:
            image = folder.search(entry.name)
            image_id = folder.id_of(image)
            tags = _tags(entry, of_regions, of_images)
        except LookupError as err:
            problems.append(Problem(entry.name or "''", err.args[0]))
            continue
        mask = masks / f"{folder.stem(image)}.png" if masks is not None else None
        mask = mask if mask is not None and mask.is_file() else None
        samples.append(Sample(image_id, image, tags, mask))
    refuse_twice(str(path), "images", [sample.id for sample in samples])
    samples, more = _in_splits(path, samples, splits or {}, folder)
    if classes is None:
        need_class_order(str(path), samples)
    found = sorted({tag for sample in samples for tag in sample.tags})
    notes = {"source": "via", "attributes": sorted({*of_regions, *of_images})}
    return collect(samples, found, classes, list(splits or {}), notes, problems + more)


def _choose(
    path: Path, entries: Iterable[_Entry], asked: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The attributes of regions and of images that hold the classes."""
    of_regions: dict[str, None] = {}
    of_images: dict[str, bool] = {}  # to whether it is free text
    for entry in entries:
        for region in entry.regions:
            of_regions |= {name: None for name, values in region.items() if values}
        for name, values in entry.own.items():
            if values:
                of_images[name] = name in entry.free or of_images.get(name, False)
    has = " and ".join(
        f"{', '.join(map(ascii, names))} of {what}"
        for names, what in ((of_regions, "regions"), (of_images, "images"))
        if names
    )
    has = f"it has: {has or 'none that holds anything'}"
    if asked:
        strange = [name for name in asked if name not in of_regions and name not in of_images]
        if strange:
            raise WsssError(f"{path}: has no attribute {strange[0]!r}", has)
        return [n for n in asked if n in of_regions], [n for n in asked if n in of_images]
    choices = [name for name, free in of_images.items() if not free]
    if len(of_regions) > 1 or len(choices) > 1 or not (of_regions or choices):
        said = "several attributes" if of_regions or choices else "no attribute"
        raise WsssError(
            f"{path}: {said} may hold the classes", f"name them with --attribute; {has}"
        )
    return list(of_regions), choices


def _tags(entry: _Entry, of_regions: Sequence[str], of_images: Sequence[str]) -> Names:
    """An image's tags, each once.

    Raises:
        LookupError: it cannot be used, or a region has no class, so that its tags are not known.
    """
    if entry.problem is not None:
        raise LookupError(entry.problem)
    tags = [tag for name in of_images for tag in entry.own.get(name, ())]
    for number, region in enumerate(entry.regions if of_regions else (), start=1):
        found = [tag for name in of_regions for tag in region.get(name, ())]
        if not found:
            raise LookupError(f"region {number} has no {' or '.join(map(ascii, of_regions))}")
        tags += found
    return tuple(dict.fromkeys(tags))


def _in_splits(
    path: Path, samples: list[Sample], splits: Mapping[str, Path | None], folder: ImageFolder
) -> tuple[list[Sample], list[Problem]]:
    """The samples in the splits asked for, all where none is."""
    if not splits:
        return samples, []
    files = {name: file for name, file in splits.items() if file is not None}
    absent = [name for name in splits if name not in files]
    if absent:
        raise WsssError(f"{path}: has no split '{absent[0]}'", "--split NAME=FILE names a list")
    _, listed, problems = read_lists(files, folder)
    known = {sample.id for sample in samples}
    problems += [Problem(i, f"not in {path.name}") for i in listed if i not in known]
    kept = [replace(one, splits=listed[one.id]) for one in samples if one.id in listed]
    return kept, problems


def _entries(path: Path, content: Any) -> list[_Entry]:
    """All images that a file names, of whichever version it is.

    Raises:
        WsssError: it is not of VIA, lacks parts, or names no image.
    """
    content = content if isinstance(content, dict) else {"": None}
    declared: Any = {}
    try:
        if {"file", "view", "metadata", "attribute"} <= content.keys():
            entries = _of_version_3(content)
        else:
            listed = content
            if "_via_img_metadata" in content:
                listed = content["_via_img_metadata"]
                declared = content.get("_via_attributes", {}).get("file", {})
            elif any("filename" not in one or "regions" not in one for one in content.values()):
                raise WsssError(f"{path}: not a project or annotations of VIA", _HINT)
            entries = [_of_version_2(one, declared) for one in listed.values()]
    except KeyError as err:
        raise WsssError(f"{path}: lacks {err.args[0]!r}, so is not whole", _HINT) from None
    except (AttributeError, TypeError, ValueError):
        raise WsssError(f"{path}: not a project or annotations of VIA", _HINT) from None
    if not entries:
        raise WsssError(f"{path}: names no image")
    return entries


def _of_version_2(item: Mapping[str, Any], declared: Mapping[str, Any]) -> _Entry:
    """An image of version 1 or 2; version 1 numbers the regions in a dict."""
    entry = _Entry(str(item["filename"]))
    regions = item["regions"]
    try:
        for region in regions.values() if isinstance(regions, dict) else regions:
            values = region["region_attributes"].items()
            entry.regions.append({name: _names(name, value) for name, value in values})
        for name, value in item.get("file_attributes", {}).items():
            entry.own[name] = _names(name, value)
            kind = declared[name]["type"] if name in declared else None
            if kind == "text" or (kind is None and not isinstance(value, dict)):
                entry.free.add(name)
    except ValueError as err:
        entry.problem = str(err)
    return entry


def _names(attribute: str, value: Any) -> Names:
    """The names that a value of version 2 holds: a text, or a choice of several as {name: true}.

    Raises:
        ValueError: it is neither.
    """
    chosen = {value: True} if isinstance(value, str) else {} if value is None else value
    if not isinstance(chosen, dict) or not all(isinstance(on, bool) for on in chosen.values()):
        kind = type(value).__name__
        raise ValueError(f"its {attribute!a} is of type {kind}, no name or choice")
    return tuple(name.strip() for name, on in chosen.items() if on and name.strip())


def _of_version_3(content: Mapping[str, Any]) -> list[_Entry]:
    """All images of a project of version 3, whose annotations stand apart from the files."""
    entries = {fid: _Entry(str(file["fname"])) for fid, file in content["file"].items()}
    for fid, file in content["file"].items():
        if file["type"] != _IMAGE:
            entries[fid].problem = "is no image"
    views = {vid: [str(fid) for fid in view["fid_list"]] for vid, view in content["view"].items()}
    for item in content["metadata"].values():
        seen = [entries[fid] for fid in views[str(item["vid"])]]
        if len(seen) != 1:
            for entry in seen:
                entry.problem = "is annotated together with another image"
            continue
        values: dict[str, Names] = {}
        try:
            for aid, value in item["av"].items():
                attribute = content["attribute"][aid]
                values[attribute["aname"]] = _options(attribute, value)
                if attribute["type"] == _TEXT and not item["xy"]:
                    seen[0].free.add(attribute["aname"])
        except ValueError as err:
            seen[0].problem = str(err)
        if item["xy"]:
            seen[0].regions.append(values)
        else:
            own = seen[0].own
            own |= {name: (*own.get(name, ()), *held) for name, held in values.items()}
    return list(entries.values())


def _options(attribute: Mapping[str, Any], value: Any) -> Names:
    """The names that a value of version 3 holds: a text, or numbers of options.

    Raises:
        ValueError: there is no such option.
    """
    if not isinstance(value, str):
        kind = type(value).__name__
        raise ValueError(f"its {attribute['aname']!a} is of type {kind}, no text")
    if attribute["type"] == _TEXT:
        return (value.strip(),) if value.strip() else ()
    numbers = value.split(",") if attribute["type"] == _CHECKBOX else [value]
    names = []
    for number in filter(None, numbers):
        if number not in attribute["options"]:
            raise ValueError(f"its {attribute['aname']!a} has no option {ascii(number)[:40]}")
        names.append(str(attribute["options"][number]).strip() or number)
    return tuple(names)


def read(path: Path, asked: Asked, options: Options) -> Collection:
    """`read_via` of what is asked."""
    named = options.attribute or ()
    return read_via(path, asked.images, named, asked.splits, asked.classes, asked.masks)


READER = Reader(
    name="via",
    source=Annotated[
        Path, typer.Option(metavar="FILE", help="VGG Image Annotator project or export, JSON.")
    ],
    read=read,
    options=Options,
    takes=("images", *TAGGED),
)
