"""Images and label images in folders of the same shape: mmseg, Cityscapes, Roboflow, and others.

An image's tags are the classes that its mask holds. What the numbers of masks stand for is said by
a file beside (Roboflow's _classes.csv, CVAT's label_colors.txt), by --mask-values, or by --classes
in the order of the numbers. Cityscapes' own numbers are known.

Source: mmsegmentation's docs/en/advanced_guides/datasets.md; cityscapesscripts' labels.py.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..artifacts import ledger
from ..errors import WsssError
from .entries import Entry, gather
from .imagefolder import split_of
from .lists import read_lines
from .masks import EXTENSIONS, Masks
from .names import is_image
from .place import Place
from .reading import DRAWN, Asked, Reader
from .sample import Collection

CLASSES, COLOURS = "_classes.csv", "label_colors.txt"
IMAGES = ("img_dir", "images", "image", "imgs", "img", "jpegimages")
MASKS = (
    "ann_dir", "masks", "mask", "annotations", "labels", "label", "gt", "segmentationclass",
)  # fmt: skip
# Of Cityscapes: the numbers of labelIds that count, in the order of labelTrainIds.
CITYSCAPES = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole",
    19: "traffic light", 20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky",
    24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train",
    32: "motorcycle", 33: "bicycle",
}  # fmt: skip
UNCOUNTED = 34  # numbers of labelIds


@dataclass(frozen=True)
class Pairs:
    """How masks lie beside images.

    Attributes:
        said: in a few words.
        masks: relative name of the mask of each image, by that of the image; None where it has
            none.
        values: what the numbers of masks stand for, as `MaskOptions` takes it; none where nothing
            says so.
    """

    said: str
    masks: Mapping[str, str | None]
    values: tuple[str, ...] = ()


def read(path: Path, asked: Asked, _: Any) -> Collection:
    """Read folders of images and masks.

    Raises:
        WsssError: no such folders, nothing says what numbers stand for, or as `gather`.
    """
    place = Place(path)
    pairs = paired(place)
    if pairs is None:
        raise WsssError(
            f"{path}: holds no images beside masks of the same names",
            "as images/a.jpg and masks/a.png, a.jpg and a_mask.png",
        )
    options = asked.mask_options
    if not options.values and options.first is None and asked.classes is None:
        options = replace(options, values=pairs.values)
    if asked.classes is None and not options.values:
        raise WsssError(
            f"{path}: nothing names the classes that masks number",
            "list the names with --classes FILE, one a line, label 1 first; or --mask-values",
        )
    entries = []
    for name, mask in pairs.masks.items():
        image = place.root / name
        where = None if mask is None else place.root / mask
        ledger.read(image)
        if where is not None:
            ledger.read(where)
        splits = split_of(_inside(name))
        entries.append(Entry(name=name, image=image, mask=where, splits=splits))
    own = dict.fromkeys(split for entry in entries for split in entry.splits)
    return gather(
        str(path), entries, place.folder(asked.images), asked, {"source": "mask-folders"},
        splits=own, masks=Masks(None, options), tagged_by_masks=True,
    )  # fmt: skip


def _inside(name: str) -> list[str]:
    """The folders of an image's name below that of all images."""
    parts = name.split("/")[:-1]
    while parts and parts[0].lower() in (*IMAGES, "leftimg8bit", "imgsfine"):
        parts = parts[1:]
    return parts


def paired(place: Place) -> Pairs | None:
    """The masks of a place's images, if there are any."""
    names = [name for name in place.names if is_image(name) or _is_mask(name)]
    for find in (_cityscapes, _roboflow, _folders):
        found = find(place, names)
        if found is not None:
            return found
    return None


def _is_mask(name: str) -> bool:
    return posixpath.splitext(name)[1].lower() in EXTENSIONS


