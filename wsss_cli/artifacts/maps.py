"""What stages that turn maps into labels ask of a cam and its data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import WsssError
from .schema import MAX_STRIDE

if TYPE_CHECKING:
    import numpy as np

    from . import Artifact, DatasetReader

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
        WsssError: no stride is recorded, or scores outside 0..1.
    """
    item = maps[image_id]
    cam_stride(maps)
    for name in ("cam", "background"):
        if name in item and not _is_score(item[name]):
            raise WsssError(
                f"{maps.path}: {image_id}: {name} has scores outside 0..1, or NaN", AGAIN
            )
    height, width = item["size"].tolist()
    return item, (height, width)


def _is_score(values: np.ndarray) -> bool:
    """Whether all stored values lie in 0..1; uint8 ones do, being 255ths."""
    return values.dtype.kind == "u" or bool(((values >= 0) & (values <= 1)).all())
