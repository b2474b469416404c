"""YOLO: a text file of rows beside each image; of ultralytics, darknet, Roboflow, Label Studio.

A row is a class's number and shares of the width and height of the image as displayed: centre and
size of a box (5 fields), or the corners of an outline. An outline of several parts is several rows,
and holes cannot be said.

Source: docs.ultralytics.com/datasets, and img2label_paths of ultralytics.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from ..errors import WsssError
from .entries import Entry, gather
from .files import ImageFolder
from .lists import read_text
from .masks import EXTENSIONS, MaskOptions, Masks
from .names import is_image
from .outlines import OutlineOptions
from .place import Place
from .reading import DRAWN, Asked, Reader
from .sample import Collection
from .shapes import Drawing, Shape, box, polygon
from .yolo_set import NO_CLASS, YoloSet, around, described, read_set

SLACK = 0.01  # of a side that rounding may put a coordinate outside; ultralytics' own


def read(path: Path, asked: Asked, options: OutlineOptions) -> Collection:
    """Read a data set.

    Raises:
        WsssError: nothing describes it, or as `read_set` and `gather`.
    """
    given = Place(path)
    file = described(given)
    if file is None:
        raise WsssError(
            f"{path}: holds no data.yaml, obj.data or classes.txt", "which name the classes"
        )
    place = around(given)
    images = None if asked.images is None else ImageFolder(asked.images)
    found = read_set(file, place, images)
    folder = images or place.folder(None)
    if found.masks is not None:
        return _semantic(path, place, found, folder, asked)
    numbers = sorted(found.names)
    entries = list(_entries(place, found, folder, options.inclusive is True))
    if not any(entry.drawing is not None or entry.problem for entry in entries):
        raise WsssError(f"{path}: no image has a file of labels", "are they in another folder?")
    notes = {"source": "yolo", "inclusive": options.inclusive or None}
    return gather(
        str(path),
        entries,
        folder,
        asked,
        {key: value for key, value in notes.items() if value is not None},
        classes=tuple(found.names[number] for number in numbers),
        splits=found.splits,
        remarks=found.remarks,
    )


def _entries(place: Place, found: YoloSet, folder: ImageFolder, inclusive: bool) -> Iterator[Entry]:
    """Images of the splits; of a set without splits, those that there are."""
    of_image: dict[str, list[str]] = {}
    for split, names in found.splits.items():
        for name in names:
            of_image.setdefault(name, []).append(split)
    if not of_image:
        root = Place(folder.root) if folder.root != place.root else place
        every = [name for name in root.names if is_image(name)]
        kept = [name for name in every if "images" in name.split("/")[:-1]] or every
        of_image = {name: [] for name in kept}
    there = set(place.names)
    by_end: dict[str, list[str]] = {}
    for name in place.names:
        if name.endswith(".txt") and not NO_CLASS.fullmatch(posixpath.basename(name)):
            by_end.setdefault(posixpath.basename(name), []).append(name)
    for name, splits in of_image.items():
        label = _label_of(name, there, by_end)
        try:
            rows = [] if label is None else _rows(place.root / label, found)
        except ValueError as err:
            yield Entry(name=name, problem=f"{label}: {err}")
            continue
        tags = tuple(dict.fromkeys(found.names[int(row[0])] for row in rows))
        drawing = partial(_drawing, label or name, rows, found, inclusive)
        yield Entry(
            name=name,
            names=_further(name),
            drawing=drawing if label is not None else Drawing(()),
            tags=tags,
            splits=tuple(splits),
        )


def _further(name: str) -> tuple[str, ...]:
    """Darknet's lists begin with a folder that is not there."""
    front, _, rest = name.partition("/")
    return (rest,) if front == "data" and rest else ()


def _label_of(name: str, there: set[str], by_end: Mapping[str, list[str]]) -> str | None:
    """The file of an image's rows: /images/ is /labels/, the last one; or it lies beside."""
    stem = os.path.splitext(name)[0] + ".txt"
    for one in (stem, *_further(stem)):
        front, images, rest = f"/{one}".rpartition("/images/")
        label = f"{front}/labels/{rest}"[1:] if images else one
        for found in (label, one):
            if found in there:
                return found
    if "images" in name.split("/"):
        return None
    ends = by_end.get(posixpath.basename(stem), [])
    return ends[0] if len(ends) == 1 else None