def _cityscapes(place: Place, names: list[str]) -> Pairs | None:
    """leftImg8bit/SPLIT/CITY/X_leftImg8bit.png and gtFine/SPLIT/CITY/X_gtFine_labelIds.png."""
    end = "_leftimg8bit"
    images = [one for one in names if posixpath.splitext(one)[0].lower().endswith(end)]
    there = set(place.names)
    for kind in ("labelTrainIds", "labelIds"):
        masks: dict[str, str | None] = {}
        for name in images:
            stem = posixpath.splitext(name)[0][: -len(end)]
            inside = stem.split("/")
            place_of = next((i for i, p in enumerate(inside) if p.lower() == "leftimg8bit"), None)
            if place_of is None:
                continue
            front = [part for part in inside[:place_of] if part.lower() != "imgsfine"]
            mask = "/".join([*front, "gtFine", *inside[place_of + 1 :]]) + f"_gtFine_{kind}.png"
            masks[name] = mask if mask in there else None
        if any(masks.values()):
            return Pairs("leftImg8bit and gtFine", masks, _city_values(place, kind))
    return None


def _city_values(place: Place, kind: str) -> tuple[str, ...]:
    """What numbers stand for: lines of label_colors.txt, or Cityscapes' own."""
    file = place.one(COLOURS)
    if file is not None:
        names = [" ".join(line.split()[3:]) for line in read_lines(file)]
        return tuple(f"{number}={name}" for number, name in enumerate(names))
    if kind == "labelTrainIds":
        known = dict(enumerate(CITYSCAPES.values()))
        return (*(f"{number}={name}" for number, name in known.items()), "255=ignore")
    others = (n for n in range(UNCOUNTED) if n not in CITYSCAPES)
    named = (f"{number}={name}" for number, name in CITYSCAPES.items())
    return (*named, *(f"{number}=ignore" for number in others), "255=ignore")


def _roboflow(place: Place, names: list[str]) -> Pairs | None:
    """X.jpg and X_mask.png in one folder, and _classes.csv: value and class a line."""
    files = place.matching(CLASSES)
    if not files or "pixel value" not in place.head(files[0]).lower():
        return None
    there = set(names)
    masks: dict[str, str | None] = {}
    folders = {posixpath.dirname(one) for one in place.names if one.endswith(CLASSES)}
    for name in names:
        stem = posixpath.splitext(name)[0]
        if stem.lower().endswith("_mask") or posixpath.dirname(name) not in folders:
            continue
        masks[name] = next((m for e in EXTENSIONS if (m := f"{stem}_mask{e}") in there), None)
    if not any(masks.values()):
        return None
    values: dict[str, None] = {}
    for file in files:
        for line in read_lines(file)[1:]:
            number, _, name = line.partition(",")
            values[f"{number.strip()}={name.strip()}"] = None
    return Pairs("_mask.png beside images, and _classes.csv", masks, tuple(values))


def _folders(place: Place, names: list[str]) -> Pairs | None:
    """One folder of images and one of masks, of the same shape below."""
    for images, masks in _candidates(names):
        inside = [name for name in names if name.startswith(f"{images}/") and is_image(name)]
        by_stem: dict[str, str] = {}
        for name in names:
            if name.startswith(f"{masks}/") and _is_mask(name):
                by_stem[posixpath.splitext(name[len(masks) + 1 :])[0]] = name
        found = {
            name: by_stem.get(posixpath.splitext(name[len(images) + 1 :])[0]) for name in inside
        }
        if any(found.values()):
            return Pairs(f"{images}/ and {masks}/", found)
    return None


def _candidates(names: list[str]) -> Iterator[tuple[str, str]]:
    """Folders of images and of masks that lie side by side, by their usual names."""
    folders = dict.fromkeys(
        "/".join(parts[:depth])
        for name in names
        for parts in [name.split("/")]
        for depth in range(1, len(parts))
    )
    for images in folders:
        above, _, last = images.rpartition("/")
        if last.lower() not in IMAGES:
            continue
        for masks in folders:
            beside, _, other = masks.rpartition("/")
            if beside == above and other.lower() in MASKS:
                yield images, masks


def detect(place: Place) -> str | None:
    """As `Reader.detect`."""
    if place.single:
        return None
    pairs = paired(place)
    return None if pairs is None else pairs.said


READER = Reader(
    name="mask-folders",
    said="images and masks in folders",
    read=read,
    detect=detect,
    option=False,
    takes=tuple(name for name in DRAWN if name not in ("masks", "outlines", "fill_boxes")),
)
