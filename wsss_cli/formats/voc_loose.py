"""XML files as VOC has them, of a source that is no devkit: of supervision, Label Studio, LabelImg.

An image is found by the name that the XML has, or by that of the XML itself; it may lie beside, or
in a folder beside that of the XML files.
"""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from ..artifacts import ledger
from ..artifacts.inputs import contents
from ..errors import WsssError
from .entries import Entry, gather
from .place import Place
from .reading import Asked
from .sample import Collection
from .shapes import Drawing
from .true_boxes import drawn_boxes
from .xml_files import parse_xml

LOOKED_AT = 8  # files that tell the format
OF_IMAGES = ("images", "JPEGImages", "img", "")  # in place of the folder of the XML files


def loose(place: Place) -> bool:
    """Whether there are XML files of boxes, and not in the layout of a devkit."""
    return "JPEGImages" not in {n.split("/")[0] for n in place.names} and bool(told_loose(place))


def told_loose(place: Place) -> str | None:
    """By what it is told."""
    for file in place.matching("*.xml")[:LOOKED_AT]:
        head = place.head(file)
        if "<annotation>" in head and "<bndbox>" in head:
            return f"{file.name} has <bndbox>"
    return None


def read_loose(place: Place, asked: Asked, boxes: bool = True) -> Collection:
    """Read all XML files of a source.

    Raises:
        WsssError: there is none, or as `gather`.
    """
    files = place.matching("*.xml")
    if not files:
        raise WsssError(f"{place.path}: holds no XML file")
    entries = [_entry(file, place, boxes) for file in files]
    notes = {"source": "voc", "labels_from": "xml"}
    return gather(str(place.path), entries, place.folder(asked.images), asked, notes)


def _entry(file: Path, place: Place, boxes: bool) -> Entry:
    relative = os.path.relpath(file, place.root).replace(os.sep, "/")
    try:
        tags, drawing, name = _annotation(file, boxes)
    except ValueError as err:
        return Entry(name=relative, problem=str(err))
    first, *others = _names(relative, name)
    return Entry(name=first, names=tuple(others), tags=tags, drawing=drawing)


def _names(relative: str, name: str) -> list[str]:
    """What the image of an XML file may be called, by the name in it and its own."""
    above, own = posixpath.split(posixpath.splitext(relative)[0])
    parts = above.split("/") if above else []
    folders = [above]
    for place in range(len(parts)):
        folders += ["/".join((*parts[:place], new, *parts[place + 1 :])) for new in OF_IMAGES]
    last = name.replace("\\", "/").rpartition("/")[2]
    found = [posixpath.join(folder, one) for one in (last, own) if one for folder in folders]
    return list(dict.fromkeys(posixpath.normpath(one) for one in found))


def read_annotation(path: Path, boxes: bool = True) -> tuple[tuple[str, ...], Drawing | None]:
    """As `_annotation`, without the image's name."""
    return _annotation(path, boxes)[:2]


def _annotation(path: Path, boxes: bool) -> tuple[tuple[str, ...], Drawing | None, str]:
    """Names of the annotated objects, each once, sorted, and their boxes.

    Parts of objects are not objects. The boxes are None where `boxes` is False, or an object has
    none.

    Raises:
        ValueError: missing or broken XML, another root element, an object without a name, or a
            box that cannot be.
    """
    ledger.read(path)
    try:
        root = parse_xml(contents(path))
    except FileNotFoundError:
        raise ValueError(f"no label file {path.parent.name}/{path.name}") from None
    except OSError as err:
        raise ValueError(f"{path.parent.name}/{path.name}: {err.strerror or err}") from None
    except ValueError as err:
        raise ValueError(f"{path.parent.name}/{path.name} {err}") from None
    if root.tag != "annotation":
        raise ValueError(f"{path.parent.name}/{path.name} holds <{root.tag}>, not <annotation>")
    names = [(item.findtext("name") or "").strip() for item in root.findall("object")]
    if not all(names):
        raise ValueError(f"{path.parent.name}/{path.name} has an object without a name")
    drawn = drawn_boxes(root, f"{path.parent.name}/{path.name}") if boxes else None
    return tuple(sorted(set(names))), drawn, (root.findtext("filename") or "").strip()
