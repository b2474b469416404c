"""Points that people clicked, in tables and small files of many programs.

A plain CSV with columns of the image, x, y and label; napari's points and shapes; regions and
results of ImageJ; points of QuPath. Where a format has no image, it is the file's name that says
it, and where it has no class, the name of the layer or --label.
"""

from __future__ import annotations

import enum
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ..artifacts.inputs import walk
from ..errors import WsssError
from .entries import Entry, gather
from .files import ImageFolder
from .names import is_image
from .place import Place
from .point_files import (
    CENTRE,
    CORNER,
    ONE,
    Drawn,
    members,
    points_of,
    regions_of,
)
from .point_kinds import QUPATH, ROI, detect, files_of
from .point_rows import PLAIN, RESULTS, drawn_of
from .reading import DRAWN, Asked, Reader, Unclassed
from .sample import Collection
from .shapes import (
    BACKGROUND,
    IGNORED,
    UNKNOWN,
    Drawing,
    Shape,
    box,
    ellipse,
    line,
    meant,
    point,
    polygon,
)

SHIFT = {CORNER: 0.0, CENTRE: 0.5, ONE: -0.5}  # of a whole number, to the corners of pixels
LAYER = "__"  # between the image and the layer in the name of a file


class Origin(str, enum.Enum):
    """Where the whole numbers of a table lie."""

    corner = CORNER
    centre = CENTRE
    one = ONE


class Unlisted(str, enum.Enum):
    """What an image is of which a table says nothing."""

    unknown = "unknown"
    absent = "absent"
    skip = "skip"


@dataclass(frozen=True, kw_only=True)
class Options(Unclassed):
    """Options of tables of points alone."""

    origin: Annotated[
        Origin | None,
        typer.Option(
            help="Where whole coordinates lie: at the corner of a pixel, so that the first pixel "
            "covers 0 to 1; at its centre, the first being 0; or at its centre, the first being 1 "
            "(one). Default: corner; centre for napari.",
        ),
    ] = None
    unlisted: Annotated[
        Unlisted,
        typer.Option(
            help="What becomes of images without a point: nothing is known of them (unknown), they "
            "show none of the classes (absent), or they are left out (skip)."
        ),
    ] = Unlisted.unknown


def read(path: Path, asked: Asked, options: Options) -> Collection:
    """Read one table, or a folder of files of one kind.

    Raises:
        WsssError: no such files, or several kinds of them; points without a class; or whatever
            the files and `gather` raise.
    """
    place = Place(path)
    kind, files, remarks = files_of(place)
    folder = ImageFolder(
        asked.images or (path.parent if _zipped(path) else place.root),
        "--images names the folder of the images",
    )
    images: dict[str, list[Drawn]] = {}
    for image, one in _all_drawn(place, kind, files, options.label):
        images.setdefault(image, []).append(one)
    entries = [_entry(image, drawn, options) for image, drawn in images.items()]
    frame = options.origin.value if options.origin else CENTRE if "napari" in kind else CORNER
    notes: dict[str, Any] = {"source": "points", "kind": kind, "origin": frame}
    if options.unlisted is not Unlisted.skip:
        entries, more = _with_unlisted(entries, folder, options.unlisted)
        remarks += more
    return gather(str(path), entries, folder, asked, notes, remarks=remarks)


def _all_drawn(
    place: Place, kind: str, files: list[Path], label: str | None
) -> Iterator[tuple[str, Drawn]]:
    """What all files hold, by image, each with a class.

    Raises:
        WsssError: as the files do, or shapes without a class.
    """
    unclassed: list[str] = []
    count = 0
    for file in files:
        own, layer = _named_by(place, file, kind, label)
        for one in _drawn(file, kind):
            image = own if one.image is None else one.image
            if one.kind and label is None and one.label is None:
                one = replace(one, label=layer)
            elif one.kind and one.label is None:
                one = replace(one, label=label)
            if one.kind and one.label is None:
                count += 1
                unclassed.append(file.name + (f" (line {one.line})" if one.line else ""))
                unclassed = unclassed[:3]
            yield image, one
    if count:
        raise WsssError(
            f"{place.path}: {count} shapes have no class, first in {', '.join(unclassed)}",
            "--label NAME gives it, or a file's name: IMAGE__NAME.csv",
        )


