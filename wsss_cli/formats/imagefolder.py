"""Folders named by class, as ImageFolder of torchvision reads them: [SPLIT/]CLASS/.../image.

An image of several classes lies in several folders, as Datumaro copies it: files of the same name
and the same bytes are one image with all of these tags. What lies in no_label shows no class.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..artifacts import ledger
from ..artifacts.inputs import contents
from ..errors import WsssError
from .entries import Entry, gather
from .names import is_image
from .place import Place
from .reading import TAGGED, Asked, Reader
from .sample import Collection

SPLITS = frozenset(
    {"train", "training", "val", "valid", "validation", "test", "testing", "dev", "trainval"}
)
NONE = frozenset({"no_label", "background"})  # folders of no class
# folders of label images, and others that say what lies in them: no classes
TRUTH = frozenset(
    {"ann_dir", "masks", "mask", "annotations", "labels", "label", "gt", "groundtruth",
     "ground_truth", "segmentationclass", "gtfine", "ann"}
)  # fmt: skip
LAYOUT = TRUTH | {
    "images",
    "image",
    "imgs",
    "img",
    "jpegimages",
    "img_dir",
    "leftimg8bit",
    "imgsfine",
}
ANNOTS = ("annot", "_annot", "_labels", "_label", "_masks", "_mask", "_gt")  # behind a split's name


def is_annot(folder: str, split: str) -> bool:
    """Whether a folder is named as that of the label images of a split.

    >>> is_annot("trainannot", "train"), is_annot("train_labels", "train"), is_annot("x", "train")
    (True, True, False)
    """
    ends = tuple(f"{split}{end}".lower() for end in ANNOTS)
    return split.lower() in SPLITS and folder.lower() in ends


def split_of(parts: list[str]) -> tuple[str, ...]:
    """The split that the first folder of a name is, if it is one."""
    return (parts[0],) if parts and parts[0].lower() in SPLITS else ()


def read(path: Path, asked: Asked, _: Any) -> Collection:
    """Read a folder of folders.

    Raises:
        WsssError: an image lies in no folder of a class, or as `gather`.
    """
    place = Place(path)
    groups: dict[tuple[tuple[str, ...], str], list[tuple[str, str]]] = {}
    classes: dict[str, None] = {}
    for name in place.names:
        if not is_image(name):
            continue
        parts = name.split("/")
        splits = split_of(parts[:-1])
        if len(parts) < 2 + len(splits):
            raise WsssError(
                f"{path}: {name} lies in no folder that names its class",
                "folders are [SPLIT/]CLASS/.../image",
            )
        folder, rest = parts[len(splits)], "/".join(parts[len(splits) + 1 :])
        groups.setdefault((splits, rest), []).append((folder, name))
        if folder.lower() not in NONE:
            classes[folder] = None
    entries, joined = [], 0
    for (splits, _rest), copies in groups.items():
        for names, tags in _told_apart(place, copies):
            joined += len(names) > 1
            shown = tuple(tag for tag in tags if tag.lower() not in NONE)
            image = place.root / names[0]
            ledger.read(image)
            entries.append(Entry(name=names[0], image=image, tags=shown, splits=splits))
    remarks = [f"{joined} images lie in several folders: each has all of these tags"] * bool(joined)
    own = dict.fromkeys(split for entry in entries for split in entry.splits)
    return gather(
        str(path), entries, place.folder(asked.images), asked, {"source": "imagefolder"},
        classes=tuple(sorted(classes)), splits=own, remarks=remarks,
    )  # fmt: skip


def _told_apart(place: Place, copies: list[tuple[str, str]]) -> list[tuple[list[str], list[str]]]:
    """Files of one name in several folders: the names and the folders of each image."""
    if len(copies) == 1:
        folder, name = copies[0]
        return [([name], [folder])]
    found: dict[bytes, tuple[list[str], list[str]]] = {}
    for folder, name in copies:
        try:
            content = contents(place.root / name)
        except OSError:
            content = name.encode()  # said where it is decoded
        names, folders = found.setdefault(content, ([], []))
        names.append(name)
        folders.append(folder)
    return list(found.values())


def detect(place: Place) -> str | None:
    """As `Reader.detect`: nothing but images, all of them in folders that can name classes."""
    if place.single:
        return None
    classes = set()
    for name in place.names:
        parts = name.split("/")[:-1]
        if not is_image(name) and not parts:
            continue  # a README
        if not is_image(name):
            return None
        parts = parts[len(split_of(parts)) :]
        if not parts or parts[0].lower() in LAYOUT or any(p.lower() in TRUTH for p in parts):
            return None
        if any(is_annot(parts[0], split) for split in SPLITS):
            return None
        classes.add(parts[0])
    if len(classes) < 2:
        return None
    first = ", ".join(sorted(classes)[:3])
    return f"folders {first}" + (", ..." if len(classes) > 3 else "")


READER = Reader(
    name="imagefolder",
    said="folders named by class",
    read=read,
    detect=detect,
    option=False,
    takes=tuple(name for name in TAGGED if not name.startswith("mask") and name != "first_label"),
)
