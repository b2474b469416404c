"""COCO's JSON of objects, stuff and panoptic segments, as COCO and many tools write it.

Coordinates are those of pixel corners, boxes x, y, width and height. Roboflow has one file in each
split's folder.

Source: cocodataset.org/#format-data; files of CVAT, datumaro, supervision, Label Studio, VIA and
Roboflow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ..errors import WsssError
from .coco_entries import HOME, Said, reading_of
from .coco_json import read_page
from .coco_shapes import Crowd, OnTop
from .entries import gather
from .files import ImageFolder
from .outlines import OutlineOptions
from .place import Place
from .reading import DRAWN, Asked, Reader
from .sample import Collection

ROBOFLOW = "_annotations.coco.json"
KINDS = ("instances", "stuff", "panoptic", "person_keypoints", "captions", "image_info")
UNREAD = ("captions", "image_info")
LOOKED_AT = 20  # JSON files whose beginning is looked at to tell the format
SPLITS = ("train", "val", "valid", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Options(OutlineOptions):
    """Options of COCO's files alone."""

    crowd: Annotated[
        Crowd | None,
        typer.Option(
            help="What iscrowd 1 means: ignore, nothing is known of the pixels; class, an object "
            "as others. Default: where the file tells.",
        ),
    ] = None
    on_top: Annotated[
        OnTop | None,
        typer.Option(
            help="Which of two outlines that overlap is seen: the smaller, or that which stands "
            "later in the file. Default: later in files of CVAT and datumaro, else smaller.",
        ),
    ] = None


def read(path: Path, asked: Asked, options: Options) -> Collection:
    """Read a JSON, or those of a folder.

    Raises:
        WsssError: no such file, several of the same images, or whatever `read_page`, `reading_of`
            and `gather` raise.
    """
    place = Place(path)
    files, remarks = chosen(place)
    folder = place.folder(asked.images)
    if place.single and asked.images is None and place.root.name == HOME:
        folder = ImageFolder(place.root.parent, "--images names the folder of the images")
    pages = [(read_page(place, file), split) for file, split in files.items()]
    said = Said(options.crowd, options.inclusive, options.on_top)
    reading = reading_of(pages, place, asked, said)
    return gather(
        str(path),
        reading.entries,
        folder,
        reading.asked,
        {"source": "coco", **reading.notes},
        classes=reading.classes,
        splits=dict.fromkeys(split for split in files.values() if split is not None),
        remarks=[*remarks, *reading.remarks],
    )


def chosen(place: Place) -> tuple[dict[Path, str | None], list[str]]:
    """The files to read with the split of each, and what is said of the others.

    Of COCO's own kinds of annotations of the same images, instances are read.

    Raises:
        WsssError: none, or several kinds without instances.
    """
    if place.single:
        return {place.path: _split(place.path, alone=True)}, []
    kinds: dict[str, list[Path]] = {}
    for file in _candidates(place):
        if looks(place.head(file)):
            kinds.setdefault(_kind(file), []).append(file)
    others = {kind: kinds.pop(kind) for kind in UNREAD if kind in kinds and len(kinds) > 1}
    if not kinds:
        raise WsssError(f"{place.path}: holds no JSON of COCO", "name the file itself")
    if len(kinds) > 1:
        if "instances" not in kinds or "" in kinds:
            both = " and ".join(files[0].name for files in list(kinds.values())[:2])
            raise WsssError(
                f"{place.path}: holds {both}, which may be of the same images",
                "name the file to read, and the folder of the images with --images",
            )
        others |= {kind: kinds.pop(kind) for kind in list(kinds) if kind != "instances"}
    (files,) = kinds.values()
    passed = [file.name for some in others.values() for file in some]
    remarks = [f"{', '.join(passed)} not read: name one to read it"] if passed else []
    return {file: _split(file, len(files) == 1) for file in files}, remarks


def _candidates(place: Place) -> Iterator[Path]:
    """JSON files where COCO's lie: at the top or one folder below, or in one of COCO's own."""
    for file in place.matching("*.json"):
        inside = file.relative_to(place.root).parts[:-1]
        if len(inside) < 2 or inside[-1] == HOME or file.name == ROBOFLOW:
            yield file


def looks(head: str) -> bool:
    """Whether a JSON that begins so is COCO's."""
    return (
        head.lstrip().startswith("{")
        and re.search(r'"(images|annotations|categories)"\s*:\s*\[', head) is not None
        and re.search(r'"(image_id|file_name|coco_url|segments_info|supercategory)"\s*:', head)
        is not None
    )


def _kind(file: Path) -> str:
    """Of COCO's kinds the one that a file's name begins with; '' for another name."""
    return next((kind for kind in KINDS if re.match(rf"{kind}(_|\.json$)", file.name)), "")


def _split(file: Path, alone: bool) -> str | None:
    """The split that a file is of, as its name or its folder's says; None where it is of none."""
    if file.name == ROBOFLOW:
        return file.parent.name or None
    name = file.stem.removeprefix(_kind(file)).lstrip("_")
    if not name or (alone and name == "default"):
        return None
    return name if _kind(file) or not alone or name in SPLITS else None


def detect(place: Place) -> str | None:
    """As `Reader.detect`."""
    files = list(_candidates(place))
    files.sort(key=lambda file: not (_kind(file) or file.name == ROBOFLOW))
    for file in files[:LOOKED_AT]:
        if looks(place.head(file)):
            return f"{file.name} holds COCO's images and categories"
    return None


READER = Reader(
    name="coco",
    said="COCO",
    read=read,
    options=Options,
    detect=detect,
    option=False,
    takes=DRAWN,
)
