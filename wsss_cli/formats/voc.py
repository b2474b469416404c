"""The VOC devkit: JPEGImages, Annotations, ImageSets, SegmentationClass."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from ..artifacts.inputs import children, is_dir, is_file, top
from ..errors import WsssError
from .files import ImageFolder
from .instance_masks import all_background, with_objects
from .lists import read_lists
from .masks import USUAL, MaskOptions, Masks, way_out
from .place import Place
from .reading import DRAWN, Asked, Reader
from .sample import VOC_CLASSES, Collection, Problem, Sample, collect
from .voc_loose import loose, read_annotation, read_loose, told_loose

IMAGES = "JPEGImages"
_HINT = "--voc should hold JPEGImages/ and Annotations/, as VOCdevkit/VOC2012 does"


class LabelsFrom(str, enum.Enum):
    """Where a devkit's image labels come from."""

    xml = "xml"
    mask = "mask"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of --voc alone."""

    labels_from: Annotated[
        LabelsFrom,
        typer.Option(
            help="Where the tags of an image come from: its boxes (xml) or its masks (mask)."
        ),
    ] = LabelsFrom.xml
    boxes: Annotated[
        bool,
        typer.Option(
            "--boxes/--no-boxes",
            help="Whether the boxes of the XML are kept, for scoring. Only with tags from xml.",
        ),
    ] = True


def read_voc(
    root: Path,
    splits: Mapping[str, Path | None] | None = None,
    labels_from: str = "xml",
    classes: tuple[str, ...] | None = None,
    masks: Path | None = None,
    negative: tuple[str, ...] = (),
    mask_options: MaskOptions = USUAL,
    boxes: bool = True,
    images: Path | None = None,
) -> Collection:
    """Read a devkit folder.

    Args:
        root: holds JPEGImages/ and what else there is, or just a folder that does; or a zip.
        splits: lists to take, by name; None for a file stands for ImageSets/Segmentation/NAME.txt
            or ImageSets/Main/NAME.txt. No splits: all lists of ImageSets/Segmentation; without
            that folder, all images.
        labels_from: "xml" takes the names of boxes, "difficult" ones included; "mask" takes the
            labels that the mask holds. The two differ on some images of VOC.
        classes: names in order; otherwise those of a labelmap.txt beside the masks, or VOC's 20
            if all tags are among them, else the tags found, sorted.
        masks: folder of label images; SegmentationClass/ where there is one.
        negative: tags that say that an image shows no class.
        mask_options: what is said of the masks beside.
        boxes: whether the boxes of the XML are kept; there are none with labels_from "mask".
        images: folder of the images in place of JPEGImages/.

    Raises:
        WsssError: a folder or list is missing, a list is empty, or masks cannot be understood.
    """
    root = top(root, holding=(IMAGES,))
    folder = ImageFolder(images or root / IMAGES, _hint(root))
    label_images = Masks(masks, mask_options, root / "SegmentationClass")
    if labels_from == "xml" and not is_dir(root / "Annotations"):
        raise WsssError(
            f"{root}: has no Annotations/",
            "--labels-from mask takes image labels from SegmentationClass/"
            if masks is None and label_images.folder is not None else _HINT,
        )  # fmt: skip
    paths, splits_of, names, problems = _choose(root, folder, splits)
    untagged = [Sample(i, path, (), None, splits_of.get(i, ())) for i, path in paths.items()]
    masked, more = label_images.attach(untagged, folder)
    problems += more

    usual = label_images.classes(()) or VOC_CLASSES
    samples = []
    for sample in masked:
        try:
            if labels_from == "xml":
                stem = folder.stem(paths[sample.id])
                tags, drawn = read_annotation(root / "Annotations" / f"{stem}.xml", boxes)
                drawn = None if drawn is None else drawn.without(negative)
                sample = replace(sample, drawing=drawn)
            else:
                tags = label_images.names(sample, classes or usual)
                if sample.mask is None:
                    sample = replace(sample, drawing=all_background(sample.id))
        except ValueError as err:
            problems.append(Problem(sample.id, str(err), way_out(err)))
            continue
        samples.append(replace(sample, tags=tags))
    found = {tag for sample in samples for tag in sample.tags if tag not in negative}
    order = usual
    if not found <= set(usual):
        order = label_images.classes(sorted(found))
        if classes is None:
            label_images.order(str(root), samples)
    notes = {"source": "voc", "labels_from": labels_from}
    collection = collect(
        samples, order, classes, names, notes, problems,
        source=str(root), negative=negative,
        remarks=[*folder.remarks(), *label_images.remarks()],
    )  # fmt: skip
    return with_objects(label_images.settle(collection), label_images.folder)


def _choose(
    root: Path,
    folder: ImageFolder,
    splits: Mapping[str, Path | None] | None,
) -> tuple[dict[str, Path], dict[str, tuple[str, ...]], list[str], list[Problem]]:
    """Image paths by id, split names by id, all split names, problems."""
    files = {name: file or _list_file(root, name) for name, file in (splits or {}).items()}
    if not files:
        lists = children(root / "ImageSets" / "Segmentation", "*.txt")
        files = {file.stem: file for file in lists}
    if files:
        paths, splits_of, problems = read_lists(files, folder)
    else:
        splits_of = {}
        paths, problems = folder.all_by_id()
    return paths, splits_of, list(files), problems


def _list_file(root: Path, name: str) -> Path:
    kinds = ("Segmentation", "Main")
    for kind in kinds:
        file = root / "ImageSets" / kind / f"{name}.txt"
        if is_file(file):
            return file
    there = sorted(
        {file.stem for kind in kinds for file in children(root / "ImageSets" / kind, "*.txt")}
    )
    listed = ", ".join(there[:12]) + (", ..." if len(there) > 12 else "")
    raise WsssError(
        f"{root}: has no list '{name}' in ImageSets/Segmentation or ImageSets/Main",
        f"it has: {listed or 'none'}; --split NAME=FILE names a list elsewhere",
    )


def _hint(root: Path) -> str:
    for inner in children(root, "VOC*") + children(root / "VOCdevkit", "VOC*"):
        if is_dir(inner / IMAGES):
            return f"did you mean {inner}?"
    return _HINT


def read(root: Path, asked: Asked, options: Options) -> Collection:
    """`read_voc` of what is asked."""
    labels_from = options.labels_from.value
    place = Place(root)
    if labels_from == "xml" and asked.images is None and loose(place):
        return read_loose(place, asked, options.boxes)
    return read_voc(
        root, asked.splits, labels_from, asked.classes, asked.masks, asked.negative,
        asked.mask_options, options.boxes, asked.images,
    )  # fmt: skip


def detect(place: Place) -> str | None:
    """As `Reader.detect`."""
    if loose(place):
        return told_loose(place)
    folders = {name.split("/")[0] for name in place.names if "/" in name}
    needed = {IMAGES, "Annotations"} & folders
    return " and ".join(f"{name}/" for name in sorted(needed)) if len(needed) == 2 else None


READER = Reader(
    name="voc",
    source=Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder of a VOC devkit: JPEGImages/, Annotations/, ..."),
    ],
    read=read,
    options=Options,
    said="a VOC devkit",
    takes=DRAWN,
    before=("mask-folders",),
    detect=detect,
)
