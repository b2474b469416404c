"""A folder of images and a CSV that tags them, in any of three layouts.

labels: one row an image, all its tags in one cell      a.jpg,cat;dog
onehot: one row an image, a column of 0 or 1 a class    a.jpg,1,0,1
rows:   one row a tag                                   a.jpg,cat
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..artifacts.inputs import is_file
from ..errors import UsageError, WsssError
from .cells import Named, Table
from .columns import parse_table
from .files import ImageFolder
from .lists import read_lists
from .masks import USUAL, MaskOptions, Masks
from .place import Place
from .reading import TAGGED, Asked, Reader
from .sample import Collection, Problem, Sample, collect
from .tags import inseparable


class Layout(str, enum.Enum):
    """How a CSV tags images."""

    auto = "auto"
    labels = "labels"
    onehot = "onehot"
    rows = "rows"


class MinusOne(str, enum.Enum):
    """What -1 means in the column of a class."""

    absent = "absent"
    present = "present"
    unsaid = "unsaid"
    skip = "skip"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of --csv alone."""

    layout: Annotated[
        Layout,
        typer.Option(
            help="Layout of the table: one row per image with all tags in one cell (labels) or a "
            "column of 0 or 1 per class (onehot), or one row per tag (rows); auto finds "
            "out."
        ),
    ] = Layout.auto
    separator: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Text that stands between two tags of an image."),
    ] = None
    label_column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Name of the column that holds the tags. Default: the one called labels, tags or "
            "the like.",
        ),
    ] = None
    image_column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Name of the column that holds the images' names. Default: the one called "
            "filename, image or the like, else the first.",
        ),
    ] = None
    minus_one: Annotated[
        MinusOne | None,
        typer.Option(
            help="What -1 means in a class column: that the class is absent, that it is present, "
            "that it is not known, which training then leaves open (unsaid), or the same, and so "
            "to skip the image."
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.separator == "":
            raise UsageError("--separator is empty", "leave it out to have it found")
        if self.label_column is not None and self.layout is Layout.onehot:
            raise UsageError("--label-column does not go with --layout onehot")


def read_table(
    path: Path,
    images: Path | None = None,
    layout: str = "auto",
    separator: str | None = None,
    splits: Mapping[str, Path | None] | None = None,
    classes: tuple[str, ...] | None = None,
    masks: Path | None = None,
    negative: tuple[str, ...] = (),
    label_column: str | None = None,
    image_column: str | None = None,
    minus_one: str | None = None,
    mask_options: MaskOptions = USUAL,
) -> Collection:
    """Read a CSV of image names and tags.

    Args:
        path: UTF-8, with or without BOM; commas, or where the first line has none, tabs or
            semicolons, between cells; with or without a header.
        images: folder that the names are relative to; the CSV's own by default.
        layout: one of columns.LAYOUTS.
        separator: what stands between the tags of a cell; otherwise the first of ; | , that
            occurs in any of them. "," also takes tags that spread over further cells.
        splits: splits to take: of the `split` column, or listed in a file.
        classes: names in order, and of a onehot table the columns; otherwise its columns, or all
            tags found, sorted.
        masks: folder of label images named like the images; a `mask` column is relative to it,
            or to the CSV's folder.
        negative: tags that say that an image shows no class.
        label_column, image_column: names of these columns; otherwise found by usual names.
        minus_one: what -1 means in a class column: "absent", "present", "unsaid", or "skip", which
            leaves the image out.
        mask_options: what is said of the masks beside.

    Raises:
        WsssError: a file is missing, empty or not a table; the layout cannot be told, or columns
            do not fit it; an image listed twice; masks without a class order, or none at all.
    """
    folder = ImageFolder(images or path.parent, "--images names the folder of the images")
    label_images = Masks(masks, mask_options)
    named = Named(
        label=label_column, image=image_column, minus_one=minus_one, classes=classes, more=negative
    )
    table = parse_table(path, folder, layout, separator, named)
    samples, problems, unknown = _samples(table, folder, masks)
    names, samples, more = _in_splits(table, samples, splits or {}, folder)
    problems += more
    onehot = table.layout == "onehot"
    if table.mask is not None and mask_options.suffix is not None:
        raise UsageError(f"--mask-suffix: {path} names the masks in {table.name_of(table.mask)!r}")
    if table.mask is None:
        samples, more = label_images.attach(samples, folder)
        problems += more
    if classes is None and not onehot:
        label_images.order(str(path), samples)
    notes: dict[str, Any] = {"source": "csv", "layout": table.layout, "separator": table.separator}
    if minus_one is not None:
        notes["minus_one"] = minus_one
    if unknown:
        notes["left_out"] = sum(sample.id in unknown for sample in samples)
        samples = [sample for sample in samples if sample.id not in unknown]
    remarks = [*table.remarks, *folder.remarks()]
    pair = inseparable(sample.tags for sample in samples)
    if separator is None and table.separator == "," and pair is not None:
        remarks.append(
            f"{pair[0]!r} and {pair[1]!r} are always together: if they are one name with a comma, "
            "--separator ';' keeps it"
        )
    tags = {tag for sample in samples for tag in sample.tags if tag not in negative}
    found = table.class_names or sorted(tags)
    return label_images.settle(
        collect(
            samples, label_images.classes(found), classes, names, notes, problems,
            source=str(path), negative=negative, remarks=remarks,
            separator="asked" if separator is None and not onehot else "told",
        )
    )  # fmt: skip


def _samples(
    table: Table, folder: ImageFolder, masks: Path | None
) -> tuple[list[Sample], list[Problem], set[str]]:
    """One sample an image, the split column's name in `splits`; problems; ids to leave out."""
    samples: dict[str, Sample] = {}
    problems, twice = [], []
    unknown = set()
    column = table.name_of(table.file)
    hint = f"--image-column NAME names the column of the images; here it is {column!r}"
    for row, line in zip(table.rows, table.lines, strict=True):
        name = row[table.file]
        try:
            path = folder.search(name)
            image_id = folder.id_of(path)
            mask = _mask_of(table, row, masks)
            tags = tuple(dict.fromkeys(table.tags(row)))
        except (LookupError, ValueError) as err:
            reason, *way = err.args
            if isinstance(err, LookupError):
                way = way or [hint]
            problems.append(Problem(name or "''", f"{reason} (line {line})", *way))
            continue
        if table.is_left_out(row):
            unknown.add(image_id)
        splits = (row[table.split],) if table.split is not None and row[table.split] else ()
        before = samples.get(image_id)
        if before is None:
            samples[image_id] = Sample(image_id, path, tags, mask, splits, absent=table.absent(row))
        elif table.layout != "rows" or (before.image, before.splits) != (path, splits):
            twice.append(f"{image_id} (line {line})")
        else:
            both = tuple(dict.fromkeys((*before.tags, *tags)))
            samples[image_id] = Sample(image_id, path, both, before.mask or mask, splits)
    if twice:
        hint = "leave all but one of its rows out"
        if table.layout == "labels":
            hint = "one row a tag is --layout rows; an image is in one split, by one name"
        raise WsssError(f"{table.path}: {len(twice)} images listed twice, first {twice[0]}", hint)
    if samples or table.header is None:  # then it is not the column
        problems = [p if p.hint != hint else replace(p, hint=None) for p in problems]
    return list(samples.values()), problems, unknown


def _mask_of(table: Table, row: Sequence[str], masks: Path | None) -> Path | None:
    """The mask that a row names."""
    cell = row[table.mask].replace("\\", "/") if table.mask is not None else ""
    if not cell:
        return None
    path = (masks or table.path.parent) / cell
    if not is_file(path):
        raise LookupError(f"no mask {cell}")
    return path


def _in_splits(
    table: Table,
    samples: list[Sample],
    splits: Mapping[str, Path | None],
    folder: ImageFolder,
) -> tuple[list[str], list[Sample], list[Problem]]:
    """Split names, and the samples in them (all where no split is asked for)."""
    of_column = list(dict.fromkeys(name for sample in samples for name in sample.splits))
    if not splits:
        return of_column, samples, []
    absent = [name for name, file in splits.items() if file is None and name not in of_column]
    if absent:
        raise WsssError(
            f"{table.path}: has no split '{absent[0]}'",
            f"its split column has: {', '.join(of_column) or 'nothing'}; "
            "--split NAME=FILE names a list",
        )
    files = {name: file for name, file in splits.items() if file is not None}
    _, listed, problems = read_lists(files, folder)
    known = {sample.id for sample in samples}
    problems += [Problem(i, f"not in {table.path.name}") for i in listed if i not in known]
    kept = []
    for sample in samples:
        own = [name for name in sample.splits if name in splits and splits[name] is None]
        names = (*own, *listed.get(sample.id, ()))
        if names:
            kept.append(replace(sample, splits=names))
    return list(splits), kept, problems


def read(path: Path, asked: Asked, options: Options) -> Collection:
    """`read_table` of what is asked."""
    minus_one = options.minus_one.value if options.minus_one is not None else None
    return read_table(
        path, asked.images, options.layout.value, options.separator, asked.splits,
        asked.classes, asked.masks, asked.negative,
        options.label_column, options.image_column, minus_one, asked.mask_options,
    )  # fmt: skip


def detect(place: Place) -> str | None:
    """As `Reader.detect`: any table that no other format knows."""
    if place.single and place.path.suffix.lower() in (".csv", ".tsv"):
        return f"{place.path.name} is a table"
    return None


READER = Reader(
    name="csv",
    source=Annotated[Path, typer.Option(metavar="FILE", help="Table of images and their tags.")],
    read=read,
    options=Options,
    takes=("images", *TAGGED),
    said="a table of tags",
    detect=detect,
)
