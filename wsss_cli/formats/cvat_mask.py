"""CVAT's "Segmentation mask 1.1": a devkit of masks alone, whose colours labelmap.txt names.

Images that a list names and that have no mask show no class. The images may lie elsewhere.

Source: formats/mask.py of github.com/cvat-ai/cvat, the VOC writer of github.com/cvat-ai/datumaro.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import WsssError
from .instance_masks import CLASSES
from .place import Place
from .reading import DRAWN, Asked, Reader
from .sample import Collection
from .voc import IMAGES, read_voc


def read(path: Path, asked: Asked, _: Any) -> Collection:
    """Read an export.

    Raises:
        WsssError: it has no masks, or no images and none are named; as `read_voc`.
    """
    place = Place(path)
    if CLASSES not in _folders(place):
        raise WsssError(f"{path}: has no {CLASSES}/")
    if asked.images is None and IMAGES not in _folders(place):
        raise WsssError(
            f"{path}: holds no images ({IMAGES}/)", "--images names the folder of the images"
        )
    found = read_voc(
        place.root, asked.splits, "mask", asked.classes, asked.masks, asked.negative,
        asked.mask_options, images=asked.images,
    )  # fmt: skip
    found.notes["source"] = READER.name
    return found


def _folders(place: Place) -> set[str]:
    return {name.split("/")[0] for name in place.names if "/" in name}


def detect(place: Place) -> str | None:
    """As `Reader.detect`."""
    folders = _folders(place)
    if CLASSES not in folders or "Annotations" in folders:
        return None
    if "labelmap.txt" in place.names or any(n.startswith("ImageSets/") for n in place.names):
        return f"{CLASSES}/ and no Annotations/"
    return None


READER = Reader(
    name="cvat-mask",
    said="CVAT's segmentation masks",
    read=read,
    detect=detect,
    option=False,
    takes=DRAWN,
    before=("mask-folders",),
)
