"""VGG Image Annotator (VIA): projects of versions 2 and 3, and annotations of 1 and 2, as JSON.

An image's tags are the values of the attributes that hold the classes, the regions' and its own.

Source: what via-2.0.x and via-3.0.x of gitlab.com/vgg/via write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from ..errors import WsssError
from .files import ImageFolder
from .lists import read_json, read_lists, refuse_twice
from .masks import USUAL, MaskOptions, Masks
from .place import Place
from .reading import DRAWN, Asked, Reader
from .sample import Collection, Problem, Sample, collect
from .shapes import Drawing
from .via_entries import Entry, Names, entries_of
from .via_shapes import shape_of

LOOKED_AT = 8  # files that tell the format


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


def read_via(
    path: Path,
    images: Path | None = None,
    attributes: Sequence[str] = (),
    splits: Mapping[str, Path | None] | None = None,
    classes: tuple[str, ...] | None = None,
    masks: Path | None = None,
    negative: tuple[str, ...] = (),
    mask_options: MaskOptions = USUAL,
) -> Collection:
    """Read a project or an export of annotations.

    Args:
        path: the JSON file.
        images: folder of the images, the file's own by default; an image is found by its path in
            there, or by its name where that is the only one.
        attributes: those whose values are classes; otherwise as `Options` says.
        splits: list files by split name.
        classes: names in order; otherwise all tags found, sorted.
        masks: folder of label images named like the images.
        negative: tags that say that an image shows no class.
        mask_options: what is said of the masks beside.

    Raises:
        WsssError: a file is missing, not JSON or not of VIA; which attribute holds the classes is
            not clear; an image listed twice; masks without a class order.
    """
    folder = ImageFolder(images or path.parent, "--images names the folder of the images")
    label_images = Masks(masks, mask_options)
    entries = entries_of(path, read_json(path))
    of_regions, of_images = _choose(path, entries, attributes)
    samples, problems = [], []
    for entry in entries:
        try:
            image = folder.search(entry.name)
            image_id = folder.id_of(image)
            tags = _tags(entry, of_regions, of_images)
            drawing = _drawing(entry, of_regions).without(negative)
        except (LookupError, ValueError) as err:
            problems.append(Problem(entry.name or "''", *err.args))
            continue
        known = bool(drawing.shapes) or not entry.regions
        samples.append(Sample(image_id, image, tags, drawing=drawing if known else None))
    refuse_twice(str(path), "images", [sample.id for sample in samples])
    samples, more = _in_splits(path, samples, splits or {}, folder)
    samples, ambiguous = label_images.attach(samples, folder)
    if classes is None:
        label_images.order(str(path), samples)
    shown = {tag for sample in samples for tag in sample.tags if tag not in negative}
    found = label_images.classes(sorted(shown))
    notes = {"source": "via", "attributes": sorted({*of_regions, *of_images})}
    problems += more + ambiguous
    return label_images.settle(
        collect(
            samples, found, classes, list(splits or {}), notes, problems,
            source=str(path), negative=negative, remarks=folder.remarks(),
        )
    )  # fmt: skip


def _choose(
    path: Path, entries: Sequence[Entry], asked: Sequence[str]
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
    has = f"it has: {has}" if has else _nothing(entries)
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


def _nothing(entries: Sequence[Entry]) -> str:
    """What is said of a file no attribute of which holds anything that can be read."""
    faults = [f"{entry.name}: {entry.problem}" for entry in entries if entry.problem]
    return f"first {faults[0]}" if faults else "none holds anything"


def _tags(entry: Entry, of_regions: Sequence[str], of_images: Sequence[str]) -> Names:
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


def _drawing(entry: Entry, of_regions: Sequence[str]) -> Drawing:
    """The shapes of an image's regions, one for each class that a region has.

    Raises:
        ValueError: one that cannot be.
    """
    shapes = []
    for number, (region, value) in enumerate(zip(entry.regions, entry.shapes, strict=True), 1):
        for tag in dict.fromkeys(tag for name in of_regions for tag in region.get(name, ())):
            shape = None if value is None else shape_of(tag, value, number)
            if shape is not None:
                shapes.append(shape)
    return Drawing(tuple(shapes), f"image {entry.name!r}")


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


def read(path: Path, asked: Asked, options: Options) -> Collection:
    """`read_via` of what is asked."""
    named, place = options.attribute or (), Place(path)
    file = path if place.single else next(iter(found_in(place)), None)
    if file is None:
        raise WsssError(f"{path}: holds no JSON file of VIA")
    if not place.single and len(found_in(place)) > 1:
        names = " and ".join(one.name for one in found_in(place)[:2])
        raise WsssError(f"{path}: holds several files of VIA: {names}", "name the one to read")
    return read_via(
        file,
        asked.images,
        named,
        asked.splits,
        asked.classes,
        asked.masks,
        asked.negative,
        asked.mask_options,
    )


def found_in(place: Place) -> list[Path]:
    """The files of VIA: one, or where a project and its export lie side by side the project."""
    projects, exports = [], []
    for file in place.matching("*.json")[:LOOKED_AT]:
        head = place.head(file)
        if '"_via_img_metadata"' in head:
            projects.append(file)
        elif all(f'"{key}"' in head for key in ("filename", "regions", "shape_attributes")):
            exports.append(file)
    return projects or exports


def detect(place: Place) -> str | None:
    """As `Reader.detect`."""
    found = found_in(place)
    return f"{found[0].name} holds VIA's regions" if found else None


READER = Reader(
    name="via",
    said="VGG Image Annotator's JSON",
    detect=detect,
    source=Annotated[
        Path, typer.Option(metavar="FILE", help="VGG Image Annotator project or export, JSON.")
    ],
    read=read,
    options=Options,
    takes=DRAWN,
)
