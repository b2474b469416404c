"""The dataset artifact as stages see it: images, tags, masks and splits by image id."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from ..core.images import decode_image, decode_mask
from ..core.labels import IGNORE
from ..core.marks import Marks, TrueBoxes, TrueObject, objects_of
from ..core.reading import AS_IT_IS, Reading
from ..errors import WsssError
from . import hdf5
from .inputs import contents
from .pixels import PixelCache
from .store import Artifact
from .validate import read_split


class DatasetReader(Artifact):
    """A `wsss/dataset` open for reading. Picklable, like every artifact."""

    view = ""  # how its images are seen, where not as they are stored; see `wholes`
    _pixels: PixelCache | None = None

    def encoded_image(self, image_id: str) -> bytes:
        """The image file's own bytes, from inside the artifact or from where it links to.

        Raises:
            WsssError: no such image; of a linked one: it is gone, or has changed since.
        """
        stored = self.field(image_id, "image")
        if stored is not None:
            return stored.tobytes()
        linked = self.field(image_id, "path")
        if linked is None:
            raise WsssError(f"{self.path}: image {image_id!r} has neither bytes nor a path")
        path = self._linked(linked)
        try:
            encoded = contents(path)
        except (OSError, ValueError) as err:  # ValueError: a name with a zero byte
            reason = getattr(err, "strerror", None) or "cannot be read"
            raise WsssError(
                f"{path}: {reason} (linked from {self.path})",
                "put the images back where they were, or pack again without --link",
            ) from None
        digest = self.field(image_id, "digest")
        if digest is not None and hashlib.sha256(encoded).digest() != digest.tobytes():
            raise WsssError(f"{path}: has changed since {self.path} was packed", "pack it again")
        return encoded

    def linked_files(self) -> Iterator[Path]:
        """The image files that it links to."""
        if self.column("path").holds_values:
            for image_id in self.ids:
                linked = self.field(image_id, "path")
                if linked is not None:
                    yield self._linked(linked)

    def _linked(self, name: np.ndarray) -> Path:
        return self.path.resolve().parent / os.fsdecode(name.tobytes())

    @cached_property
    def reading(self) -> Reading:
        """How pixels are read that 8-bit RGB cannot hold, as it was packed with.

        Raises:
            WsssError: its params say what makes no sense.
        """
        try:
            return Reading.of(self.params)
        except ValueError as err:
            raise WsssError(f"{self.path}: damaged ({err})", "pack it again") from None

    def image(self, image_id: str) -> np.ndarray:
        """(H, W, 3) uint8 RGB, upright; not to be written to after `keep_pixels`."""
        kept = self._pixels.get(image_id) if self._pixels is not None else None
        if kept is not None:
            return kept
        encoded = self.encoded_image(image_id)
        cut = self.field(image_id, "tile") is not None  # read when it was cut; 8-bit RGB since
        try:
            image = decode_image(encoded, AS_IT_IS if cut else self.reading)
        except ValueError as err:
            raise WsssError(f"{self.path}: image {image_id!r}: {err}", "pack it again") from None
        self._check_size("image", image_id, image)
        if self._pixels is not None:
            self._pixels.put(image_id, image)
        return image

    def keep_pixels(self, ids: Iterable[str], limit: int) -> None:
        """From now on keep what is decoded of these images, for processes forked later as well.

        Args:
            ids: those that are read again and again.
            limit: bytes to keep at most; images for which there is no room are decoded each time.
        """
        self._pixels = PixelCache({image_id: self.size(image_id) for image_id in ids}, limit)

    def mask(self, image_id: str) -> np.ndarray | None:
        """(H, W) uint8 labels, IGNORE where void; None where the image has no mask."""
        encoded = self.field(image_id, "mask")
        if encoded is None:
            return None
        try:
            mask = decode_mask(encoded.tobytes())
        except ValueError as err:
            raise WsssError(f"{self.path}: mask of {image_id!r}: {err}", "pack it again") from None
        if ((mask > len(self.classes)) & (mask != IGNORE)).any():
            raise WsssError(f"{self.path}: mask of {image_id!r} has labels of no class")
        self._check_size("mask of", image_id, mask)
        return mask

    def _check_size(self, what: str, image_id: str, pixels: np.ndarray) -> None:
        expected, found = self.size(image_id), pixels.shape[:2]
        if found != expected:
            raise WsssError(
                f"{self.path}: {what} {image_id!r} is {found[0]}x{found[1]}, not "
                f"{expected[0]}x{expected[1]}",
                "pack it again",
            )

    def true_boxes(self, image_id: str) -> TrueBoxes | None:
        """The boxes that people drew around the image's objects; None where nobody did.

        Only scoring may ask: a method that saw them would not be weakly supervised.
        """
        box = self.field(image_id, "true_box")
        if box is None:
            return None
        number = self.field(image_id, "true_box_class")
        difficult = self.field(image_id, "true_box_difficult")
        assert number is not None
        assert difficult is not None
        return TrueBoxes(box, number, difficult != 0)

    def true_objects(self, image_id: str) -> list[TrueObject] | None:
        """The image's true instances with their pixels; None where they are not known.

        Only scoring may ask, as with `true_boxes`.

        Raises:
            WsssError: numbers that do not fit together, or are of no class or outside the image.
        """
        table, runs = self.field(image_id, "true_object"), self.field(image_id, "true_object_run")
        if table is None or runs is None:
            return None
        height, width = self.size(image_id)
        try:
            if len(table) and (table[:, 0].min() < 0 or table[:, 0].max() >= len(self.classes)):
                raise ValueError("an object of no class")
            corners = table[:, 2:6]
            if (corners < 0).any() or (corners > (width, height, width, height)).any():
                raise ValueError("an object outside of the image")
            return objects_of(table, runs)
        except ValueError as err:
            raise self._damaged(f"objects of {image_id!r}", err) from None

    def marks(self, image_id: str) -> Marks | None:
        """The image's weak labels with a place; None where it has none.

        Raises:
            WsssError: numbers that make no sense.
        """
        table = self.field(image_id, "mark")
        if table is None:
            return None
        ring, xy, run = (self.field(image_id, f"mark_{name}") for name in ("ring", "xy", "run"))
        assert ring is not None
        assert xy is not None
        assert run is not None
        marks = Marks(table, ring, xy, run)
        try:
            marks.check(len(self.classes))
        except ValueError as err:
            raise self._damaged(f"marks of {image_id!r}", err) from None
        return marks

    def _damaged(self, what: str, error: ValueError) -> WsssError:
        return WsssError(f"{self.path}: {what}: {error}", "pack it again")

    def absent(self, image_id: str) -> np.ndarray | None:
        """(A,) uint16 class indices that are known not to be in the image, rising.

        None where nothing says so much: then all classes without a tag are absent. Where it is not
        None, a class that is neither tagged nor absent is one that nothing is said of.
        """
        return self.field(image_id, "absent")

    def not_said(self, image_id: str) -> np.ndarray:
        """(U,) class indices, rising, that may be in the image or not."""
        absent = self.absent(image_id)
        if absent is None:
            return np.zeros(0, np.uint16)
        said = np.concatenate([self.tags(image_id), absent])
        return np.setdiff1d(np.arange(len(self.classes), dtype=np.uint16), said)

    def has_mask(self, image_id: str) -> bool:
        return self.field(image_id, "mask") is not None

    def tags(self, image_id: str) -> np.ndarray:
        """(T,) uint16 class indices present, rising."""
        tags = self.field(image_id, "tags")
        assert tags is not None
        return tags

    def size(self, image_id: str) -> tuple[int, int]:
        """(H, W) of the upright image."""
        size = self.field(image_id, "size")
        assert size is not None
        return int(size[0]), int(size[1])

    @property
    def splits(self) -> list[str]:
        """Names of the splits that it was packed with, sorted."""
        self._open()
        assert self._file is not None
        return sorted(self._file["splits"]) if "splits" in self._file else []

    def split(self, name: str | None) -> list[str]:
        """The ids of a split, rising; all ids for None.

        Raises:
            WsssError: no split of that name.
        """
        if name is None:
            return self.ids
        known = self.splits
        if name not in known:
            listed = ", ".join(known) or "none"
            raise WsssError(f"{self.path}: has no split {name!r}", f"it has: {listed}")
        assert self._file is not None
        with hdf5.reading(self.path, self._hint):
            rows = read_split(self._file, name, len(self))
        ids = self.encoded_ids()
        return [ids[row].decode() for row in rows]
