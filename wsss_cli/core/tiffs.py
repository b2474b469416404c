"""TIFFs of which Pillow would not give all bands with all their bits: tifffile reads them.

Pillow gives 16-bit colours as their higher bytes, no band beside red, green, blue and alpha, and
nothing of most planes, floats and signed numbers. So a TIFF's tags are looked at first.
"""

from __future__ import annotations

import importlib
import io
import logging
import sys
from math import prod
from types import ModuleType
from typing import Any

import numpy as np
from PIL import ImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from .raster import (
    ALPHA,
    BITS,
    COLOURS,
    EXTRA,
    HEIGHT,
    MASK,
    NUMBERS,
    PHOTOMETRIC,
    PLANAR,
    RESAVE,
    SAMPLES,
    SMALLER,
    TILE_WIDTH,
    WIDTH,
    BadImage,
    UnknownBands,
    in_words,
    most_pixels,
    open_image,
    subfiles,
    tiff_tags,
    told,
)
from .reading import AS_IT_IS, Reading
from .tones import Box, Pixels

EXTRA_WANTED = "pip install 'wsss-cli[tiff]'"
MOST_BYTES = 1 << 32  # of all bands together, which are decoded at once
TIMES, SMALL = 16, 1 << 20  # how many times larger than the image, or this, a tile may be
COMPRESSION = 259  # a tag
UNCOMPRESSED, WHITE_IS_0, RGB = 1, 0, 2
UNSIGNED = 1  # a kind of numbers
BAD_PIECE = "cut short, or damaged: a part of its pixels is not there"


def beyond_pillow(data: bytes, reading: Reading = AS_IT_IS) -> ImageFileDirectory_v2 | None:
    """The tags of a TIFF of which Pillow would not give what is asked for, else None.

    Raises:
        ValueError: it is damaged, or too large to be honest.
    """
    tags = tiff_tags(data)
    if tags is None:
        return None
    try:
        with open_image(data) as image:
            if _gives(image, tags, reading) and not (reading.stretch and _has_mask(data)):
                return None
    except UnknownBands:
        pass
    if prod(size_of(tags)) > most_pixels():
        raise BadImage(
            f"more than {most_pixels() / 1e6:.0f} million pixels: cut it into tiles, or shrink it"
        )
    return tags


def size_of(tags: ImageFileDirectory_v2) -> tuple[int, int]:
    """(W, H) as stored."""
    return tags[WIDTH], tags[HEIGHT]


def is_ranged(tags: ImageFileDirectory_v2) -> bool:
    """Whether values have no range that is 0..255 as they are: more than 8 bits, or a sign."""
    return max(tags[BITS]) > 8 or _kind(tags) != UNSIGNED


