"""export --format irn-npy: maps as IRN's make_cam writes them and its later steps read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import WsssError
from ..exporting import Exporter, Job, one_an_image
from .npy import npy_bytes

if TYPE_CHECKING:
    from ...artifacts import Artifact

STRIDE = 4  # of the coarse maps in IRN's files, which its code takes for granted


def write(job: Job) -> int:
    """
    Raises:
        WsssError: maps of another stride than IRN's.
    """
    from ...artifacts.maps import cam_stride

    stride = cam_stride(job.source)
    if stride != STRIDE:
        raise WsssError(
            f"{job.source.path}: maps of stride {stride}, IRN's are of {STRIDE}",
            f"rerun `wsss make-cam --stride {STRIDE}`, or export as psa-npy",
        )
    return one_an_image(".npy", encode)(job)


def encode(source: Artifact, image_id: str) -> bytes:
    """A pickled dict of the maps as they are stored.

    keys: (K,) int64 class indices. cam: (K, h, w) float32, a torch tensor, which IRN's walk moves
    to a GPU as it is. high_res: (K, H, W) float32 array.

    Raises:
        WsssError: maps that do not fit their image.
    """
    from ...artifacts.maps import cam_stride, checked_item
    from ...core.cam import dequantise, enlarge

    item, size = checked_item(source, image_id)
    large = enlarge(item["cam"], size, cam_stride(source))
    keys = item["classes"].astype("int64")
    return npy_bytes({"keys": keys, "cam": dequantise(item["cam"]), "high_res": large})


EXPORTER = Exporter(
    name="irn-npy",
    said="a pickled dict as IRN's make_cam writes and its later steps read",
    kind="wsss/cam",
    write=write,
)
