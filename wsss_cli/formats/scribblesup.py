"""Scribbles on VOC's images: ScribbleSup's XML, strokes drawn into PNGs, and polylines as text.

- XML: a <polygon> is an open stroke, its <tag> a class or background.
- PNG: the numbers of VOC's labels where somebody drew, 0 of background, and 255 elsewhere.
- Text, NAME_scribble.txt: a line is the number of a class, 0 of background, and then x, y, x, y.

All count pixels from 0, so that a stroke goes through their centres.

Source: Lin et al., ScribbleSup (CVPR 2016), and the README of its scribbles.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ..artifacts.inputs import contents
from ..errors import WsssError
from .entries import Entry, gather
from .files import ImageFolder
from .lists import read_lines
from .place import Place
from .reading import TAGGED, Asked, Reader
from .sample import VOC_CLASSES, Collection
from .shapes import BACKGROUND, Drawing, Shape, line, region
from .true_boxes import size_in
from .xml_files import read_xml

IMAGES, TEXT = "JPEGImages", "_scribble.txt"
NO_LABEL = 255
LOOKED_AT = 8  # files that tell the format


class Strokes(NamedTuple):
    """What is drawn on an image: classes, and then the strokes."""

    tags: tuple[str, ...]
    drawing: Callable[[], Drawing]


def read(path: Path, asked: Asked, _: Any) -> Collection:
    """Read a folder of XML files, of text files or of PNGs.

    Raises:
        WsssError: it holds none of them or several kinds, or no images and none are named; as
            `gather`.
    """
    place = Place(path)
    kinds = {
        "XML files": place.matching("*.xml"),
        "text files": place.matching(f"*{TEXT}"),
        "PNGs": [one for one in place.matching("*.png") if one.parent.name != IMAGES],
    }
    held = [kind for kind, files in kinds.items() if files]
    if len(held) != 1:
        said = f"holds {' and '.join(held)}" if held else "holds no XML, text file or PNG"
        raise WsssError(
            f"{path}: {said} of scribbles", "name a folder that holds scribbles of one kind"
        )
    reader = {"XML files": _of_xml, "text files": _of_text, "PNGs": _of_png}[held[0]]
    classes = asked.classes or VOC_CLASSES
    inside = "" if asked.images is not None else f"{IMAGES}/"
    entries = [_entry(file, place, partial(reader, classes), inside) for file in kinds[held[0]]]
    numbered = None if reader is _of_xml else classes
    notes = {"source": READER.name}
    return gather(str(path), entries, _images(place, asked), asked, notes, classes=numbered)


def _images(place: Place, asked: Asked) -> ImageFolder:
    """
    Raises:
        WsssError: there are none, and none are named.
    """
    inside = any(name.startswith(f"{IMAGES}/") for name in place.names)
    if asked.images is None and not inside:
        raise WsssError(
            f"{place.path}: holds no images ({IMAGES}/)", "--images names the folder of the images"
        )
    return place.folder(asked.images)


def _entry(file: Path, place: Place, reader: Callable[[Path, str], Strokes], inside: str) -> Entry:
    relative = os.path.relpath(file, place.root).replace(os.sep, "/")
    stem = relative.removesuffix(TEXT)
    stem = stem if stem != relative else posixpath.splitext(relative)[0]
    name = inside + posixpath.basename(stem)
    try:
        tags, drawing = reader(file, relative)
    except ValueError as err:
        return Entry(name=name, problem=str(err))
    return Entry(name=name, tags=tags, drawing=drawing)


def _of_xml(_: Sequence[str], file: Path, relative: str) -> Strokes:
    """
    Raises:
        ValueError: it cannot be read, or holds something else.
    """
    try:
        root = read_xml(file)
    except WsssError as err:
        raise ValueError(str(err)) from None
    if root.tag != "annotation":
        raise ValueError(f"{relative} holds <{root.tag}>, not <annotation>")
    shapes = []
    for number, item in enumerate(root.iterfind("polygon"), 1):
        name = (item.findtext("tag") or "").strip()
        if not name:
            raise ValueError(f"{relative}: stroke {number} has no <tag>")
        said = f"stroke {number} ({name})"
        pairs = [(one.findtext("X"), one.findtext("Y")) for one in item.iterfind("point")]
        numbers = [_number(text, said) for pair in pairs for text in pair]
        shapes.append(_stroke(name, numbers, said))
    return _strokes(Drawing(tuple(shapes), relative, size_in(root)))


def _of_text(classes: Sequence[str], file: Path, relative: str) -> Strokes:
    """
    Raises:
        ValueError: it cannot be read, or a line is none.
    """
    try:
        lines = read_lines(file)
    except WsssError as err:
        raise ValueError(str(err)) from None
    shapes = []
    for number, text in enumerate(lines, 1):
        said = f"line {number}"
        first, *others = text.split(",")
        name = _class(first.strip(), classes, f"{relative}, {said}")
        shapes.append(_stroke(name, [_number(one, said) for one in others], said))
    return _strokes(Drawing(tuple(shapes), relative))


def _of_png(classes: Sequence[str], file: Path, relative: str) -> Strokes:
    """
    Raises:
        ValueError: it cannot be read, or holds numbers of no class.
    """
    drawing = drawn_png(classes, file, relative)
    return Strokes(drawing.names, partial(drawn_png, classes, file, relative))


def drawn_png(classes: Sequence[str], file: Path, relative: str) -> Drawing:
    """The strokes of each class in a PNG, as one region.

    Raises:
        ValueError: it cannot be read, or holds numbers of no class.
    """
    from ..core.label_images import read_labels
    from ..core.runs import cropped

    try:
        labels = read_labels(contents(file))[1]
    except ValueError as err:
        raise ValueError(f"{relative} {err}") from None
    shapes = []
    for label in sorted(set(labels.ravel().tolist()) - {NO_LABEL}):
        name = _class(str(label), classes, relative)
        (left, top, _, _), mask = cropped(labels == label)
        shapes.append(region(name, mask, left, top, stroke=True, said=f"strokes of {name}"))
    return Drawing(tuple(shapes), relative, labels.shape)


def _strokes(drawing: Drawing) -> Strokes:
    return Strokes(drawing.names, lambda: drawing)


def _stroke(name: str, numbers: Sequence[float], said: str) -> Shape:
    """
    Raises:
        ValueError: no points, or half of one.
    """
    if not numbers or len(numbers) % 2:
        raise ValueError(f"{said} has {len(numbers)} numbers, which are no points")
    points = [(x + 0.5, y + 0.5) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
    return line(name, points, said=said)


def _number(text: str | None, said: str) -> float:
    try:
        return float("" if text is None or "_" in text else text)
    except ValueError:
        raise ValueError(f"{said} has {str(text)[:40]!r} where a number should be") from None


def _class(text: str, classes: Sequence[str], said: str) -> str:
    """The class of a label in digits."""
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= len(classes)):
        raise ValueError(f"{said} names the class {text[:40]!r}: there are 0 to {len(classes)}")
    return [BACKGROUND, *classes][int(text)]


def detect(place: Place) -> str | None:
    """As `Reader.detect`."""
    for file in place.matching("*.xml")[:LOOKED_AT]:
        head = place.head(file)
        if "<annotation>" in head and "<polygon>" in head and "<tag>" in head:
            return f"{file.name} has strokes"
    texts = place.matching(f"*{TEXT}")
    return f"{texts[0].name} holds strokes" if texts else None


READER = Reader(
    name="scribblesup",
    said="scribbles on VOC's images",
    read=read,
    detect=detect,
    option=False,
    takes=("images", *TAGGED),
)
