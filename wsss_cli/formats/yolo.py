"""YOLO's data sets: boxes, outlines, turned boxes and key points' boxes as text, or label images.

Read are the layouts of Ultralytics (data.yaml), of Roboflow, of darknet (obj.data) and of Label
Studio (classes.txt). An image's label file lies beside it, or in labels/ where the image is in
images/. An image without one, and one of which it is empty, shows no class.

Source: img2label_paths of ultralytics/data/utils.py, docs.ultralytics.com/datasets, files of
datumaro, CVAT, supervision and Label Studio.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..errors import WsssError
from .entries import Entry, gather
from .lists import read_lines
from .mask_values import BACKGROUND_NAMES, NamedValues
from .masks import EXTENSIONS, Masks
from .names import is_image
from .outlines import OutlineOptions
from .place import Place
from .reading import DRAWN, Asked, Reader
from .sample import Collection, Sample
from .shapes import BACKGROUND, Drawing
from .yolo_layout import Layout, ending, find_layout, read_layout
from .yolo_rows import RowKind, Ways, drawing_of, read_rows

IMAGES, LABELS = "images", "labels"


def read(path: Path, asked: Asked, options: OutlineOptions) -> Collection:
    """Read a data set.

    Raises:
        WsssError: no such data set, or whatever `read_layout` and `gather` raise.
    """
    place = Place(path)
    file = find_layout(place)
    if file is None:
        raise WsssError(
            f"{path}: holds no data.yaml, obj.data or classes.txt of YOLO",
            "classes.txt names the classes, one a line, beside labels/",
        )
    whole = Place(file.parent) if place.single else place
    if place.single:
        whole.root = file.parent  # ids are relative to the file's folder
    source = _Source(whole, read_layout(whole, file), asked)
    listed = source.listed()
    if not listed:
        raise WsssError(f"{file}: names no images that are there", "--images names their folder")
    masks, entries = None, []
    if source.layout.masks is not None and asked.masks is None:
        masks = source.masks(asked)
        entries = source.masked(listed, masks)
    else:
        entries = source.drawn(listed, options.inclusive)
    names = source.layout.names.values()
    notes = {"source": "yolo"} | ({"inclusive": True} if options.inclusive else {})
    return gather(
        str(path),
        entries,
        whole.folder(asked.images),
        asked,
        notes,
        classes=tuple(name for name in names if name.lower() not in BACKGROUND_NAMES),
        splits=source.layout.splits,
        remarks=source.remarks,
        masks=masks,
    )


@dataclass
class _Listed:
    """An image that the data set names."""

    name: str
    splits: tuple[str, ...] = ()


class _Source:
    """A data set's images and label files."""

    def __init__(self, place: Place, layout: Layout, asked: Asked) -> None:
        self.place, self.layout = place, layout
        self.images = {name for name in place.names if is_image(name)}
        self.files = set(place.names)
        self.elsewhere = asked.images is not None
        self.remarks: list[str] = []
        self.folders = {
            "/".join(n.split("/")[:k]) for n in place.names for k in range(n.count("/"))
        }
        self.folders |= {name.rpartition("/")[0] for name in place.names} | {""}

    def listed(self) -> list[_Listed]:
        """The images that the data set names, each once."""
        found: dict[str, _Listed] = {}
        for split, values in self.layout.splits.items():
            for value in values:
                names = list(self._of_value(value))
                if not names:
                    self.remarks.append(f"{split}: {value} holds no images that are there")
                for name in names:
                    one = found.setdefault(name, _Listed(name))
                    if split not in one.splits:
                        one.splits = (*one.splits, split)
        if not self.layout.splits:
            found = {name: _Listed(name) for name in self._without_lists()}
        return list(found.values())

    def _of_value(self, value: str) -> Iterator[str]:
        """The images of a split's folder or list, or the image itself."""
        written = f"{self.layout.base}/{value}"
        if value.lower().endswith(".txt"):
            name = ending(written, self.files)
            above = name.rpartition("/")[0] if name else ""
            for line in read_lines(self.place.root / name) if name else ():
                inside = f"{above}/{line}" if line.startswith("./") and above else line
                yield ending(inside, self.images) or line
        elif is_image(value):
            yield ending(written, self.images) or value
        else:
            folder = ending(written, self.folders)
            if folder is None and value.strip("./") == "":
                folder = ""
            if folder is not None or self.elsewhere:
                yield from self._below(f"{folder}/" if folder else "")

    def _below(self, folder: str) -> Iterator[str]:
        """The images below a folder; where they lie elsewhere, those of the label files."""
        if not self.elsewhere:
            yield from sorted(n for n in self.images if n.startswith(folder))
            return
        labels = _replaced(folder) or folder
        for name in sorted(self.files):
            if name.startswith(labels) and name.endswith(".txt") and name != labels:
                stem = os.path.splitext(name)[0]
                yield _replaced(stem, IMAGES, LABELS) or stem

    def _without_lists(self) -> Iterator[str]:
        """Images of labels/, and where they lie in images/ beside it, those in there."""
        if self.elsewhere or not self.images or self.layout.alone:
            stems = [
                os.path.splitext(name)[0].removeprefix(f"{LABELS}/")
                for name in sorted(self.files)
                if name.startswith(f"{LABELS}/") and name.endswith(".txt")
            ]
            inside = {os.path.splitext(name)[0]: name for name in sorted(self.images)}
            own = [inside.get(f"{IMAGES}/{stem}", stem) for stem in stems]
            left = len(self.images - set(own)) if not self.elsewhere else 0
            if left:
                self.remarks.append(f"{left} images have no file of labels, and are left out")
            yield from own
        else:
            inside_images = [n for n in self.images if _replaced(n) is not None]
            yield from sorted(inside_images or self.images)

    def label(self, name: str) -> Path | None:
        """The label file of an image, where there is one."""
        stem = os.path.splitext(name)[0] if is_image(name) else name
        beside = _replaced(stem)
        ways = [beside] if beside else []
        ways += [stem, f"{LABELS}/{stem}"]
        for way in ways:
            found = ending(f"{way}.txt", self.files) if "/" in way else None
            found = found or (f"{way}.txt" if f"{way}.txt" in self.files else None)
            if found is not None and found not in self.layout_files:
                return self.place.root / found
        return None

    @property
    def layout_files(self) -> set[str]:
        """Text files that are no labels."""
        lists = (value for values in self.layout.splits.values() for value in values)
        return {"classes.txt", *(value.rpartition("/")[2] for value in lists)}

    def drawn(self, listed: list[_Listed], inclusive: bool | None) -> list[Entry]:
        """The images with what their label files draw; `inclusive` as `OutlineOptions` has it."""
        names = {
            key: BACKGROUND if name.lower() in BACKGROUND_NAMES else name
            for key, name in self.layout.names.items()
        }
        entries, kinds, labelled = [], set(), 0
        for one in listed:
            file = self.label(one.name)
            labelled += file is not None
            tags: tuple[str, ...] = ()
            problem = None
            try:
                rows = read_rows(file, names, self.layout.points) if file is not None else []
                kinds |= {row.kind for row in rows}
                tags = tuple(dict.fromkeys(row.name for row in rows if row.name != BACKGROUND))
            except (ValueError, WsssError) as err:
                problem = str(err)
            entries.append((one, tags, file, problem))
        if not labelled:
            raise WsssError(
                f"{self.layout.file}: no image has a file of labels",
                "labels/NAME.txt is of images/NAME.jpg",
            )
        turned = RowKind.corners in kinds and RowKind.outline not in kinds
        if turned:
            self.remarks.append(
                "all outlines have four corners, so they are taken for turned boxes"
            )
        bare = self.layout.file.suffix.lower() in (".yaml", ".yml") and not self.layout.splits
        if inclusive is None and bare and RowKind.outline in kinds:
            self.remarks.append(
                f"{self.layout.file.name} names no splits, as supervision writes it: are its "
                "outlines of OpenCV's? --inclusive says so, --no-inclusive that they are not"
            )
        ways = Ways(names, self.layout.points, turned, bool(inclusive), kinds <= {RowKind.box})
        return [
            Entry(
                name=one.name,
                tags=tags,
                splits=one.splits,
                drawing=partial(drawing_of, file, ways)
                if file
                else Drawing((), true_boxes=ways.boxes),
                problem=problem,
            )
            for one, tags, file, problem in entries
        ]

    def masks(self, asked: Asked) -> Masks:
        """What the label images of `masks_dir` hold: the numbers of names."""
        found = Masks(None, asked.mask_options)
        if found.named is None:
            found.named = NamedValues(self.layout.names, {}, self.layout.file.name)
        return found

    def masked(self, listed: list[_Listed], masks: Masks) -> list[Entry]:
        """The images with their label images, the classes in which are the tags."""
        names = tuple(
            name for name in self.layout.names.values() if name.lower() not in BACKGROUND_NAMES
        )
        folder = (self.layout.masks or "").strip("./")
        entries = []
        for one in listed:
            entry = Entry(name=one.name, splits=one.splits)
            stem = os.path.splitext(_replaced(one.name, folder) or f"{folder}/{one.name}")[0]
            there = (ending(stem + extension, self.files) for extension in EXTENSIONS)
            name = next((way for way in there if way is not None), None)
            if name is None:
                entries.append(replace(entry, problem=f"no mask {stem}.png"))
                continue
            mask = self.place.root / name
            try:
                tags = masks.names(Sample(one.name, mask, (), mask), names)
            except ValueError as err:
                entries.append(replace(entry, problem=str(err)))
                continue
            entries.append(replace(entry, mask=mask, tags=tags))
        return entries


def _replaced(name: str, by: str = LABELS, old: str = IMAGES) -> str | None:
    """A name with `by` in the place of its last folder `old`; None where it has none.

    >>> _replaced("images/train/images/a"), _replaced("train/a")
    ('images/train/labels/a', None)
    """
    before, found, behind = f"/{name}".rpartition(f"/{old}/")
    return f"{before}/{by}/{behind}".lstrip("/") if found else None


def detect(place: Place) -> str | None:
    """As `Reader.detect`."""
    try:
        file = find_layout(place)
    except WsssError:
        return None
    return None if file is None else f"{file.name} names the classes of labels"


READER = Reader(
    name="yolo",
    said="YOLO",
    read=read,
    detect=detect,
    option=False,
    options=OutlineOptions,
    takes=DRAWN,
    before=("mask-folders",),
)