def _drawn(file: Path, kind: str) -> Iterable[Drawn]:
    if kind not in (ROI, QUPATH):
        return drawn_of(file, kind)
    ending, parse = (".roi", regions_of) if kind == ROI else (".txt", points_of)
    if _zipped(file):
        return parse(members(file, ending), str(file))
    from ..artifacts import ledger
    from ..artifacts.inputs import contents

    ledger.read(file)
    return parse({file.name: contents(file)}, str(file))


def _named_by(place: Place, file: Path, kind: str, label: str | None) -> tuple[str, str | None]:
    """The image that a file's name says, and the class."""
    alone = kind in (ROI, QUPATH) and not _zipped(file)
    if alone and file.parent == place.root and _zipped(place.path):
        file = place.path
    elif alone and file.parent != place.root and not is_image(file.stem):
        file = file.parent  # a folder an image
        return file.name, None
    name = file.stem if file.suffix else file.name
    if label is None and LAYER in name and kind not in (PLAIN, RESULTS):
        image, _, layer = name.rpartition(LAYER)
        return image, layer.strip() or None
    return _without(name), None


def _without(name: str) -> str:
    """A name without the "RoiSet" that ImageJ proposes."""
    return re.sub(r"(?i)^roiset[-_ ]+|[-_ ]+roiset$", "", name)


def _zipped(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


def _entry(image: str, drawn: list[Drawn], options: Options) -> Entry:
    problem = next((one.problem for one in drawn if one.problem), None)
    shown = [one for one in drawn if one.kind]
    tags = dict.fromkeys(meant(one.label or "") for one in shown)
    return Entry(
        name=image,
        drawing=partial(_drawing, image, shown, options.origin),
        tags=tuple(tag for tag in tags if tag not in (BACKGROUND, IGNORED)),
        problem=problem,
    )


def _drawing(image: str, drawn: list[Drawn], origin: Origin | None) -> Drawing:
    shapes = tuple(_shape(one, origin) for one in drawn)
    return Drawing(shapes, f"image {image!r}")


def _shape(one: Drawn, origin: Origin | None) -> Shape:
    """
    Raises:
        ValueError: an outline with too few points.
    """
    name = meant(one.label or "")
    shift = SHIFT[one.frame if origin is None else origin.value]
    more: dict[str, Any] = {
        "source": one.source,
        "rank": UNKNOWN if one.rank is None else one.rank,
        "said": f"a {one.kind} of {name!r}" + (f" (line {one.line})" if one.line else ""),
    }
    xy = [(x + shift, y + shift) for x, y in one.xy]
    if one.kind == "point":
        return point(name, *xy[0], **more)
    if one.kind == "line":
        return line(name, xy, **more)
    (x0, y0), (x1, y1) = (tuple(of(part) for part in zip(*xy, strict=True)) for of in (min, max))
    if one.kind == "box":
        return box(name, x0, y0, x1, y1, **more)
    if one.kind == "ellipse":
        return ellipse(name, (x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2, (y1 - y0) / 2, **more)
    holes = [[(x + shift, y + shift) for x, y in ring] for ring in one.holes]
    return polygon(name, xy, holes, **more)


def _with_unlisted(
    entries: list[Entry], folder: ImageFolder, unlisted: Unlisted
) -> tuple[list[Entry], list[str]]:
    """All images of the folders that images of entries are in."""
    used, found = set(), []
    for one in entries:
        try:
            path = folder.search(one.name)
            used.add(os.path.normpath(path))
            found.append(replace(one, image=path))
        except LookupError:
            found.append(one)
    places = {os.path.dirname(path) for path in used}
    left = [
        path
        for path in walk(folder.root, is_image)
        if os.path.dirname(path) in places and os.path.normpath(path) not in used
    ]
    absent = () if unlisted is Unlisted.unknown else None
    found += [Entry(name=path.name, image=path, absent=absent) for path in left]
    meaning = "nothing is known of them" if absent is not None else "they show none of the classes"
    said = [f"no point is on {len(left)} images: {meaning} (--unlisted)"] if left else []
    return found, said


READER = Reader(
    name="points",
    said="points",
    read=read,
    options=Options,
    detect=detect,
    option=False,
    takes=DRAWN,
    before=("csv",),
)
