"""Large photographs looked at in tiles, and what is said of the tiles put together as it comes.

What a network says of pixels at the end of a tile lacks what lies beyond. So tiles overlap, and in
the overlap the probabilities of one pass over into those of the next, before labels are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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

    def is_alone(self, tile: str) -> bool:
        """Whether it is a whole photograph."""
        return len(self.tiles[self.places[tile][0]]) == 1

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


class Blender:
    """Probabilities of the tiles of one photograph, blended where tiles overlap.

    The outer quarter of each overlap counts for nothing; over its middle half one tile's share
    falls evenly from 1 to 0. A tile waits for those that overlap it.
    """

    def __init__(self, size: tuple[int, int], tiling: Tiling) -> None:
        import numpy as np

        from ..core.tiles import weights

        self._windows = tiling.windows(size)
        margin = tiling.overlap / 4
        self._rows, self._columns = (
            weights(length, tiling.side, tiling.overlap, np.arange(length) + 0.5, margin).astype(
                np.float32
            )
            for length in size
        )
        self._held: dict[int, tuple[np.ndarray, Any]] = {}
        self._done: set[int] = set()

    @property
    def held(self) -> int:
        """How many tiles' probabilities are in memory."""
        return len(self._held)

    def near(self, number: int) -> list[int]:
        """The tiles that overlap one, itself among them."""
        columns = len(self._columns)
        own, found = self._windows[number], []
        for other_row in range(len(self._rows)):
            if abs(self._windows[other_row * columns].y - own.y) < own.height:
                found += [
                    other_row * columns + other
                    for other in range(columns)
                    if abs(self._windows[other].x - own.x) < own.width
                ]
        return found

    def add(self, number: int, chances: np.ndarray, loaded: Any) -> Iterator[tuple[int, Any, Any]]:
        """Take a tile's (n, h, w) probabilities; yields those of tiles that wait for no other."""
        self._held[number] = chances, loaded
        for one in self.near(number):
            around = self.near(one)
            if one in self._done or not all(other in self._held for other in around):
                continue
            yield one, self._blended(one, around), self._held[one][1]
            self._done.add(one)
            for other in around:
                if self._done.issuperset(self.near(other)):
                    del self._held[other]

    def _blended(self, number: int, around: list[int]) -> np.ndarray:
        import numpy as np

        own = self._windows[number]
        total = np.zeros_like(self._held[number][0])
        for other in around:
            row, column = divmod(other, len(self._columns))
            window = self._windows[other]
            y, x = max(own.y, window.y), max(own.x, window.x)
            below = min(own.y, window.y) + own.height
            beyond = min(own.x, window.x) + own.width
            part = Window(y, x, below - y, beyond - x)
            rows, columns = self._rows[row][y:below], self._columns[column][x:beyond]
            share = rows[:, None] * columns
            mine, theirs = part.within(own).slices, part.within(window).slices
            chances = self._held[other][0][:, theirs[0], theirs[1]]
            total[:, mine[0], mine[1]] += share * chances
        return total


def blended(jobs: Iterable[tuple[Any, ...]], images: Any) -> Iterator[tuple[Any, ...]]:
    """What `look` gives, of tiles blended with those that overlap them.

    Args:
        jobs: id, probabilities, and image as loaded.
        images: what they are of.
    """
    blenders: dict[str, Blender] = {}
    for tile, chances, loaded in jobs:
        if not isinstance(images, TiledImages) or not chances.size or images.is_alone(tile):
            yield tile, chances, loaded
            continue
        image_id, _ = images.places[tile]
        names = images.tiles[image_id]
        if image_id not in blenders:
            blenders = {image_id: Blender(images.whole_size(image_id), images.tiling), **blenders}
        for number, found, seen in blenders[image_id].add(names.index(tile), chances, loaded):
            yield names[number], found, seen


def uncut(source: DatasetReader | ImageFiles, tiling: Tiling | None) -> Any:
    """A source as it is; where tiles are wanted, a data set of tiles as its whole images."""
    from ..artifacts.wholes import TILING, WholeReader

    if tiling is None or TILING not in getattr(source, "params", {}) or source.view:  # type: ignore[union-attr]
        return source
    return WholeReader(source)  # type: ignore[arg-type]  # only data sets have params


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
