"""Large photographs looked at in tiles, and the tiles' labels put together as they come."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from ..core.tiles import Tiling, Window, tile_id
from .writing import Target

if TYPE_CHECKING:
    import numpy as np

    from ..artifacts import DatasetReader
    from .images import ImageFiles


class TiledImages:
    """The tiles of photographs, as a source of photographs; small ones are as they are."""

    def __init__(
        self, source: DatasetReader | ImageFiles, tiling: Tiling, ids: Sequence[str]
    ) -> None:
        """
        Args:
            source: of the photographs.
            tiling: how they are cut.
            ids: of those that are wanted.
        """
        self._source = source
        self.tiling = tiling
        self.tiles: dict[str, list[str]] = {}  # of each photograph, in the order of the grid
        self.places: dict[str, tuple[str, Window]] = {}
        for image_id in ids:
            windows = tiling.windows(source.size(image_id))
            alone = len(windows) == 1
            names = [image_id if alone else tile_id(image_id, one) for one in windows]
            self.tiles[image_id] = names
            self.places |= dict(zip(names, ((image_id, one) for one in windows), strict=True))
        self._last: tuple[str, np.ndarray] | None = None
        self._lock = Lock()

    def size(self, tile: str) -> tuple[int, int]:
        """(H, W) of a tile."""
        window = self.places[tile][1]
        return window.height, window.width

    def whole_size(self, image_id: str) -> tuple[int, int]:
        """(H, W) of a photograph."""
        return self._source.size(image_id)

    def image(self, tile: str) -> np.ndarray:
        """(H, W, 3) uint8 RGB of a tile. The photograph is decoded once for tiles that follow."""
        image_id, window = self.places[tile]
        with self._lock:
            if self._last is None or self._last[0] != image_id:
                self._last = None  # before the next: there is one at a time
                self._last = image_id, self._source.image(image_id)
            found: np.ndarray = self._last[1][window.slices].copy()
        return found

    def tags(self, tile: str) -> np.ndarray:
        """(T,) uint16 class indices that the photograph is tagged with."""
        image_id, _ = self.places[tile]
        return self._source.tags(image_id)  # type: ignore[union-attr]  # refused for files


class JoinedTarget:
    """A target of whole photographs that takes the labels of their tiles, in any order."""

    def __init__(self, target: Target, images: TiledImages) -> None:
        self._target = target
        self._images = images
        self._left: dict[str, set[str]] = {}  # of photographs begun, the tiles that are to come
        self._labels: dict[str, np.ndarray] = {}
        self._present: dict[str, list[np.ndarray]] = {}

    @property
    def todo(self) -> list[str]:
        """The tiles of photographs that are not done."""
        return [tile for image_id in self._target.todo for tile in self._images.tiles[image_id]]

    @property
    def total(self) -> int:
        """All tiles of this shard's photographs."""
        return len(self) + len(self.todo)

    def __len__(self) -> int:
        """Tiles of photographs that are done."""
        done = self._images.tiles.keys() - set(self._target.todo)
        return sum(len(self._images.tiles[image_id]) for image_id in done)

    def put(self, tile: str, *, label: np.ndarray, present: np.ndarray) -> None:
        """Take a tile's labels; with its last tile a photograph is done."""
        import numpy as np

        from ..core.joining import join_tags

        image_id, window = self._images.places[tile]
        tiles, tiling = self._images.tiles[image_id], self._images.tiling
        if len(tiles) == 1:
            self._target.put(image_id, label=label, present=present)
            return
        size = self._images.whole_size(image_id)
        if image_id not in self._left:
            self._left[image_id] = set(tiles)
            self._labels[image_id] = np.empty(size, label.dtype)
            self._present[image_id] = []
        own = tiling.owned(size)[tiles.index(tile)]
        self._labels[image_id][own.slices] = label[own.within(window).slices]
        self._present[image_id].append(present)
        self._left[image_id].discard(tile)
        if not self._left[image_id]:
            del self._left[image_id]
            whole, every = self._labels.pop(image_id), self._present.pop(image_id)
            self._target.put(image_id, label=whole, present=join_tags(every))


def in_tiles(
    source: DatasetReader | ImageFiles, target: Target, tiling: Tiling | None, ids: Sequence[str]
) -> tuple[Any, Any]:
    """A source and a target as they are, or those of tiles.

    Args:
        source: of photographs.
        target: of their labels.
        tiling: how they are cut, if they are.
        ids: of those that are wanted.
    """
    if tiling is None:
        return source, target
    images = TiledImages(source, tiling, ids)
    return images, JoinedTarget(target, images)
