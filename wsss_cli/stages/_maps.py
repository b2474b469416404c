"""What stages that turn maps into labels ask of a cam and its data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import WsssError

if TYPE_CHECKING:
    import numpy as np

    from ..artifacts import Artifact, DatasetReader

AGAIN = "make the maps again"  # what helps where maps and data set do not fit


def cam_stride(maps: Artifact) -> int:
    """Image pixels per cell of a cam's maps.

    Raises:
        WsssError: the file does not say.
    """
    stride = maps.params.get("stride")
    if not isinstance(stride, int) or stride < 1:
        raise WsssError(f"{maps.path}: does not record its stride", AGAIN)
    return stride


def check_maps(maps: Artifact, data: DatasetReader, ids: Sequence[str]) -> None:
    """Refuse, before any work, maps that no labels can be made of.

    Raises:
        WsssError: the data set lacks some of `ids`, or there are more classes than labels.
    """
    from ..core.labels import MAX_CLASSES

    if len(maps.classes) > MAX_CLASSES:
        raise WsssError(
            f"{maps.path}: has {len(maps.classes)} classes; label maps hold {MAX_CLASSES} at most"
        )
    known = set(data.ids)
    lacking = [image_id for image_id in ids if image_id not in known]
    if lacking:
        raise WsssError(
            f"{data.path}: lacks {len(lacking)} of the {len(ids)} images in {maps.path}, "
            f"first {lacking[0]!r}",
            "name the data set that the maps were made from with --data",
        )


def map_size(item: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """(H, W) of the image that a cam's item is of."""
    return int(item["size"][0]), int(item["size"][1])


def checked_size(maps: Artifact, image_id: str, item: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """`map_size`, of an item whose maps cover such an image.

    Raises:
        WsssError: they do not.
    """
    from ..core.grid import grid_size

    (height, width), stride = map_size(item), cam_stride(maps)
    for name in ("cam", "background"):
        if name in item and item[name].shape[-2:] != grid_size(height, width, stride):
            h, w = item[name].shape[-2:]
            raise WsssError(
                f"{maps.path}: {image_id}: a {h}x{w} grid is not stride {stride} of a "
                f"{height}x{width} image",
                AGAIN,
            )
    return height, width


def fitting_image(
    data: DatasetReader, maps: Artifact, image_id: str, size: tuple[int, int]
) -> np.ndarray:
    """(H, W, 3) uint8 image of the size that its maps were made for.

    Raises:
        WsssError: it has another size.
    """
    image = data.image(image_id)
    if image.shape[:2] != size:
        height, width = image.shape[:2]
        raise WsssError(
            f"{image_id}: is {height}x{width} in {data.path}, but {size[0]}x{size[1]} in "
            f"{maps.path}",
            AGAIN,
        )
    return image
