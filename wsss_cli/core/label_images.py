"""Label images of other tools, decoded without a change to any number or colour.

A data set stores masks as PNGs whose numbers are labels. What comes from elsewhere is read here,
from lossless formats only; what cannot be read exactly is refused.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from .images import GREY_STEP, encode_mask
from .mask_values import PLAIN, Stored, ValueTable, labels_of
from .raster import check_one, open_image, told

FORMATS = ("PNG", "TIFF", "GIF", "BMP")
_LOSSY = ("JPEG", "MPO", "WEBP", "AVIF", "JPEG2000")
_TIFF_LOSSLESS = (1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 50000)  # of the tag Compression
_COMPRESSION, _BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 259, 258, 262, 0


def read_labels(data: bytes, table: ValueTable = PLAIN) -> tuple[bytes, np.ndarray]:
    """A label image as a PNG that `decode_mask` reads, and its labels.

    Args:
        data: PNG, TIFF (without lossy compression), GIF or BMP.
        table: what its numbers and colours stand for.

    Returns:
        The PNG, the very bytes given where they are one and its numbers are labels already; and
        (H, W) uint8 labels.

    Raises:
        ValueError: not such an image, or one whose numbers cannot be read exactly; a number or
            colour without a label.
    """
    stored = decode_stored(data)
    if table.plain and stored.exact is not None:
        assert stored.numbers is not None
        return stored.exact, stored.numbers.astype(np.uint8)
    labels = labels_of(stored, table)
    return encode_mask(labels), labels


def decode_stored(data: bytes) -> Stored:
    """What a label image holds, exactly.

    Greys in three equal channels are numbers, too. A GIF is read by its colours, since programs
    number its palette anew when they save; greys in it are numbers.

    Raises:
        ValueError: not a PNG, TIFF, GIF or BMP; damaged; lossy; pixels that are no whole numbers
            of 0..65535; transparent pixels; several pages or frames.
    """
    with _open(data) as image:
        bits = _bits(image, data)
        with told("decode"):
            image.load()
            values = np.asarray(image)
            palette = _palette(image)
        mode, kind = image.mode, str(image.format)
    if mode in ("LA", "RGBA"):
        if (values[..., -1] != 255).any():
            raise ValueError("has transparent pixels: save it without alpha")
        mode, values = ("L", values[..., 0]) if mode == "LA" else ("RGB", values[..., :3])
    if mode == "RGB":
        grey = (values[..., :1] == values[..., 1:]).all()
        return Stored(values[..., 0] if grey else None, values)
    if mode.startswith("I"):
        if values.size and (values.min() < 0 or values.max() >= 1 << 16):
            raise ValueError("has numbers beyond 0..65535")
        return Stored(values.astype(np.uint16), None)
    numbers = values.astype(np.uint8)
    if mode == "L" and bits in GREY_STEP:
        numbers = numbers // GREY_STEP[bits]
    if palette is not None and kind == "GIF":
        colours = palette[numbers]
        grey = (colours[..., :1] == colours[..., 1:]).all()
        return Stored(colours[..., 0] if grey else None, colours)
    return Stored(numbers, None, palette, data if kind == "PNG" else None)


def _open(data: bytes) -> ImageFile.ImageFile:
    try:
        image = open_image(data, (*FORMATS, *_LOSSY))
    except ValueError as err:
        raise ValueError(f"cannot be used: {err}") from None
    try:
        reason = _unfit(image, data)
        if reason:
            raise ValueError(f"cannot be used: {reason}")
        check_one(image, data)
    except ValueError:
        image.close()
        raise
    return image


def _unfit(image: Image.Image, data: bytes) -> str | None:
    """Why the numbers of an open image are not those that were saved, or None."""
    kind = str(image.format)
    lossy = kind in _LOSSY
    if isinstance(image, TiffImageFile):
        lossy = image.tag_v2.get(_COMPRESSION, 1) not in _TIFF_LOSSLESS
        if image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
            return "a TIFF in which 0 is white: save it with 0 as black"
    if lossy:
        kind = "a TIFF with lossy compression" if kind == "TIFF" else kind
        return f"{kind} changes numbers when it is saved: save masks as PNG from the start"
    if image.mode not in ("P", "L", "1", "I", "RGB", "RGBA", "LA") and image.mode[:4] != "I;16":
        return f"pixels of mode {image.mode}: labels are whole numbers, or colours"
    if image.mode in ("RGB", "RGBA", "LA") and _bits(image, data) > 8:
        return "colours of 16 bits: save it with 8"
    return None


def _bits(image: Image.Image, data: bytes) -> int:
    """Bits of a channel, which Pillow does not pass on."""
    if image.format == "PNG":
        return data[24]  # of the header
    if isinstance(image, TiffImageFile):
        return max(image.tag_v2.get(_BITS, (1,)))
    return 8


def _palette(image: Image.Image) -> np.ndarray | None:
    """(256, 3) uint8, or None where pixels are no indices."""
    if image.mode != "P":
        return None
    table = np.zeros((256, 3), np.uint8)
    found = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    table[: len(found)] = found
    return table
