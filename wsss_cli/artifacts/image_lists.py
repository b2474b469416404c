"""Lists of images of a data set in a few bytes of text: one bit an image, deflated, in base64."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MOST = 1 << 24  # bytes of a list, which are 134 million images


def packed(rows: np.ndarray, size: int) -> str:
    """The list as text.

    Args:
        rows: (n,) integers below `size`, of the data set's ids as they rise.
        size: images of the data set.
    """
    import numpy as np

    bits = np.zeros(size, bool)
    bits[rows] = True
    return _text(np.packbits(bits))


def packed_ids(ids: Sequence[str], known: np.ndarray) -> str:
    """The same of ids; "" where the data set lacks one.

    Args:
        ids: in any order.
        known: (N,) the data set's, as bytes, rising.
    """
    import numpy as np

    wanted = np.array([one.encode() for one in ids] or [b""])[: len(ids)]
    rows = np.searchsorted(known, wanted)
    if (rows < len(known)).all() and (known[rows] == wanted).all():
        return packed(rows, len(known))
    return ""


def unpacked(text: str) -> np.ndarray:
    """(bytes,) uint8, eight images each from the highest bit on; bits beyond the last are 0.

    Raises:
        ValueError: no such text. The empty text is a list that is not known, and gives none.
    """
    import numpy as np

    if not text:
        return np.zeros(0, np.uint8)
    try:
        raw = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), MOST)
    except zlib.error as err:
        raise ValueError(f"a list of images is damaged ({err})") from None
    return np.frombuffer(raw, np.uint8)


def united(one: str, other: str) -> tuple[str, int]:
    """The images that one list of a data set or the other holds, and how many.

    Raises:
        ValueError: as `unpacked`.
    """
    first, second = sorted((unpacked(one), unpacked(other)), key=len)
    bits = second.copy()
    bits[: len(first)] |= first
    return _text(bits), _count(bits)


def common(one: str, other: str) -> tuple[str, int]:
    """The images that both lists of a data set hold, and how many; errors as of `united`."""
    first, second = sorted((unpacked(one), unpacked(other)), key=len)
    bits = first & second[: len(first)]
    return _text(bits), _count(bits)


def _count(bits: np.ndarray) -> int:
    import numpy as np

    return int(np.unpackbits(bits).sum())


def _text(bits: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(bits.tobytes(), 9)).decode()
