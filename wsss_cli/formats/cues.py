"""SEC's published localisation cues: which cells of a 41 x 41 grid are which label for sure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..core.labels import BACKGROUND, IGNORE
from ..errors import WsssError
from .lists import read_text, refuse_twice
from .unpickle import load_pickle

GRID = 41  # cells a side, over the whole image whatever its shape


@dataclass(frozen=True)
class Cues:
    """Cues by image.

    Attributes:
        path: of the file.
        digest: of its contents and of the list's.
        numbers: of images in the file, by id.
    """

    path: Path
    digest: str
    numbers: Mapping[str, int]
    _arrays: Mapping[Any, Any]

    def __contains__(self, image_id: object) -> bool:
        return image_id in self.numbers

    def present(self, image_id: str) -> np.ndarray:
        """(T,) uint16 class indices of an image, rising.

        Raises:
            WsssError: the file's entry is not what it should be.
        """
        labels = self._array(image_id, "labels", 1)
        if (labels < 1).any() or (labels >= IGNORE).any():
            raise self._malformed(image_id)
        return np.unique(labels - 1).astype(np.uint16)

    def cells(self, image_id: str) -> np.ndarray:
        """(GRID, GRID) uint8 labels; IGNORE where there is no cue.

        A cell that is background and a class is the class; of several classes, that with the
        fewest cells has it.

        Raises:
            WsssError: as `present`.
        """
        cues = self._array(image_id, "cues", 2)
        label, row, column = cues if len(cues) == 3 else np.full((3, 1), -1)
        place = np.stack([row, column])
        if (label < 0).any() or (label >= IGNORE).any() or ((place < 0) | (place >= GRID)).any():
            raise self._malformed(image_id)
        found = np.full((GRID, GRID), IGNORE, np.uint8)
        names, areas = np.unique(label, return_counts=True)
        for name in sorted(names, key=lambda n: (n != BACKGROUND, -areas[names == n][0], n)):
            found[row[label == name], column[label == name]] = name
        return found

    def _array(self, image_id: str, what: str, ndim: int) -> np.ndarray:
        array = self._arrays.get(f"{self.numbers[image_id]}_{what}")
        if not isinstance(array, np.ndarray) or array.ndim != ndim or array.dtype.kind not in "iu":
            raise self._malformed(image_id)
        return array.astype(np.int64)

    def _malformed(self, image_id: str) -> WsssError:
        return WsssError(
            f"{self.path}: no cues as SEC writes them for {image_id!r}, "
            f"number {self.numbers[image_id]}"
        )


def read_cues(path: Path, names: Path) -> Cues:
    """Read cues through a restricted unpickler.

    Args:
        path: pickle, gzipped or not, of a dict of "NUMBER_labels", labels 1..C of an image, and
            "NUMBER_cues", (3, M) label, row and column of each cue.
        names: text, in each line the image's file name and its number.

    Raises:
        WsssError: see `load_pickle` and `read_text`; or the list has other lines, or one image
            twice.
    """
    listed = read_text(names)
    rows = [line.split() for line in listed.splitlines() if line.strip()]
    if not rows or not all(len(row) == 2 and row[1].isascii() and row[1].isdigit() for row in rows):
        raise WsssError(f"{names}: needs the name of an image and its number in each line")
    ids = [str(PurePosixPath(name).with_suffix("")) for name, _ in rows]
    refuse_twice(str(names), "images", ids)
    content, digest = load_pickle(path)
    if not isinstance(content, dict):
        raise WsssError(f"{path}: holds no dictionary of cues")
    both = hashlib.sha256(digest.encode() + listed.encode()).hexdigest()[:16]
    numbers = {image_id: int(number) for image_id, (_, number) in zip(ids, rows, strict=True)}
    return Cues(path, both, numbers, content)
