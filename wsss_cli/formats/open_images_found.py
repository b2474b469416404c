"""Images of Open Images that are there, and what its files say of them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from ..artifacts.inputs import walk
from ..errors import WsssError
from .names import is_image
from .open_images_rows import Row

SUBSETS = ("train", "validation", "val", "test", "challenge")


@dataclass
class Said:
    """What the files say of one image."""

    path: Path
    present: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    machine: set[str] = field(default_factory=set)
    boxes: list[tuple[str, tuple[float, ...], bool]] = field(default_factory=list)
    masks: list[tuple[str, Path]] = field(default_factory=list)
    splits: dict[str, None] = field(default_factory=dict)
    settled: bool = False  # its folder says in which split it is
    turned: bool = False


class Found:
    """The images that are there, and what was passed over."""

    def __init__(self, root: Path, wanted: tuple[str, ...] | None) -> None:
        self.root = root
        self.wanted = None if wanted is None else set(wanted)
        self.images: dict[str, Said] = {}
        self.missing: dict[str, None] = {}
        self.strange: dict[str, None] = {}
        self.other: dict[str, None] = {}
        self._stems: dict[str, list[tuple[str, Path]]] = {}
        for path in walk(root, is_image):
            inside = os.path.splitext(os.path.relpath(path, root))[0].replace(os.sep, "/")
            self._stems.setdefault(inside.rpartition("/")[2], []).append((inside, path))

    def image(self, row: Row, split: str | None) -> Said | None:
        """The image of a row; None where it is not there.

        Raises:
            WsssError: several images are called so, or the row names none.
        """
        name = row.text("ImageID")
        known = self.images.get(name)
        if known is None:
            known = self._first(name, row, split)
        if known is not None and split is not None and not known.settled:
            known.splits.setdefault(split)
        return known

    def _first(self, name: str, row: Row, split: str | None) -> Said | None:
        if name in self.missing:
            return None
        if not name:
            raise WsssError(f"{row.place}: names no image")
        found = [
            (inside, path)
            for inside, path in self._stems.get(name.rpartition("/")[2], ())
            if inside == name or inside.endswith("/" + name)
        ]
        if len(found) > 1 and split is not None:
            found = [one for one in found if split in one[0].split("/")] or found
        if len(found) > 1:
            both = " and ".join(inside for inside, _ in found[:2])
            raise WsssError(f"{row.place}: {name!r} could be {both}", "--images names one folder")
        if not found:
            self.missing[name] = None
            return None
        inside, path = found[0]
        own = [part for part in inside.split("/")[:-1] if part in SUBSETS][:1]
        self.images[name] = Said(path, splits=dict.fromkeys(own), settled=bool(own))
        return self.images[name]
