"""Opening image files with Pillow: what may be opened, and what is in it beside 8-bit colours.

Bytes come from strangers' files, so whatever Pillow trips over becomes a ValueError that says
what is wrong. Only raster formats are opened: Pillow would hand an EPS file to Ghostscript.
"""

from __future__ import annotations

import io
import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from PIL import Image, ImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

# Pillow warns of odd metadata, and of sizes, which it refuses above twice its limit. Once and for
# all, since `warnings.catch_warnings` does not hold among threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)  # what is wrong is raised, too

FORMATS = ("JPEG", "MPO", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF")
MOVING = ("GIF", "PNG", "WEBP", "AVIF")  # an MPO's further images are for the other eye
RESAVE = "save it as RGB or grey of 8 or 16 bits"

BITS, PHOTOMETRIC, SAMPLES, PLANAR, EXTRA, NUMBERS = 258, 262, 277, 284, 338, 339  # tags of TIFF
WIDTH, HEIGHT, TURN, NODATA = 256, 257, 274, 42113  # the last is GDAL's, a number as text
STRIPS, ROWS, TILE_WIDTH, TILE_HEIGHT, TILES = 273, 278, 322, 323, 324  # where pixels are
SUBFILE, SMALLER, MASK = 254, 0b001, 0b100  # bits of a smaller copy, and of a mask
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
COLOURS = {2: 3, 5: 4, 6: 3, 8: 3}  # bands by photometric interpretation; 1 of others
ALPHA = (1, 2, 999)  # extra bands that are transparency; 999 is CorelDRAW's
OTHER_BYTES = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}


class BadImage(ValueError):
    """What is wrong with an image, in words for the person who has it."""


class UnknownBands(BadImage):
    """A TIFF whose bands Pillow has no way to read."""


@contextmanager
def told(what: str) -> Iterator[None]:
    """Makes Pillow's many errors a BadImage; ours pass, and MemoryError."""
    try:
        yield
    except (MemoryError, BadImage):
        raise
    except Image.DecompressionBombError:
        raise BadImage(
            f"more than {most_pixels() / 1e6:.0f} million pixels: cut it into tiles, or shrink it"
        ) from None
    except Exception as err:
        raise BadImage(
            f"cannot {what}: {' '.join(str(err).split()) or type(err).__name__}"
        ) from err


def most_pixels() -> int:
    """Of how many pixels an image may be."""
    return 2 * (Image.MAX_IMAGE_PIXELS or 0)


def open_image(data: bytes, formats: tuple[str, ...] = FORMATS) -> ImageFile.ImageFile:
    """An image file opened, no pixel decoded yet.

    Args:
        data: the file's bytes.
        formats: those that it may be of, by Pillow's names.

    Raises:
        ValueError: none of these, damaged at its start, too large, or a TIFF whose bands Pillow
            has no way to read.
    """
    if not data:
        raise BadImage("an empty file")
    Image.init()
    known = [name for name in formats if name in Image.OPEN]  # AVIF and others are optional
    with told("open"):
        try:
            return Image.open(io.BytesIO(data), formats=known)
        except Image.UnidentifiedImageError:
            tags = tiff_tags(data) if "TIFF" in formats else None
            if tags is not None:
                raise UnknownBands(f"a TIFF of {in_words(tags)}: {RESAVE}") from None
            kinds = "a PNG" if formats == ("PNG",) else "an image of a known format"
            raise BadImage(f"not {kinds}, or damaged at its start") from None


def check_one(image: ImageFile.ImageFile, data: bytes) -> None:
    """Refuse what holds several images: nobody could tell which one is meant.

    Raises:
        ValueError: an animation, or a TIFF of several pages. Smaller copies and masks of a page
            are none. Or a TIFF that lacks strips, which Pillow would take for black.
    """
    if isinstance(image, TiffImageFile):
        check_pages(data)
        with told("open"):
            _check_pieces(image.tag_v2)
    elif image.format in MOVING:
        _check_count("moving image of {} frames", getattr(image, "n_frames", 1))


def check_pages(data: bytes) -> None:
    """Refuse a TIFF of several pages, as `check_one`.

    Raises:
        ValueError: there are several.
    """
    pages = [kind for kind in subfiles(data) if not kind & (SMALLER | MASK)]
    _check_count("TIFF of {} pages", len(pages))


def _check_count(kind: str, count: int) -> None:
    if count > 1:
        raise BadImage(f"a {kind.format(count)}: save the one that is meant as a file of its own")


