"""Open Images: labels that people verified or machines gave, boxes and masks, as CSV files.

A label with Confidence 1 is in the image, one with 0 is verified not to be; of all others nothing
is known. Boxes are shares of the image's size. Masks are PNG files of another size than the image.

Source: storage.googleapis.com/openimages/web/download_v7.html.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ..artifacts.inputs import is_dir, walk
from ..errors import WsssError
from .entries import Entry, gather
from .names import is_image
from .open_images_found import SUBSETS, Found, Said
from .open_images_masks import mask_of
from .open_images_rows import (
    BOXES,
    IMAGES,
    LABELS,
    MASKS,
    NAMES,
    SIDES,
    Row,
    kind_of_head,
    names_of,
    rows_of,
)
from .place import Place
from .reading import DRAWN, Asked, Reader
from .sample import Collection
from .shapes import Drawing, Shape, box, later_region

SOME = 40  # files of a folder that are looked into to find out what it is


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of Open Images alone."""

    machine_labels: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="CONFIDENCE",
            help="Take labels that machines gave, of this confidence or more, where no person "
            "says otherwise. Default: none of them.",
        ),
    ] = None


def read(path: Path, asked: Asked, options: Options) -> Collection:
    """Read a folder of files, or one of labels, boxes or masks.

    Raises:
        WsssError: no such files, broken ones, no image of theirs, or whatever `gather` raises.
    """
    place = Place(path)
    kinds = _kinds(place)
    if not set(kinds) & {LABELS, BOXES, MASKS}:
        raise WsssError(f"{path}: holds no labels, boxes or masks of Open Images")
    names: dict[str, str] = {}
    for file in kinds.get(NAMES, ()):
        names = {**names, **names_of(file)}
    folder = place.folder(asked.images or _images_beside(place))
    found = Found(folder.root, asked.classes)
    for kind in (IMAGES, LABELS, BOXES, MASKS):
        for file in kinds.get(kind, ()):
            _take(kind, file, place, names, found, options.machine_labels)
    if not found.images and found.missing:
        first = next(iter(found.missing))
        raise WsssError(
            f"{path}: none of its {len(found.missing)} images is under {folder.root}, first "
            f"{first}",
            "--images names the folder of the images",
        )
    entries = [_entry(name, one) for name, one in found.images.items()]
    used = {tag for one in entries for tag in one.tags}
    order = list(dict.fromkeys(name for name in names.values() if name in used))
    order += sorted(used - set(order))
    splits = dict.fromkeys(split for one in found.images.values() for split in one.splits)
    return gather(
        str(path),
        entries,
        folder,
        asked,
        {"source": "open-images", "machine_labels": options.machine_labels},
        classes=tuple(order) if names and not asked.classes else None,
        splits=splits,
        remarks=_remarks(found, folder.root),
    )


def _kinds(place: Place) -> dict[str, list[Path]]:
    """The files by what they hold; beside a single one, the names of the classes."""
    files = place.matching("*.csv")
    if place.single:
        files = [place.path, *Place(place.root).matching("*class-descriptions*.csv")]
    kinds: dict[str, list[Path]] = {}
    for file in files:
        kind = kind_of_head(file.name, place.head(file))
        if kind is not None:
            kinds.setdefault(kind, []).append(file)
    return kinds


def _images_beside(place: Place) -> Path | None:
    """A folder of images beside that of the annotations, where this one has none itself."""
    if any(True for _ in walk(place.root, is_image)):
        return None
    beside = place.root.parent / "images"
    return beside if is_dir(beside) else None


