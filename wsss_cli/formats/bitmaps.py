"""Masks of one shape that annotation files hold as a picture in base64."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Any

from .json_fields import type_of

if TYPE_CHECKING:
    import numpy as np

MOST = 1 << 28  # bytes of a picture


def decoded_base64(text: Any, said: str) -> bytes:
    """
    Raises:
        ValueError: no text, or not base64.
    """
    if not isinstance(text, str):
        raise ValueError(f"{said} is {type_of(text)}, not base64")
    try:
        return base64.b64decode(text, validate=False)
    except ValueError:
        raise ValueError(f"{said} is not base64") from None


def inflated(data: bytes, said: str) -> bytes:
    """What zlib packed.

    Raises:
        ValueError: it did not, or more than any mask takes.
    """
    packed = zlib.decompressobj()
    try:
        found = packed.decompress(data, MOST)
    except zlib.error:
        raise ValueError(f"{said} is not compressed by zlib") from None
    if not packed.eof:
        raise ValueError(f"{said} is cut short, or grows beyond {MOST >> 20} MB")
    return found


def bitmap(data: bytes, said: str) -> np.ndarray:
    """(h, w) bool of an encoded picture: where it is opaque, or without alpha not 0.

    Raises:
        ValueError: no PNG, damaged, or too large.
    """
    import numpy as np

    from ..core.raster import open_image, told

    try:
        with open_image(data, ("PNG",)) as image, told("decode"):
            if image.mode in ("RGBA", "LA"):
                found = np.asarray(image.getchannel("A"))
            else:
                found = np.asarray(image)
    except ValueError as err:
        raise ValueError(f"{said} is no PNG that can be read: {err}") from None
    return np.asarray(found.any(axis=2) if found.ndim == 3 else found != 0)
