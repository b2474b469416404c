"""What stages that turn maps into labels ask of a cam and its data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import WsssError

if TYPE_CHECKING:
    import numpy as np

    from . import Artifact, DatasetReader

MAX_STRIDE = 256  # pixels; maps are enlarged by whole cells, however small the image
AGAIN = "make the maps again"  # what helps where maps and data set do not fit


def cam_stride(maps: Artifact) -> int:
    """Image pixels per cell of a cam's maps.

    Raises:
        WsssError: the file does not say.
    """
    stride = maps.params.get("stride")
    if not isinstance(stride, int) or not 1 <= stride <= MAX_STRIDE:
        raise WsssError(f"{maps.path}: does not record its stride, of 1..{MAX_STRIDE}", AGAIN)
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


def checked_item(maps: Artifact, image_id: str) -> tuple[dict[str, np.ndarray], tuple[int, int]]:
    """A cam's item and the (H, W) of its image, fit for what the stages do with them.

    Raises:
        WsssError: a grid that does not cover such an image, classes that are not those of the
            maps, or scores outside 0..1.
    """
    from ..core.grid import grid_size

    item, stride = maps[image_id], cam_stride(maps)
    fault = None
    height, width = (*item["size"].tolist(), 0, 0)[:2]
    classes = item["classes"].astype(int)
    if height < 1 or width < 1:
        fault = f"{height}x{width} is no size of an image"
    elif len(classes) != len(item["cam"]):
        fault = f"{len(item['cam'])} maps of {len(classes)} classes"
    elif len(classes) and (classes[-1] >= len(maps.classes) or (classes[1:] <= classes[:-1]).any()):
        fault = "its class indices do not rise, or are of no class"
    for name in ("cam", "background"):
        if fault or name not in item:
            continue
        h, w = item[name].shape[-2:]
        if (h, w) != grid_size(height, width, stride):
            fault = f"a {h}x{w} grid is not stride {stride} of a {height}x{width} image"
        elif not _is_score(item[name]):
            fault = f"{name} has scores outside 0..1, or NaN"
    if fault:
        raise WsssError(f"{maps.path}: {image_id}: {fault}", AGAIN)
    return item, (height, width)


def _is_score(values: np.ndarray) -> bool:
    """Whether all stored values lie in 0..1; uint8 ones do, being 255ths."""
    return values.dtype.kind == "u" or bool(((values >= 0) & (values <= 1)).all())


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
