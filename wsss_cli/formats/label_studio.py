"""Label Studio: tasks and what people said of them, as JSON, as JSON_MIN or as CSV.

A task's `annotations` (`completions` of old exports) are of one person each. Those that were
cancelled, drafts and predictions are left out. A task without an annotation is not known; one whose
annotation is empty shows none of the classes.

Source: labelstud.io/guide/export and /guide/task_format; converter of label-studio-sdk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import WsssError
from .entries import Entry, gather
from .label_studio_images import ImageNames
from .label_studio_regions import Region, kind_of, regions_of, shapes_of, tags_of
from .label_studio_tasks import Annotation, Task, is_task_table, tasks_of
from .place import Place
from .reading import DRAWN, Asked, Reader
from .sample import Collection
from .shapes import BACKGROUND, IGNORED, Drawing, meant

ALL, FIRST, LAST = "all", "first", "last"
SHOWN = 8  # people that a message names
SOME = 200  # files of a folder that are looked into to find out what it is
# What only JSON_MIN has in a list of objects.
_FLAT = r'"(rectangle|ellipse|polygon|keypoint|brush)labels"\s*:|"(annotation_id|lead_time)"\s*:'


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of Label Studio alone."""

    annotator: Annotated[
        str | None,
        typer.Option(
            metavar="all|first|last|NAME",
            help="Whose annotations to take where an image has several: of all people, the first, "
            "the last, or those of one person by address or number. Default: all; refused where "
            "several people drew outlines on one image.",
        ),
    ] = None
    control: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Labelling control (its name in the project's configuration) to read. "
            "Repeatable. Default: all that hold labels or choices.",
        ),
    ] = None
    image_key: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Field of a task's data that names the image. Default: the only one that does.",
        ),
    ] = None


def read(path: Path, asked: Asked, options: Options) -> Collection:
    """Read an export.

    Raises:
        WsssError: not such a file, or whatever `tasks_of` and `gather` raise.
    """
    place = Place(path)
    file = _file(place)
    if file is None:
        raise WsssError(f"{path}: holds no export of Label Studio")
    folder = place.folder(asked.images)
    tasks = tasks_of(file, place, options.control or (), options.image_key)
    _refuse_unknown(file, tasks, options.annotator)
    names = ImageNames(folder.root)
    entries, counts = [], _Counts()
    for task in tasks:
        entry = _entry(task, names, options, counts)
        if entry is not None:
            entries.append(entry)
    if options.control:
        lacking = [name for name in options.control if name not in counts.controls]
        if lacking:
            has = ", ".join(sorted(counts.controls)) or "none"
            raise WsssError(f"{file}: has no control {lacking[0]!r}", f"it has: {has}")
    notes: dict[str, Any] = {"source": "label-studio", "annotator": options.annotator or ALL}
    if options.control:
        notes["control"] = list(options.control)
    remarks = counts.remarks(options.annotator)
    if file.suffix.lower() != ".json" and any(len(task.controls) > 1 for task in tasks):
        remarks.append("a table does not say which shape lies on top: those of the last column do")
    return gather(str(file), entries, folder, asked, notes, remarks=remarks)


def _refuse_unknown(file: Path, tasks: list[Task], annotator: str | None) -> None:
    """
    Raises:
        WsssError: no annotation is of this person.
    """
    if annotator in (None, ALL, FIRST, LAST):
        return
    people = dict.fromkeys(one.by for task in tasks for one in task.annotations if one.by)
    if not any(annotator in by for by in people):
        some = ", ".join(by[0] for by in list(people)[:SHOWN])
        raise WsssError(f"{file}: no annotation of {annotator!r}", f"there are those of: {some}")


class _Counts:
    """What is said of a whole file."""

    def __init__(self) -> None:
        self.controls: set[str] = set()
        self.unread: dict[str, int] = {}
        self.unfinished = self.disagreed = 0

    def remarks(self, annotator: str | None) -> list[str]:
        said = [f"{count} items of {name} are not read" for name, count in self.unread.items()]
        if self.unfinished:
            of = f" of {annotator}" if annotator not in (None, ALL, FIRST, LAST) else ""
            said.append(f"{self.unfinished} tasks without a finished annotation{of} are left out")
        if self.disagreed:
            said.append(
                f"on {self.disagreed} images several people give different tags: all are taken"
            )
        return said


def _file(place: Place) -> Path | None:
    """The export itself, where a folder holds the same in several formats."""
    if place.single:
        return place.path
    found = [(file, kind) for file in place.matching("*.json", "*.csv", "*.tsv")
             if (kind := _kind(place, file)) is not None]  # fmt: skip
    best = min((kind for _, kind in found), default=None)
    files = [file for file, kind in found if kind == best]
    if len(files) > 1:
        names = " and ".join(sorted(file.name for file in files)[:2])
        raise WsssError(
            f"{place.path}: holds {len(files)} exports of Label Studio: {names}",
            "name the one to read",
        )
    return files[0] if files else None


