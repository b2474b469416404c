"""Images and label images in folders of the same shape: mmseg, Cityscapes, Roboflow, and others.

An image's tags are the classes that its mask holds. What the numbers of masks stand for is said by
a file beside (Roboflow's _classes.csv, CVAT's label_colors.txt), by --mask-values, or by --classes
in the order of the numbers. Cityscapes' own numbers are known.

Source: mmsegmentation's docs/en/advanced_guides/datasets.md.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..artifacts import ledger
from ..errors import WsssError
from .entries import Entry, gather
from .folder_numbers import cityscapes_numbers, numbered_lines, numbers_of_tables
from .imagefolder import SPLITS, TRUTH, is_annot, split_of
from .mask_names import found_suffix, mask_names
from .mask_values import NamedValues
from .masks import EXTENSIONS, Masks
from .names import is_image
from .place import Place
from .reading import DRAWN, Asked, Reader
from .sample import Collection

CLASSES, COLOURS = "_classes.csv", "label_colors.txt"
IMAGES = ("img_dir", "images", "image", "imgs", "img", "jpegimages", "original")


@dataclass(frozen=True)
class Pairs:
    """How masks lie beside images.

    Attributes:
        said: in a few words.
        masks: relative name of the mask of each image, by that of the image; None where it has
            none.
        named: what the numbers of masks stand for; None where nothing says so.
        sparse: whether the format leaves out the masks of images without objects.
    """

    said: str
    masks: Mapping[str, str | None]
    named: NamedValues | None = None
    sparse: bool = False


def read(path: Path, asked: Asked, _: Any) -> Collection:
    """Read folders of images and masks.

    Raises:
        WsssError: no such folders, nothing says what numbers stand for, or as `gather`.
    """
    place = Place(path)
    options = asked.mask_options
    pairs = paired(place, options.suffix)
    if pairs is None:
        raise WsssError(
            f"{path}: holds no images beside masks of the same names",
            "as images/a.jpg and masks/a.png, a.jpg and a_mask.png; --mask-suffix says how the "
            "names differ",
        )
    label_images = Masks(None, options)
    if label_images.named is None and options.first is None:
        label_images.named = pairs.named
    if asked.classes is None and label_images.named is None:
        raise WsssError(
            f"{path}: nothing names the classes that masks number",
            "list the names with --classes FILE, one a line, label 1 first; or --mask-values",
        )
    entries = [_entry(place, pairs, name) for name in pairs.masks]
    own = dict.fromkeys(split for entry in entries for split in entry.splits)
    if asked.splits and not any(asked.splits.values()) and set(asked.splits) <= set(own):
        entries = [one for one in entries if set(one.splits) & set(asked.splits)]
    return gather(
        str(path), entries, place.folder(asked.images), asked, {"source": "mask-folders"},
        splits=own, masks=label_images, tagged_by_masks=True,
    )  # fmt: skip


def _entry(place: Place, pairs: Pairs, name: str) -> Entry:
    """An image; one without a mask is not known to show nothing, unless the format says so."""
    splits, mask = split_of(_inside(name)), pairs.masks[name]
    if mask is None and not pairs.sparse:
        return Entry(name=name, splits=splits, problem="has no mask")
    image, where = place.root / name, None if mask is None else place.root / mask
    ledger.read(image)
    if where is not None:
        ledger.read(where)
    return Entry(name=name, image=image, mask=where, splits=splits)


def _inside(name: str) -> list[str]:
    """The folders of an image's name below that of all images."""
    parts = name.split("/")[:-1]
    while parts and parts[0].lower() in (*IMAGES, "leftimg8bit", "imgsfine"):
        parts = parts[1:]
    return parts


def paired(place: Place, suffix: str | None = None) -> Pairs | None:
    """The masks of a place's images, if there are any.

    Args:
        suffix: as `MaskOptions.suffix`.
    """
    names = [name for name in place.names if is_image(name) or _is_mask(name)]
    if suffix is None:
        for find in (_cityscapes, _roboflow):
            found = find(place, names)
            if found is not None:
                return found
    return _folders(names, suffix)


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
            table = place.one(COLOURS)
            named = cityscapes_numbers(kind) if table is None else numbered_lines(table)
            return Pairs("leftImg8bit and gtFine", masks, named, sparse=table is not None)
    return None


def _roboflow(place: Place, names: list[str]) -> Pairs | None:
    """X.jpg and X_mask.png in one folder, and _classes.csv: value and class a line."""
    files = [one for one in place.matching(CLASSES) if "pixel value" in place.head(one).lower()]
    folders = {os.path.relpath(one.parent, place.root).replace(os.sep, "/") for one in files}
    inside = [name for name in names if (posixpath.dirname(name) or ".") in folders]
    there, found = set(inside), dict[str, str]()
    for name in inside:
        stem = posixpath.splitext(name)[0]
        mask = next((m for e in EXTENSIONS if (m := f"{stem}_mask{e}") in there), None)
        if mask is not None:
            found[name] = mask
    if not found:
        return None
    used = set(found.values())
    masks = {name: found.get(name) for name in inside if name not in used}
    return Pairs("_mask.png beside images, and _classes.csv", masks, numbers_of_tables(files))


def _folders(names: list[str], suffix: str | None) -> Pairs | None:
    """Folders of images, each with one of masks beside, of the same shape below."""
    pairs = list(_candidates(names))
    if suffix is None:
        found = _matched(pairs, names, "")
        if found is None and pairs:
            stems = [one for images, _ in pairs for one in _below(images, names, is_image)]
            masks = [one for _, masks in pairs for one in _below(masks, names, _is_mask)]
            suffix = found_suffix(stems, masks)
    return _matched(pairs, names, suffix) if suffix else found


def _matched(pairs: list[tuple[str, str]], names: list[str], suffix: str) -> Pairs | None:
    found: dict[str, str | None] = {}
    used: dict[str, str] = {}
    for images, masks in pairs:
        if images in used:
            continue
        by_stem = _below(masks, names, _is_mask)
        masks_of = {
            name: next((by_stem[m] for m in mask_names(stem, suffix) if m in by_stem), None)
            for stem, name in _below(images, names, is_image).items()
        }
        if any(masks_of.values()):
            used[images] = masks
            found |= masks_of
    if not used:
        return None
    # A folder of images with no mask at all (a test set) is beside the others: said of each image.
    alone = {images for images, _ in pairs} - set(used)
    found |= {name: None for one in alone for name in _below(one, names, is_image).values()}
    images, masks = next(iter(used.items()))
    more = f", and {len(used) - 1} more" if len(used) > 1 else ""
    return Pairs(f"{images}/ and {masks}/{more}", found)


def _below(folder: str, names: list[str], wanted: Callable[[str], bool]) -> dict[str, str]:
    """Names below a folder, by what they are there without extension; PNG before others."""
    inside = [name for name in names if name.startswith(f"{folder}/") and wanted(name)]
    inside.sort(key=lambda name: name.lower().endswith(EXTENSIONS[0]))
    return {posixpath.splitext(name[len(folder) + 1 :])[0]: name for name in inside}


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
        if last.lower() not in IMAGES and last.lower() not in SPLITS:
            continue
        for masks in folders:
            beside, _, other = masks.rpartition("/")
            if beside != above:
                continue
            if is_annot(other, last) or (last.lower() in IMAGES and other.lower() in TRUTH):
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
