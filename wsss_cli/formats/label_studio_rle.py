"""Label Studio's brush strokes: the run lengths that its `brushlabels` hold.

A stream of bits, the highest of a byte first. 32 bits: how many values follow. 5 bits: bits of a
value, less 1. Four times 4 bits: bits of a run's length, less 1. Then runs: a bit that says whether
one value is repeated, 2 bits that say which of the four widths the length has, the length, less 1,
and one value, or as many as the length says. The values are those of an image, row by row, four a
pixel; the fourth, alpha, says whether the pixel was painted.

Source: @thi.ng/rle-pack of github.com/thi-ng/umbrella, and decode_rle of converter/brush.py in
github.com/HumanSignal/label-studio-sdk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

CHANNELS = 4
HEADER = 32 + 5 + 4 * 4  # bits
SOLID = 128  # alpha from which a pixel counts as painted: brushes have soft edges
FEW = 24  # values that are sooner read one by one


def decode_brush(rle: Sequence[int], height: int, width: int) -> np.ndarray:
    """(height, width) bool of the pixels that were painted.

    A pixel is painted if its alpha is at least `SOLID`; where no alpha is above 1, if it is not 0:
    so masks of zeros and ones are written.

    Args:
        rle: the bytes of the stream, 0 to 255 each.

    Raises:
        ValueError: no bytes, cut short, or not of 4 * height * width values.
    """
    alpha = values_of(rle, CHANNELS * height * width)[CHANNELS - 1 :: CHANNELS]
    found: np.ndarray = alpha >= SOLID if len(alpha) and alpha.max() > 1 else alpha > 0
    return found.reshape(height, width)


def values_of(rle: Sequence[int], count: int) -> np.ndarray:
    """(count,) uint8 of all values that a stream holds.

    Raises:
        ValueError: as `decode_brush`, or values of other than 8 bits.
    """
    import numpy as np

    try:
        data = bytes(rle)
    except (TypeError, ValueError):
        raise ValueError("run lengths that are no bytes") from None
    end = 8 * len(data)
    if end < HEADER:
        raise ValueError("run lengths that are cut short")
    said = int.from_bytes(data[:4], "big")
    if said != count:
        raise ValueError(f"run lengths of {said} values, where {count} are needed")
    head = int.from_bytes(data[4:7], "big")  # 5 + 16 bits, and 3 of the first run
    if (head >> 19) + 1 != 8:
        raise ValueError(f"run lengths of values of {(head >> 19) + 1} bits")
    sizes = [(head >> (15 - 4 * place) & 15) + 1 for place in range(4)]
    padded = data + bytes(8)  # what is looked at beyond the end is caught by its place
    out = np.zeros(count, np.uint8)
    place, at = HEADER, 0
    while at < count:
        byte = place >> 3
        window = int.from_bytes(padded[byte : byte + 8], "big") << (place & 7) & 0xFFFFFFFFFFFFFFFF
        size = sizes[window >> 61 & 3]
        length = (window >> (61 - size) & ((1 << size) - 1)) + 1
        repeated = window >> 63
        bits = 3 + size + 8 * (1 if repeated else length)
        if place + bits > end:
            raise ValueError("run lengths that are cut short")
        if at + length > count:
            raise ValueError("run lengths that run over the image")
        if repeated:
            value = window >> (53 - size) & 255
            if value:
                out[at : at + length] = value
        else:
            out[at : at + length] = _literal(padded, place + 3 + size, length)
        place += bits
        at += length
    return out


def _literal(data: bytes, place: int, length: int) -> np.ndarray | list[int]:
    """Values of 8 bits that begin at any bit."""
    import numpy as np

    byte, shift = place >> 3, place & 7
    part = data[byte : byte + length + 1]
    if length <= FEW:
        number = int.from_bytes(part, "big") >> (8 - shift)
        return list((number & ((1 << 8 * length) - 1)).to_bytes(length, "big"))
    pairs = np.frombuffer(part, np.uint8).astype(np.uint16)
    found: np.ndarray = (pairs[:-1] << shift | pairs[1:] >> (8 - shift)) & 255
    return found