def _entry(task: Task, names: ImageNames, options: Options, counts: _Counts) -> Entry | None:
    """A task's image; None of one that nobody finished."""
    chosen = _chosen(task.annotations, options.annotator)
    if not chosen:
        counts.unfinished += 1
        return None
    name, *others = names.of(task.images)
    said: list[tuple[str, ...]] = []
    regions: list[Region] = []
    outlined = set()
    try:
        for number, one in enumerate(chosen):
            items = _of_controls(one, options.control, counts)
            drawn = regions_of(items, one.source)
            regions += drawn
            said.append((*tags_of(items), *(name for region in drawn for name in region.labels)))
            if any(region.outline for region in drawn):
                outlined.add(number)
        size = _size(regions)
        if len(outlined) > 1 and options.annotator is None:
            raise ValueError(
                f"{len(outlined)} annotations of it have outlines: --annotator says whose to take"
            )
    except ValueError as err:
        return Entry(name=name, names=tuple(others), problem=str(err))
    counts.disagreed += len({frozenset(one) for one in said}) > 1
    tags = dict.fromkeys(meant(tag) for one in said for tag in one)
    return Entry(
        name=name,
        names=tuple(others),
        drawing=partial(_drawing, regions, size, f"task {task.id}"),
        tags=tuple(tag for tag in tags if tag not in (BACKGROUND, IGNORED)),
    )


def _drawing(regions: list[Region], size: tuple[int, int] | None, said: str) -> Drawing:
    try:
        shapes = tuple(shape for region in regions for shape in shapes_of(region))
    except ValueError as err:
        raise ValueError(f"{said}: {err}") from None
    return Drawing(shapes, said, size, fraction=True)


def _chosen(annotations: tuple[Annotation, ...], annotator: str | None) -> list[Annotation]:
    """The annotations to take: those that are marked as the truth, where there are any."""
    if annotator not in (None, ALL, FIRST, LAST):
        return [one for one in annotations if annotator in one.by]
    if annotator == ALL or not annotations:
        return list(annotations)
    found = [one for one in annotations if one.true] or list(annotations)
    if annotator is None:
        return found
    return found[:1] if annotator == FIRST else found[-1:]


def _of_controls(
    one: Annotation, controls: list[str] | None, counts: _Counts
) -> list[dict[str, Any]]:
    """The items of an annotation that are read."""
    items = []
    for item in one.items:
        control = item.get("from_name")
        counts.controls.add(str(control))
        if controls and control not in controls:
            continue
        value = item["value"]
        if kind_of(value) is not None or "choices" in value:
            items.append(item)
        elif item.get("type") != "relation":
            kind = str(item.get("type", control))[:40]
            counts.unread[kind] = counts.unread.get(kind, 0) + 1
    return items


def _size(regions: list[Region]) -> tuple[int, int] | None:
    """
    Raises:
        ValueError: regions that were drawn on images of several sizes.
    """
    sizes = {region.size for region in regions if region.size is not None}
    if len(sizes) > 1:
        (h0, w0), (h1, w1) = sorted(sizes)[:2]
        raise ValueError(f"parts of it were drawn on {w0}x{h0} pixels, others on {w1}x{h1}")
    return next(iter(sizes), None)


def _kind(place: Place, file: Path) -> int | None:
    """Which of its formats a file is of, the one that says most first; None of others."""
    head = place.head(file).lstrip()
    if file.suffix.lower() != ".json":
        return 2 if is_task_table(head) else None
    if not head.startswith(("[", "{")):
        return None
    if re.search(r'"(completed_by|was_cancelled|completions)"\s*:', head):
        return 0
    if re.search(r'"annotations"\s*:\s*\[\s*\{[^{}\[\]]*"result"\s*:', head):
        return 0
    if head.startswith("[") and re.search(_FLAT, head):
        return 1
    return None


def detect(place: Place) -> str | None:
    """As `Reader.detect`."""
    files = place.matching("*.json", "*.csv", "*.tsv")[:SOME]
    found = [(kind, file.name) for file in files if (kind := _kind(place, file)) is not None]
    if not found:
        return None
    kind, name = min(found)
    return f"{name} holds {('tasks', 'annotations (JSON_MIN)', 'a table of annotations')[kind]}"


READER = Reader(
    name="label-studio",
    said="Label Studio",
    read=read,
    options=Options,
    detect=detect,
    option=False,
    takes=DRAWN,
    before=("coco", "yolo", "csv", "voc"),
)