def _rows(path: Path, found: YoloSet) -> list[tuple[float, ...]]:
    """The rows of a file, each once.

    Raises:
        ValueError: a row that cannot be.
    """
    rows: dict[tuple[float, ...], None] = {}
    try:
        text = read_text(path)
    except WsssError as err:
        raise ValueError(str(err)) from None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = tuple(float(cell) for cell in line.split())
        except ValueError:
            raise ValueError(f"line {number} holds what is no number") from None
        if not row[0].is_integer() or int(row[0]) not in found.names:
            raise ValueError(f"line {number}: no class has the number {line.split()[0][:20]}")
        if len(row) == found.fields:
            row = row[:5]
        if len(row) != 5 and (len(row) < 7 or len(row) % 2 == 0):
            raise ValueError(f"line {number} has {len(row)} fields, neither a box nor an outline")
        if not all(-SLACK <= value <= 1 + SLACK for value in row[1:]):  # NaN is not
            raise ValueError(f"line {number}: a coordinate that is no share of the image")
        if len(row) == 5 and min(row[3:]) <= 0:
            raise ValueError(f"line {number}: a box without a side")
        rows[row] = None
    return list(rows)


def _drawing(
    label: str, rows: Sequence[tuple[float, ...]], found: YoloSet, inclusive: bool
) -> Drawing:
    """What the rows of an image say."""
    shapes = [_shape(row, found.names[int(row[0])], inclusive) for row in rows]
    boxes = all(one.boxed for one in shapes)
    return Drawing(tuple(shapes), label, fraction=True, true_boxes=boxes)


def _shape(row: tuple[float, ...], name: str, inclusive: bool) -> Shape:
    if len(row) == 5:
        x, y, width, height = row[1:]
        return box(name, x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return polygon(name, list(zip(row[1::2], row[2::2], strict=True)), inclusive=inclusive)


def _semantic(
    path: Path, place: Place, found: YoloSet, folder: ImageFolder, asked: Asked
) -> Collection:
    """Masks whose numbers are those of `names`; background is a class of that name, if any.

    Raises:
        WsssError: as `gather`.
    """
    values = [
        f"{number}={name}" if name.lower() != "background" else f"{number}=background"
        for number, name in sorted(found.names.items())
    ]
    there = set(place.names)
    entries = []
    for split, names in found.splits.items():
        for name in names:
            stem = os.path.splitext(name)[0].replace("images/", f"{found.masks}/", 1)
            mask = next((m for end in EXTENSIONS if (m := stem + end) in there), None)
            where = None if mask is None else place.root / mask
            entries.append(Entry(name=name, mask=where, splits=(split,)))
    if not any(entry.mask is not None for entry in entries):
        raise WsssError(f"{path}: no image has a mask in {found.masks}/")
    classes = tuple(name for _, name in sorted(found.names.items()) if name.lower() != "background")
    masks = Masks(None, MaskOptions((*values, "255=ignore")))
    return gather(
        str(path), entries, folder, asked, {"source": "yolo"}, classes=classes,
        splits=found.splits, remarks=found.remarks, masks=masks, tagged_by_masks=True,
    )  # fmt: skip


def detect(place: Place) -> str | None:
    """As `Reader.detect`."""
    try:
        file = described(place)
    except WsssError:
        return None
    if file is None:
        return None
    head = place.head(file)
    if file.suffix.lower() in (".yaml", ".yml"):
        keys = ("train:", "val:", "names:")
        return f"{file.name} names classes" if all(key in head for key in keys[2:]) else None
    if file.suffix.lower() == ".data":
        return f"{file.name} of darknet" if "names" in head else None
    beside = any(name.rpartition("/")[0].endswith("labels") for name in place.names)
    return f"{file.name} beside labels/" if beside and file.name == "classes.txt" else None


READER = Reader(
    name="yolo",
    said="YOLO",
    read=read,
    options=OutlineOptions,
    detect=detect,
    option=False,
    takes=DRAWN,
    before=("mask-folders",),
)
