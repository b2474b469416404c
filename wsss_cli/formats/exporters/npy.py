"""export --format npy: labels as numpy arrays."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ..exporting import Exporter, one_an_image

if TYPE_CHECKING:
    from ...artifacts import Artifact


def encode(source: Artifact, image_id: str) -> bytes:
    """One image's labels, uint8 (H, W), as a `.npy` file."""
    return npy_bytes(source[image_id]["label"])


def npy_bytes(value: Any) -> bytes:
    """The bytes of `np.save`; a dict is pickled, as the research code that reads it expects."""
    import numpy as np

    stream = io.BytesIO()
    np.save(stream, value, allow_pickle=isinstance(value, dict))
    return stream.getvalue()


EXPORTER = Exporter(
    name="npy",
    said="the same as a uint8 array (H, W)",
    kind="wsss/label",
    write=one_an_image(".npy", encode),
)