def _check_pieces(tags: ImageFileDirectory_v2) -> None:
    width, height = tags[WIDTH], tags[HEIGHT]
    if TILES in tags:
        count = -(-width // tags[TILE_WIDTH]) * -(-height // tags[TILE_HEIGHT])
    else:
        count = -(-height // max(1, min(height, tags.get(ROWS, height))))
    planes = tags.get(SAMPLES, 1) if tags.get(PLANAR, 1) == 2 else 1
    if len(tags.get(TILES, tags.get(STRIPS, ()))) < count * planes:
        raise BadImage("damaged: a part of its pixels is not there")


def surplus(tags: Mapping[int, Any]) -> int:
    """How many bands a TIFF has beside its colours and its tagged transparency."""
    extra = tags.get(EXTRA, ())
    used = COLOURS.get(tags.get(PHOTOMETRIC, 0), 1) + bool(extra and extra[0] in ALPHA)
    return max(0, tags.get(SAMPLES, 1) - used)


def bands_of(image: ImageFile.ImageFile) -> str:
    """What a file's bands are, in words."""
    if isinstance(image, TiffImageFile):
        return in_words(image.tag_v2)
    return f"{len(image.getbands())} bands"


def depth(image: ImageFile.ImageFile, data: bytes) -> int:
    """Bits of a band as stored; 8 where they are fewer, too.

    Pillow gives greys of more as they are, and of colours the 8 highest bits.
    """
    if image.format == "PNG":
        return max(8, data[24])  # of IHDR
    if isinstance(image, TiffImageFile):
        return max(8, *image.tag_v2.get(BITS, (8,)))
    if image.format == "JPEG2000":
        start = data.find(b"\xff\x4f\xff\x51")  # SOC and SIZ, which says it of each component
        return max(8, (data[start + 42] & 127) + 1) if start >= 0 else 8
    if image.format == "PPM":
        maximum = image.tile[0][3][-1] if isinstance(image.tile[0][3], tuple) else 0
        return 16 if image.mode[0] == "I" or (isinstance(maximum, int) and maximum > 255) else 8
    return 8


def low_bytes(image: ImageFile.ImageFile, data: bytes) -> ImageFile.ImageFile:
    """The lower bytes of colours of 16 bits, of which Pillow gives the upper ones.

    They are what comes of reading the file as if its bytes were in the other order.

    Args:
        image: opened, not loaded.
        data: its file.

    Raises:
        ValueError: neither PNG nor TIFF, or of bands that this cannot be done with.
    """
    other = open_image(data)
    for number, (name, box, offset, args) in enumerate(image.tile):
        rawmode, *rest = args if isinstance(args, tuple) else (args,)
        start, _, order = str(rawmode).partition(";16")
        if start not in ("RGB", "RGBA", "RGBX") or order not in OTHER_BYTES:
            raise BadImage(f"{bands_of(image)}, colours of more than 8 bits: {RESAVE}")
        rawmode = f"{start};16{OTHER_BYTES[order]}"
        tile: Any = (name, box, offset, (rawmode, *rest) if rest else rawmode)
        kind = type(other.tile[number])  # a tuple of names in newer Pillows
        other.tile[number] = kind(*tile) if hasattr(kind, "_fields") else tile
    return other


def subfiles(data: bytes) -> Iterator[int]:
    """The kind (NewSubfileType) of each directory of a TIFF: a page, a smaller copy, a mask."""
    header = data[:16] if 43 in data[2:4] else data[:8]
    directory = ImageFileDirectory_v2(header)
    stream, seen = io.BytesIO(data), set()
    while directory.next and directory.next not in seen:
        offset = directory.next
        seen.add(offset)
        stream.seek(offset)
        directory.load(stream)
        yield directory.get(SUBFILE, 0)


def tiff_tags(data: bytes) -> ImageFileDirectory_v2 | None:
    """The tags of a TIFF's first page; None of what is no TIFF, or damaged."""
    if data[:4] not in TIFF_STARTS:
        return None
    try:
        tags = ImageFileDirectory_v2(data[:16] if 43 in data[2:4] else data[:8])
        stream = io.BytesIO(data)
        stream.seek(tags.next)
        tags.load(stream)
        known = all(isinstance(tags.get(one), int) for one in (WIDTH, HEIGHT))
        return tags if known and BITS in tags and in_words(tags) else None
    except Exception:  # whatever strangers' bytes cause
        return None


def in_words(tags: ImageFileDirectory_v2) -> str:
    """What a TIFF's bands are."""
    count, bits = tags.get(SAMPLES, 1), sorted(set(tags.get(BITS, (1,))))
    kind = {2: "signed ", 3: "float "}.get(tags.get(NUMBERS, (1,))[0], "")
    sizes = " and ".join(str(one) for one in bits)
    return f"{count} {kind}{'bands' if count > 1 else 'band'} of {sizes} bits"
