"""export --format psa-npy: maps as PSA's infer_cls writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..exporting import Exporter, one_an_image
from .npy import npy_bytes

if TYPE_CHECKING:
    from ...artifacts import Artifact


def encode(source: Artifact, image_id: str) -> bytes:
    """A pickled dict of class index to its map, float32 (H, W).

    Raises:
        WsssError: maps that do not fit their image.
    """
    from ...artifacts.maps import cam_stride, checked_item
    from ...core.cam import enlarge

    item, size = checked_item(source, image_id)
    large = enlarge(item["cam"], size, cam_stride(source))
    maps = zip(item["classes"], large, strict=True)
    return npy_bytes({int(index): one.copy() for index, one in maps})


EXPORTER = Exporter(
    name="psa-npy",
    said="a pickled dict of class index to float32 (H, W), as PSA's infer_cls writes",
    kind="wsss/cam",
    write=one_an_image(".npy", encode),
)
