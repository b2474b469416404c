"""export: write labels and maps as the plain files that other tools read."""

from __future__ import annotations

import enum
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..artifacts.maps import cam_stride, checked_item
from ..console import log, track
from ..errors import UsageError, WsssError
from ..options.files import Reads, Writes
from ..options.ids import select_ids
from ..options.shared import Force, Ids, Quiet

if TYPE_CHECKING:
    import numpy as np

    from ..artifacts import Artifact

NAME = "export"
IRN_STRIDE = 4  # of the coarse maps in IRN's files, which its code takes for granted


class Format(str, enum.Enum):
    """What the files are."""

    png = "png"
    npy = "npy"
    irn_npy = "irn-npy"
    psa_npy = "psa-npy"


LABEL_FORMATS = (Format.png, Format.npy)
CAM_FORMATS = (Format.irn_npy, Format.psa_npy)


def run(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Labels or maps, of any stage."), Reads()
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="Folder to write into."),
        Writes(folder=True),
    ],
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format", help="Labels: png or npy. Maps: irn-npy or psa-npy. Default: the first."
        ),
    ] = None,
    ids: Ids = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Write labels or maps as one plain file an image.

    png: labels as a palette PNG in VOC's colours, 255 ignore. npy: the same as uint8 (H, W).
    irn-npy: a pickled dict as IRN's make_cam writes and its later steps read. psa-npy: a pickled
    dict of class index to float32 (H, W), as PSA's infer_cls writes. An id's slashes make
    subfolders; nothing is written outside DIR.

    Example: wsss export pseudo.h5 -o masks
    """
    from ..artifacts import CAM, LABEL, open_artifact
    from ..artifacts.files import OutputFolder

    with open_artifact(file, LABEL, CAM) as source:
        allowed = LABEL_FORMATS if source.schema is LABEL else CAM_FORMATS
        chosen = format_ or allowed[0]
        if chosen not in allowed:
            raise UsageError(
                f"--format {chosen.value}: {file} holds {source.kind}",
                f"it goes out as {' or '.join(one.value for one in allowed)}",
            )
        if chosen is Format.irn_npy and cam_stride(source) != IRN_STRIDE:
            raise WsssError(
                f"{file}: maps of stride {cam_stride(source)}, IRN's are of {IRN_STRIDE}",
                f"rerun `wsss make-cam --stride {IRN_STRIDE}`, or export as psa-npy",
            )
        wanted = select_ids(source.ids, ids, file)
        folder = OutputFolder(out, ".png" if chosen is Format.png else ".npy", wanted, force)
        for image_id in track(wanted, NAME, quiet=quiet):
            folder.write(image_id, encode(source, image_id, chosen))
    log(f"{NAME}: {len(wanted)} files -> {out}", quiet)


def encode(source: Artifact, image_id: str, chosen: Format) -> bytes:
    """One item as the bytes of its file.

    Raises:
        WsssError: maps that do not fit their image.
    """
    if chosen in LABEL_FORMATS:
        label = source[image_id]["label"]
        return _png(source, image_id, label) if chosen is Format.png else _npy(label)
    from ..scoring.counts import enlarge

    item, size = checked_item(source, image_id)
    large = enlarge(item["cam"], size, cam_stride(source))
    return _npy(_irn(item, large) if chosen is Format.irn_npy else _psa(item, large))


def _png(source: Artifact, image_id: str, label: np.ndarray) -> bytes:
    from ..core.images import encode_mask

    try:
        return encode_mask(label)
    except ValueError as err:  # labels of no pixels
        raise WsssError(f"{source.path}: image {image_id!r}: {err}") from None


def _irn(item: dict[str, np.ndarray], large: np.ndarray) -> dict[str, Any]:
    """keys (K,) class indices; cam (K, h, w) as a torch tensor, which IRN's walk moves to a GPU
    as it is; high_res (K, H, W) numpy. All float32, each map divided by its maximum."""
    from ..core.cam import dequantise

    return {
        "keys": item["classes"].astype("int64"),
        "cam": dequantise(item["cam"]),
        "high_res": large,
    }


def _psa(item: dict[str, np.ndarray], large: np.ndarray) -> dict[int, np.ndarray]:
    return {int(index): one.copy() for index, one in zip(item["classes"], large, strict=True)}


def _npy(value: Any) -> bytes:
    """The bytes of `np.save`; a dict is pickled, as the research code that reads it expects."""
    import numpy as np

    stream = io.BytesIO()
    np.save(stream, value, allow_pickle=isinstance(value, dict))
    return stream.getvalue()
