"""The dataset artifact as stages see it: images, tags, masks and splits by image id."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..core.images import decode_image, decode_mask
from ..core.labels import IGNORE
from ..core.reading import Reading
from ..errors import WsssError
from . import hdf5, ledger, provenance
from .inputs import contents
from .pixels import PixelCache
from .provenance import Source
from .schema import DATASET
from .store import Artifact, open_artifact
from .validate import read_split


class TrueBoxes(NamedTuple):
    """What `DatasetReader.true_boxes` gives.

    Attributes:
        corners: (n, 4) float32, x0, y0, x1, y1 in pixels of the upright image: x right, y down, its
            first pixel covers 0 to 1.
        classes: (n,) uint16 class indices.
        difficult: (n,) bool, which are marked as hard to see.
    """

    corners: np.ndarray
    classes: np.ndarray
    difficult: np.ndarray


class DatasetReader(Artifact):
    """A `wsss/dataset` open for reading. Picklable, like every artifact."""

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
        try:
            image = decode_image(encoded, self.reading)
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


def open_dataset(path: str | Path | None, *sources: Source) -> DatasetReader:
    """Open the data set at `path`, or else the one that the first of `sources` was made from.

    Raises:
        WsssError: no path is given or recorded, the recorded file has gone or has changed since,
        or says of its pixels what makes no sense; the sources are of other classes, or of images
        of other sizes. And whatever `open_artifact` raises.
    """
    expected = None
    if path is None:
        path, expected = _recorded(sources)
    artifact = open_artifact(path, DATASET)
    if expected is not None and artifact.run != expected:
        raise WsssError(
            f"{path}: is not the data set that {sources[0].path} was made from",
            f"name it with --data {os.fspath(path)} to use it all the same",
        )
    reader = DatasetReader(artifact.path, artifact.attributes, artifact.stamp)
    try:
        _ = reader.reading  # refused here where it makes no sense
        check_classes(reader, *sources)
        for source in sources:
            if isinstance(source, Artifact):
                check_sizes(reader, source)
    except BaseException:
        reader.close()
        raise
    ledger.read_many(reader.linked_files)
    return reader


def check_classes(first: Artifact, *others: Source) -> None:
    """Refuse inputs whose class names differ: their class indices would mean other things.

    Raises:
        WsssError: naming the first difference.
    """
    for other in others:
        names: Sequence[str] = getattr(other, "classes", first.classes)
        if list(names) != first.classes:
            pairs = zip([*first.classes, None], [*names, None], strict=False)
            mine, theirs = next((a, b) for a, b in pairs if a != b)
            raise WsssError(
                f"{first.path} and {other.path}: class names differ "
                f"(first {mine!r} against {theirs!r})",
                "use files that were made from the same classes",
            )


def check_sizes(data: DatasetReader, made: Artifact) -> None:
    """Refuse maps or labels of images that have another size in the data set.

    Raises:
        WsssError: naming the first.
    """
    ours, theirs = data.encoded_ids(), made.encoded_ids()
    known, row, other = np.intersect1d(ours, theirs, assume_unique=True, return_indices=True)
    expected, found = data.sizes()[row], made.sizes()[other]
    differ = (expected != found).any(axis=1)
    if differ.any():
        first = int(differ.argmax())
        (height, width), (h, w) = expected[first], found[first]
        raise WsssError(
            f"{known[first].decode()}: is {height}x{width} in {data.path}, but {h}x{w} in "
            f"{made.path}",
            f"name the data set that {made.path.name} was made from with --data",
        )


def _recorded(sources: Sequence[Source]) -> tuple[Path, str]:
    for source in sources:
        if source.data is not None:
            path = provenance.locate_data(source.data, source.path)
            if not path.exists():
                raise WsssError(
                    f"{path}: no such file (the data set that {source.path} records)",
                    "name the data set with --data or WSSS_DATA",
                )
            return path, source.data["run"]
    raise WsssError("no data set given", "name one with --data or WSSS_DATA; `wsss pack` makes one")