def _take(
    kind: str,
    file: Path,
    place: Place,
    names: dict[str, str],
    found: Found,
    least: float | None,
) -> None:
    """Note what a file says.

    Raises:
        WsssError: rows that are broken.
    """
    split = next((one for one in SUBSETS if one in _words(file.stem)), None)
    pngs = _pngs(place) if kind == MASKS else {}
    for row in rows_of(file):
        image = found.image(row, row.text("Subset") or split)
        if image is None:
            continue
        if kind == IMAGES:
            image.turned |= row.text("Rotation") not in ("", "0", "0.0")
            continue
        label = row.text("LabelName")
        if not label:
            raise WsssError(f"{row.place}: names no class")
        if names and label not in names:
            found.strange[label] = None
        label = names.get(label, label)
        if found.wanted is not None and label not in found.wanted:
            found.other[label] = None
            continue
        if kind == LABELS:
            _take_label(image, label, row, "machine" in _words(file.stem), least)
        elif kind == BOXES and row.text("Confidence") not in ("0", "0.0"):
            sides = tuple(row.number(side) for side in SIDES)
            image.boxes.append((label, sides, row.text("IsGroupOf") == "1"))
        elif kind == MASKS:
            name = row.text("MaskPath").rpartition("/")[2]
            if name not in pngs:
                raise WsssError(f"{row.place}: there is no mask {name!r} under {place.root}")
            image.masks.append((label, pngs[name]))


def _take_label(image: Said, label: str, row: Row, by_machine: bool, least: float | None) -> None:
    """
    Raises:
        WsssError: a person's label that is neither 0 nor 1.
    """
    sure = row.number("Confidence")
    if by_machine or row.text("Source") == "machine":
        if least is not None and sure >= least:
            image.machine.add(label)
    elif sure in (0, 1):
        (image.present if sure else image.absent).add(label)
    else:
        raise WsssError(
            f"{row.place}: Confidence is {sure:g}, and a person says 0 or 1",
            "labels of machines are in a file that says machine in its name or its Source",
        )


def _words(stem: str) -> set[str]:
    return set(stem.lower().replace("_", "-").split("-"))


def _pngs(place: Place) -> dict[str, Path]:
    return {name.rpartition("/")[2]: place.root / name for name in place.names
            if name.lower().endswith(".png")}  # fmt: skip


def _entry(name: str, one: Said) -> Entry:
    """What is said of an image: what people contradict each other about is not said."""
    drawn = {label for label, _, _ in one.boxes} | {label for label, _ in one.masks}
    absent = one.absent - one.present - drawn
    present = (one.present - one.absent) | drawn | (one.machine - one.absent)
    return Entry(
        name=name,
        image=one.path,
        drawing=partial(_drawing, name, one) if one.boxes or one.masks else None,
        tags=tuple(sorted(present)),
        absent=tuple(sorted(absent)),
        splits=tuple(one.splits),
    )


def _drawing(name: str, one: Said) -> Drawing:
    shapes: list[Shape] = []
    for label, (x0, y0, x1, y1), group in one.boxes:
        said = f"a box of {label!r}"
        shapes.append(box(label, x0, y0, x1, y1, crowd=group, said=said))
    for label, path in one.masks:
        decode = partial(mask_of, path, one.path)
        shapes.append(later_region(label, decode, (0, 0, 1, 1), said=f"the mask {path.name}"))
    return Drawing(tuple(shapes), f"image {name}", fraction=True, true_boxes=bool(one.boxes))


def _remarks(found: Found, root: Path) -> list[str]:
    said = []
    for what, names in (
        (f"images are not under {root} and left out", found.missing),
        ("labels have no name in the class descriptions", found.strange),
        ("classes are not among those asked for and left out", found.other),
    ):
        if names:
            said.append(f"{len(names)} {what}, first {next(iter(names))}")
    turned = [name for name, one in found.images.items() if one.turned and one.boxes]
    if turned:
        said.append(
            f"{len(turned)} images with boxes have a Rotation, first {turned[0]}: the boxes are "
            "taken as those of the image as it is displayed"
        )
    return said


def detect(place: Place) -> str | None:
    """As `Reader.detect`."""
    files: Iterable[Path] = place.matching("*.csv")[:SOME]
    for file in files:
        kind = kind_of_head(file.name, place.head(file))
        if kind in (LABELS, BOXES, MASKS):
            return f"{file.name} has the columns of {kind}"
    return None


READER = Reader(
    name="open-images",
    said="Open Images",
    read=read,
    options=Options,
    detect=detect,
    option=False,
    takes=DRAWN,
    before=("csv",),
)
