"""Labels and maps of tiles put together into those of whole images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..core.joining import join_maps, join_pixels, join_tags, lacking
from ..errors import WsssError
from .maps import cam_stride, checked_item
from .schema import CAM
from .store import Artifact
from .wholes import WholeReader
from .writer import create

SHOWN = 3  # images that are named; the others are counted


def join(source: Artifact, wholes: WholeReader, out: Path, force: bool = False) -> int:
    """Write the whole images' labels or maps; returns how many images there are.

    Args:
        source: labels or maps of tiles.
        wholes: the data set that they are of.
        out: the artifact to write.
        force: whether it may exist.

    Raises:
        UsageError: as `create`.
        WsssError: images of which some tiles are missing; what does not fit its tile.
    """
    held = set(source.ids)
    full, torn = lacking(wholes.groups, held)
    if torn:
        named = ", ".join(map(repr, torn[:SHOWN]))
        raise WsssError(
            f"{source.path}: holds some tiles, and not all, of {len(torn)} images, first {named}",
            "make it again for all tiles, without --ids that name some of an image's",
        )
    strange = held.difference(*(wholes.groups[whole] for whole in full))
    if strange:
        raise WsssError(
            f"{source.path}: {len(strange)} of its images are not in {wholes.path}, first "
            f"{min(strange)!r}",
            "name the data set that it was made from with --data",
        )
    params = {**source.params, **wholes.tiling.record()}
    writer = create(
        out, source.schema, classes=source.classes, params=params, inputs=[wholes, source],
        ids=full, seed=source.seed, force=force,
    )  # fmt: skip
    with writer:
        for image_id in writer.todo:
            writer.put(image_id, **_joined(source, wholes, image_id))
    return len(full)


def _joined(source: Artifact, wholes: WholeReader, image_id: str) -> dict[str, np.ndarray]:
    """The item of a whole image.

    Raises:
        WsssError: a tile's label map, or maps, of another size.
    """
    tiles = wholes.groups[image_id]
    if not wholes.is_cut(image_id):
        return source[image_id]
    if source.schema is CAM:
        return _joined_maps(source, wholes, image_id)
    size = wholes.size(image_id)
    try:
        label = join_pixels(size, wholes.tiling, (source[tile]["label"] for tile in tiles))
    except ValueError as err:
        raise WsssError(f"{source.path}: {image_id}: {err}", "make it again") from None
    return {"label": label, "present": join_tags(source[tile]["present"] for tile in tiles)}


def _joined_maps(source: Artifact, wholes: WholeReader, image_id: str) -> dict[str, np.ndarray]:
    size, tiles = wholes.size(image_id), wholes.groups[image_id]
    stride = cam_stride(source)
    own = [source.field(tile, "classes") for tile in tiles]
    classes = join_tags(one for one in own if one is not None)

    def maps() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for tile in tiles:
            item, _ = checked_item(source, tile)
            yield item["classes"], item["cam"]

    def grounds() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for tile in tiles:
            item, _ = checked_item(source, tile)
            yield np.zeros(1, np.uint16), item["background"][None]

    dtype = np.dtype(source.column("cam").dtype)
    cam = join_maps(size, wholes.tiling, stride, maps(), classes)
    item = {
        "cam": stored(cam, dtype),
        "classes": classes,
        "size": np.array(size, np.int32),
    }
    if all(source.field(tile, "background") is not None for tile in tiles):
        ground = join_maps(size, wholes.tiling, stride, grounds(), np.zeros(1, np.uint16))
        item["background"] = stored(ground[0], np.dtype(source.column("background").dtype))
    return item


def stored(scores: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Scores as the tiles' artifact keeps them: of uint8 tiles, they are in 255ths already."""
    return np.rint(scores).astype(dtype) if dtype.kind == "u" else scores.astype(dtype)
