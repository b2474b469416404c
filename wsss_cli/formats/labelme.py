"""labelme: a JSON file beside each image, of versions 3 to 7, and of programs that write alike.

Flags of the file are the image's tags.

Source: _label_file.py of github.com/wkentaro/labelme.
"""

from __future__ import annotations

import os
import posixpath
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import WsssError
from .bitmaps import decoded_base64
from .entries import Entry, gather
from .files import ImageFolder
from .json_fields import (
    as_list,
    as_object,
    as_text,
    read_object,
    type_of,
)  # fmt: skip
from .labelme_shapes import NAMES, drawing
from .names import is_image
from .place import Place
from .reading import DRAWN, Asked, Reader
from .sample import NOT_CLASSES, Collection
from .shapes import BACKGROUND

LOOKED_AT = 8  # files that tell the format
_SHAPES = re.compile(r'"shapes"\s*:\s*\[')
_OTHERS = ('"imagePath"', '"shape_type"')


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of labelme's files alone."""

    flags: Annotated[
        bool,
        typer.Option(
            "--flags/--no-flags", help="Whether the flags of labelme's files are the image's tags."
        ),
    ] = True


def read(path: Path, asked: Asked, options: Options) -> Collection:
    """Read a folder of files, or one.

    Raises:
        WsssError: none of them is labelme's, or whatever `gather` raises.
    """
    place = Place(path)
    folder = place.folder(asked.images)
    entries, foreign, found = [], [], Found()
    for file in place.matching("*.json"):
        entry = _entry(file, place, folder, options.flags, found)
        if entry is None:
            foreign.append(os.path.relpath(file, place.root))
        else:
            entries.append(entry)
    if not entries:
        raise WsssError(f'{path}: holds no JSON file of labelme (with "shapes")')
    remarks = found.remarks()
    if foreign:
        remarks.append(f"{len(foreign)} JSON files are not labelme's, first {foreign[0]}")
    used = {entry.image for entry in entries}
    if asked.images is None and asked.masks is None and not place.single and None not in used:
        left = [one for one in place.names if is_image(one) and place.root / one not in used]
        if left:
            remarks.append(
                f"{len(left)} images have no JSON file and are left out, first {left[0]}"
            )
    return gather(str(path), entries, folder, asked, {"source": "labelme"}, remarks=remarks)


class Found:
    """Flags and labels of all files."""

    def __init__(self) -> None:
        self.flags: dict[str, None] = {}
        self.labels: dict[str, None] = {}

    def remarks(self) -> list[str]:
        strange = [name for name in self.flags if name not in self.labels]
        if not strange or not self.labels:
            return []
        named = ", ".join(map(repr, strange[:3]))
        return [f"flags are tags, also {named}, which no shape is of; --no-flags leaves them out"]


def _entry(
    file: Path, place: Place, folder: ImageFolder, flags: bool, found: Found
) -> Entry | None:
    """An image; None where the file is not labelme's."""
    relative = os.path.relpath(file, place.root).replace(os.sep, "/")
    try:
        content = read_object(file)
        if "shapes" not in content and not {"imagePath", "imageData"} & content.keys():
            return None
        labels, flagged = _tags(content, flags)
        names = _names(relative, content)
        image: Path | bytes | None = _beside(names, folder)
        if image is None and content.get("imageData"):
            image, names = decoded_base64(content["imageData"], "its imageData"), names[::-1]
    except ValueError as err:
        return Entry(name=relative, problem=str(err))
    found.labels.update(dict.fromkeys(labels))
    found.flags.update(dict.fromkeys(flagged))
    return Entry(
        name=names[0],
        names=tuple(names[1:]),
        image=image,
        tags=tuple(dict.fromkeys((*flagged, *labels))),
        drawing=partial(drawing, file, relative),
    )


def _tags(content: dict[str, Any], flags: bool) -> tuple[list[str], list[str]]:
    """Classes of shapes, and flags that are set.

    Raises:
        ValueError: a label that is no name, or flags that are neither set nor not.
    """
    labels = []
    for number, item in enumerate(as_list(content.get("shapes"), "shapes"), 1):
        said = f"the label of shape {number}"
        name = as_text(as_object(item, f"shape {number}").get("label"), said)
        if name not in NAMES and name != BACKGROUND:
            labels.append(name)
    flagged = []
    for name, value in as_object(content.get("flags") or {}, "flags").items() if flags else ():
        if not isinstance(value, bool):
            raise ValueError(f"the flag {name!r} is {type_of(value)}, not true or false")
        if value and name.strip() and name.lower() not in NOT_CLASSES:
            flagged.append(name.strip())
    return labels, flagged


def _names(relative: str, content: dict[str, Any]) -> list[str]:
    """What the image may be called, relative to the source: as the file has it, its last part
    beside the file, and as the file itself is called.

    Raises:
        ValueError: what the file has is no name.
    """
    above = posixpath.dirname(relative)
    own = posixpath.splitext(relative)[0]
    if content.get("imagePath") is None:
        return [own]
    path = as_text(content["imagePath"], "imagePath").replace("\\", "/")
    beside = posixpath.join(above, posixpath.basename(path) or own)
    absolute = path.startswith("/") or path[1:2] == ":"
    name = path if absolute else posixpath.normpath(posixpath.join(above, path))
    if is_image(path) and posixpath.splitext(beside)[0] == own:
        own = beside
    return list(dict.fromkeys((name, beside, own)))


def _beside(names: list[str], folder: ImageFolder) -> Path | None:
    for name in names:
        with suppress(LookupError):
            return folder.find(name)
    return None


def detect(place: Place) -> str | None:
    """As `Reader.detect`."""
    for file in place.matching("*.json")[:LOOKED_AT]:
        head = place.head(file)
        if (_SHAPES.search(head) and any(one in head for one in _OTHERS)) or (
            '"imageData"' in head and '"images"' not in head
        ):
            return f"{file.name} holds labelme's shapes"
    return None


READER = Reader(
    name="labelme",
    said="labelme's JSON files",
    read=read,
    options=Options,
    detect=detect,
    option=False,
    takes=DRAWN,
)
