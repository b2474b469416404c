"""A data set of tiles seen as the whole images that they were cut from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..core.images import encode_image, encode_mask
from ..core.joining import (
    join_absent,
    join_boxes,
    join_marks,
    join_objects,
    join_pixels,
    join_tags,
)
from ..core.marks import Marks, TrueBoxes, TrueObject
from ..core.tiles import Tiling, Window
from ..errors import WsssError
from . import hdf5
from .dataset import DatasetReader
from .store import Artifact
from .validate import MOST_PIXELS

TILING = "tile"  # what the params of a data set of tiles say


class WholeReader(DatasetReader):
    """A `wsss/dataset` of tiles as its whole images; images that were not cut are as they are.

    An image is put together of its tiles each time that it is asked for.
    """

    view = "whole"

    def __init__(self, tiles: DatasetReader) -> None:
        """
        Raises:
            WsssError: images whose tiles are not all there, or no grid.
        """
        super().__init__(tiles.path, tiles.attributes, tiles.stamp)
        self._tiles = tiles
        try:
            tiling = Tiling.of(tiles.params)
            assert tiling is not None
            self.tiling = tiling
            self._groups, self._sizes = self._find()
        except ValueError as err:
            raise WsssError(f"{tiles.path}: damaged ({err})", "pack it again") from None

    def _find(self) -> tuple[dict[str, list[str]], dict[str, tuple[int, int]]]:
        """Ids of the tiles by whole image, in the order of the grid; and the wholes' sizes.

        Raises:
            ValueError: they do not fit together.
        """
        tiles, names = self._tiles, self._tiles.ids
        with hdf5.reading(tiles.path, tiles._hint):
            held = tiles.column("tile").shapes()[:, 0] >= 0
            places = iter(tiles.column("tile").values().reshape(-1, 4).tolist())
            letters = tiles.column("whole").values().tobytes()
            lengths = iter(tiles.column("whole").shapes()[held, 0].tolist())
        sides, start = tiles.sizes().tolist(), 0
        groups: dict[str, list[str]] = {}
        sizes: dict[str, tuple[int, int]] = {}
        corners: dict[str, list[Window]] = {}
        for name, cut, side in zip(names, held.tolist(), sides, strict=True):
            if not cut:
                groups[name], sizes[name] = [name], (side[0], side[1])
                continue
            y, x, height, width = next(places)
            stop = start + next(lengths)
            whole, start = letters[start:stop].decode(), stop
            if sizes.setdefault(whole, (height, width)) != (height, width):
                raise ValueError(f"tiles of {whole!r} are of images of several sizes")
            groups.setdefault(whole, []).append(name)
            corners.setdefault(whole, []).append(Window(y, x, side[0], side[1]))
        for whole, windows in corners.items():
            self._check(whole, sizes[whole], windows)
            order = sorted(range(len(windows)), key=windows.__getitem__)
            groups[whole] = [groups[whole][row] for row in order]
        return dict(sorted(groups.items(), key=lambda one: one[0].encode())), sizes

    def _check(self, whole: str, size: tuple[int, int], windows: list[Window]) -> None:
        honest = min(size) > 0 and size[0] * size[1] <= MOST_PIXELS
        if (
            not honest
            or self.tiling.count(size) != len(windows)
            or sorted(windows) != self.tiling.windows(size)
        ):
            raise ValueError(f"the tiles of {whole!r} are not those of an image of {size}")

    @property
    def groups(self) -> dict[str, list[str]]:
        """Ids of the tiles of each whole image, in the order of the grid; an uncut one's own."""
        return self._groups

    @property
    def tiles(self) -> DatasetReader:
        """The same data set as it is stored."""
        return self._tiles

    def close(self) -> None:
        super().close()
        if "_tiles" in self.__dict__:
            self._tiles.close()

    def __len__(self) -> int:
        return len(self._groups)

    @cached_property
    def _encoded(self) -> np.ndarray:
        return np.array([whole.encode() for whole in self._groups], np.bytes_)

    def encoded_ids(self) -> np.ndarray:
        return self._encoded

    def sizes(self) -> np.ndarray:
        return np.array([self._sizes[whole] for whole in self._groups]).reshape(-1, 2)

    def size(self, image_id: str) -> tuple[int, int]:
        self._of(image_id)
        return self._sizes[image_id]

    def _of(self, image_id: str) -> list[str]:
        """The ids of an image's tiles."""
        if image_id not in self._groups:
            raise WsssError(f"{self.path}: has no image {image_id!r}, whole")
        return self._groups[image_id]

    def is_cut(self, image_id: str) -> bool:
        """Whether an image was cut."""
        return self._of(image_id) != [image_id]

    def field(self, image_id: str, name: str) -> np.ndarray | None:
        if not self.is_cut(image_id):
            return self._tiles.field(image_id, name)
        if name == "size":
            return np.array(self._sizes[image_id], np.int32)
        if name == "tags":
            return self.tags(image_id)
        if name == "absent":
            return self.absent(image_id)
        if name == "image":
            return np.frombuffer(self.encoded_image(image_id), np.uint8)
        if name == "mask":
            mask = self.mask(image_id)
            return None if mask is None else np.frombuffer(encode_mask(mask), np.uint8)
        return None

    def encoded_image(self, image_id: str) -> bytes:
        if not self.is_cut(image_id):
            return self._tiles.encoded_image(image_id)
        return encode_image(self.image(image_id))

    def linked_files(self) -> Iterator[Path]:
        return self._tiles.linked_files()

    def image(self, image_id: str) -> np.ndarray:
        kept = self._pixels.get(image_id) if self._pixels is not None else None
        if kept is not None:
            return kept
        image = self._joined(image_id, map(self._tiles.image, self._of(image_id)))
        if self._pixels is not None:
            self._pixels.put(image_id, image)
        return image

    def has_mask(self, image_id: str) -> bool:
        return all(map(self._tiles.has_mask, self._of(image_id)))

    def mask(self, image_id: str) -> np.ndarray | None:
        if not self.has_mask(image_id):
            return None
        masks = (self._tiles.mask(tile) for tile in self._of(image_id))
        return self._joined(image_id, (mask for mask in masks if mask is not None))

    def _joined(self, image_id: str, parts: Iterable[np.ndarray]) -> np.ndarray:
        if not self.is_cut(image_id):
            return next(iter(parts))
        return join_pixels(self._sizes[image_id], self.tiling, parts)

    def tags(self, image_id: str) -> np.ndarray:
        return join_tags(map(self._tiles.tags, self._of(image_id)))

    def absent(self, image_id: str) -> np.ndarray | None:
        tiles = self._of(image_id)
        said = [(self._tiles.tags(tile), self._tiles.absent(tile)) for tile in tiles]
        return join_absent(self.tags(image_id), said, len(self.classes))

    def true_boxes(self, image_id: str) -> TrueBoxes | None:
        if not self.is_cut(image_id):
            return self._tiles.true_boxes(image_id)
        found = self._parts(image_id, "true_box_number", self._tiles.true_boxes)
        return None if found is None else join_boxes((w, boxes, n) for w, _, boxes, n in found)

    def true_objects(self, image_id: str) -> list[TrueObject] | None:
        if not self.is_cut(image_id):
            return self._tiles.true_objects(image_id)
        found = self._parts(image_id, "true_object_number", self._tiles.true_objects)
        return None if found is None else join_objects((w, one, n) for w, _, one, n in found)

    def marks(self, image_id: str) -> Marks | None:
        if not self.is_cut(image_id):
            return self._tiles.marks(image_id)
        found = self._parts(image_id, "mark_number", self._tiles.marks, some=True)
        if found is None:
            return None
        return Marks.of(join_marks((w, own, list(marks), n) for w, own, marks, n in found))

    def _parts(
        self, image_id: str, field: str, read: Any, some: bool = False
    ) -> list[tuple[Window, Window, Any, list[int]]] | None:
        """Of each tile its window, what belongs to it, what `read` gives, and the field's numbers.

        None where a tile has none; with `some`, where all have none.

        Raises:
            WsssError: numbers of other things than there are.
        """
        size, tiles = self._sizes[image_id], self._of(image_id)
        found = []
        grid = zip(tiles, self.tiling.windows(size), self.tiling.owned(size), strict=True)
        for tile, window, own in grid:
            value, numbers = read(tile), self._tiles.field(tile, field)
            if value is None or numbers is None:
                if some:
                    continue
                return None
            found.append((window, own, value, numbers.tolist()))
        return found or None

    @property
    def splits(self) -> list[str]:
        return self._tiles.splits

    def split(self, name: str | None) -> list[str]:
        if name is None:
            return self.ids
        inside = set(self._tiles.split(name))
        return [whole for whole, tiles in self._groups.items() if inside.issuperset(tiles)]


@contextlib.contextmanager
def wholes_of(tiles: DatasetReader, source: Artifact) -> Iterator[WholeReader]:
    """The whole images of the data set that an artifact is of.

    Raises:
        WsssError: the artifact is of whole images already; and as `WholeReader`.
    """
    if tiles.view or TILING not in tiles.params:
        raise WsssError(
            f"{source.path}: is of whole images, and not of tiles",
            "--tiles is for what was made of a data set of `wsss pack --tile`",
        )
    with WholeReader(tiles) as reader:
        yield reader