class TiffPixels(Pixels):
    """Those of a TIFF that tifffile reads."""

    def __init__(self, data: bytes, tags: ImageFileDirectory_v2, reading: Reading) -> None:
        """Decodes them.

        Raises:
            ValueError: cut short, of bands that cannot be read or need a choice, or tifffile is
                not there.
        """
        words, photometric = in_words(tags), tags.get(PHOTOMETRIC, WHITE_IS_0)
        inverted = tags.get(PHOTOMETRIC) == WHITE_IS_0
        super().__init__(words, tags, max(8, *tags[BITS]), inverted, reading)
        self.wide = is_ranged(tags)
        self.width, self.height = size_of(tags)
        self._alpha: int | None = None
        if min(tags[BITS]) < 8 or (reading.bands is None and photometric > RGB):
            raise BadImage(f"a TIFF of {words}: {RESAVE}")
        if reading.bands is None:
            self._alpha = _alpha_of(tags)
        if max(reading.bands or (0,)) > tags.get(SAMPLES, 1):
            raise BadImage(
                f"{words}, {tags.get(SAMPLES, 1)} of which can be read; --bands asks for number "
                f"{max(reading.bands or ())}"
            )
        values, self.mask = _decoded(data, tags, words, bool(reading.stretch))
        if values.shape[:2] != (self.height, self.width) or values.dtype.kind not in "iuf":
            raise BadImage(f"a TIFF of {words}: {RESAVE}")
        self._values = values

    def rows(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        """As `Pixels.rows`."""
        values = self._values[box[1] : box[3]]
        if self._alpha is None:
            return self.chosen(values), None
        alpha = values[..., self._alpha]
        return values[..., : self._alpha], (alpha >> (self._bits - 8)).astype(np.uint8)


def _gives(image: ImageFile.ImageFile, tags: ImageFileDirectory_v2, reading: Reading) -> bool:
    """Whether Pillow gives the bands that are asked for, with all their bits."""
    count, given, planes = tags.get(SAMPLES, 1), len(image.getbands()), tags.get(PLANAR, 1) == 2
    if given < max(reading.bands or (0,)) <= count:
        return False
    if planes and given == 2:
        return False  # it would take the alpha for grey, too
    if max(tags[BITS]) <= 8:
        return _kind(tags) == UNSIGNED
    if _is_packed(tags) and _kind(tags) != UNSIGNED and tags.prefix == b"MM":
        return False  # it would turn their bytes once too often
    return count == 1 or (_kind(tags) == UNSIGNED and not planes)


def _kind(tags: ImageFileDirectory_v2) -> int:
    """UNSIGNED, 2 of numbers with a sign, 3 of floats."""
    return tags.get(NUMBERS, (UNSIGNED,))[0]


def _is_packed(tags: ImageFileDirectory_v2) -> bool:
    return tags.get(COMPRESSION, UNCOMPRESSED) != UNCOMPRESSED


def _has_mask(data: bytes) -> bool:
    with told("open"):
        return any(kind & MASK and not kind & SMALLER for kind in subfiles(data))


def _alpha_of(tags: ImageFileDirectory_v2) -> int | None:
    """The number of the band that is transparency, from 0.

    Raises:
        ValueError: it is not 8 or 16 bits, or colours are multiplied by it.
    """
    extra = tags.get(EXTRA, ())
    if not extra or extra[0] not in ALPHA:
        return None
    if extra[0] == 1 or _kind(tags) != UNSIGNED or set(tags[BITS]) not in ({8}, {16}):
        raise BadImage(
            f"{in_words(tags)}, one of them alpha: choose others with pack's --bands, or {RESAVE}"
        )
    return COLOURS.get(tags.get(PHOTOMETRIC, WHITE_IS_0), 1)


def _decoded(
    data: bytes, tags: ImageFileDirectory_v2, words: str, masked: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """(H, W, bands) values, and where asked for the (H, W) bool mask, where there is one."""
    tifffile = _library(words, _is_packed(tags))
    with told("decode"), tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        _check_pieces(page, len(data))
        values = page.asarray(maxworkers=1)
        if page.planarconfig == 2 and page.samplesperpixel > 1:
            values = np.moveaxis(values, 0, -1)
        values = values[..., None] if values.ndim == 2 else values
        for other in file.pages[1:] if masked else ():
            kind, size = int(other.subfiletype), (other.imagelength, other.imagewidth)
            if kind & MASK and not kind & SMALLER and size == values.shape[:2]:
                _check_pieces(other, len(data))
                return values, other.asarray(maxworkers=1).reshape(size) != 0
        return values, None


def _check_pieces(page: Any, length: int) -> None:
    """Refuse what is not there, which tifffile would take for empty, and what is too large.

    Raises:
        BadImage: it is so.
    """
    item = page.dtype.itemsize if page.dtype is not None else 8
    tile = page.tilewidth * page.tilelength * page.tiledepth if TILE_WIDTH in page.tags else 0
    area = page.imagewidth * page.imagelength
    if page.imagedepth != 1:
        raise BadImage(f"{page.imagedepth} layers: save the one that is meant as a file of its own")
    if tile > TIMES * max(area, SMALL):
        raise BadImage("damaged: its tiles are much larger than the image")
    if area * page.samplesperpixel * item > MOST_BYTES:
        raise BadImage(
            f"{area * page.samplesperpixel * item / 1e9:.0f} GB of pixels: cut it into tiles, or "
            "save the bands that are meant alone"
        )
    pieces = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    missing = len(pieces) < prod(page.chunked)
    # GDAL leaves out tiles without data: no place, no bytes.
    strange = any((not place) != (not count) or place + count > length for place, count in pieces)
    held = sum(count for _, count in pieces)
    short = page.compression == UNCOMPRESSED and all(count for _, count in pieces) and (
        held * 8 < area * page.samplesperpixel * page.bitspersample
    )  # fmt: skip
    if missing or strange or short:
        raise BadImage(BAD_PIECE)


def _library(words: str, packed: bool) -> ModuleType:
    """tifffile, which unpacks with imagecodecs.

    Raises:
        BadImage: one of them is needed and not installed.
    """
    for name in ("tifffile", "imagecodecs") if packed else ("tifffile",):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as err:
            if err.name != name:
                raise
            raise BadImage(
                f"a TIFF of {words} needs {name}, which is not installed: {EXTRA_WANTED}"
            ) from None
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is wrong is raised, too
    return sys.modules["tifffile"]
