"""Pixels of any depth, with transparency or further bands, made 8-bit RGB: only as is asked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from .percentiles import Tally
from .raster import (
    EXTRA,
    NODATA,
    NUMBERS,
    PHOTOMETRIC,
    BadImage,
    bands_of,
    depth,
    low_bytes,
    surplus,
    told,
)
from .reading import DROP, Reading, Span

OUTSIDE = 0.005  # part of the pixels that are left out at either end
STRIP = 1 << 22  # pixels that are converted at a time, so that little memory is needed

NOT_FINITE = "some of its values are infinite, or no numbers: fill them in first"
Box = tuple[int, int, int, int]
Strip = tuple[int, np.ndarray, np.ndarray | None, np.ndarray | None]


class Pixels:
    """The pixels of an image, a strip of rows at a time.

    Attributes:
        height, width: as stored.
        wide: whether they have a range that is to be made 0..255: more than 8 bits, or a sign.
        plain: whether 8-bit colours are all that there is.
        mask: (H, W) bool, where the file itself says that there are data; None where it does not.
    """

    height: int
    width: int
    wide: bool
    plain = False
    mask: np.ndarray | None = None

    def __init__(
        self, words: str, tags: Mapping[int, Any], bits: int, inverted: bool, reading: Reading
    ) -> None:
        """
        Args:
            words: what its bands are.
            tags: of a TIFF, else none.
            bits: of a band as stored, 8 where they are fewer.
            inverted: whether 0 is white.

        Raises:
            ValueError: its bands need a choice, or cannot be taken apart.
        """
        self._words, self._bits, self._reading = words, bits, reading
        self._unsigned = tags.get(NUMBERS, (1,))[0] == 1
        self._inverted = inverted
        if tags and surplus(tags) and reading.bands is None:
            raise BadImage(f"{words}: choose with pack's --bands, for example 1,2,3")
        if reading.bands is not None and tags.get(EXTRA, (0,))[0] == 1:  # which Pillow divides by
            raise BadImage(f"{words}, one of them alpha that colours are multiplied by")
        self._nodata = _nodata(tags) if reading.stretch else None

    def rows(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        """(h, W, 1 or 3) values as stored, and (h, W) uint8 alpha, of a box as wide as all."""
        raise NotImplementedError

    def strips(self) -> Iterator[Strip]:
        """The first row, (h, W, 1 or 3) values, (h, W) alpha and nodata of each strip.

        Values are uint8, or where `wide` integers or floats. Alpha is uint8, and None where all
        is opaque, or transparency is dropped. Nodata is bool like the values, and None where
        there is none, or no stretch.

        Raises:
            ValueError: transparent pixels, and nothing says how they are read.
        """
        step = max(1, STRIP // max(1, self.width))
        for top in range(0, self.height, step):
            box = (0, top, self.width, min(top + step, self.height))
            with told("decode"):
                values, alpha = self.rows(box)
            gaps = self._gaps(values, box) if self.wide else None
            if self._inverted:
                values = self._turned(values)
            if alpha is None or alpha.min(initial=255) == 255 or self._reading.alpha == DROP:
                yield top, values, None, gaps
            elif self._reading.alpha is None:
                raise BadImage("has transparent pixels: pack's --alpha says how they are read")
            else:
                yield top, values, alpha, gaps

    def span(self, tally: Tally | None = None) -> Span | None:
        """What values there are where they have more than 8 bits, else None.

        Args:
            tally: counts them, too, but for nodata and what is transparent.

        Raises:
            ValueError: some are not finite; and as `strips`.
        """
        low, high, whole = math.inf, -math.inf, True
        counts = np.zeros(1 << 16, np.int64)
        for _, values, alpha, gaps in self.strips():
            if not self.wide:
                continue
            held = values if gaps is None else values[~gaps]
            whole &= values.dtype.kind in "iu"
            if held.size:
                if not whole and not np.isfinite(held).all():
                    raise BadImage(NOT_FINITE)
                low, high = min(low, held.min()), max(high, held.max())
            if whole and held.size and low >= 0 and high < len(counts):
                counts += np.bincount(held.ravel(), minlength=len(counts))
            if tally is not None:
                tally.count(values, _left_out(values.shape, alpha, gaps))
        if not self.wide:
            return None
        full = 2**12 - 1 if self._bits == 12 and self._unsigned else 2**16 - 1
        fixed = whole and low >= 0 and high <= full
        most = _most(counts) if fixed and counts.any() else None
        return Span(float(low), float(high), full if fixed else None, bool(whole), most)

    def chosen(self, values: np.ndarray) -> np.ndarray:
        """Of all bands those that are asked for; all where none are.

        Raises:
            ValueError: one is asked for that is not there.
        """
        bands, values = self._reading.bands, np.atleast_3d(values)
        if bands is None:
            return values
        if max(bands) > values.shape[2]:
            raise BadImage(
                f"{self._words}, {values.shape[2]} of which can be read; "
                f"--bands asks for number {max(bands)}"
            )
        return values[..., [one - 1 for one in bands]]

    def _gaps(self, values: np.ndarray, box: Box) -> np.ndarray | None:
        """Where values are nodata."""
        gaps = None
        if self._nodata is not None and math.isnan(self._nodata):
            gaps = np.isnan(values)
        elif self._nodata is not None:
            with np.errstate(over="ignore"):  # written with more digits than the pixels have
                gaps = values == self._nodata
        if self.mask is not None and self._reading.stretch:
            outside = ~self.mask[box[1] : box[3], :, None]
            gaps = np.broadcast_to(outside, values.shape) if gaps is None else gaps | outside
        return gaps

    def _turned(self, values: np.ndarray) -> np.ndarray:
        if values.dtype.kind != "u":
            raise BadImage(f"{self._words} whose 0 is white: save it with black as 0")
        return (2**self._bits - 1) - values


class PillowPixels(Pixels):
    """Those of an image that Pillow opened."""

    def __init__(self, image: ImageFile.ImageFile, data: bytes, reading: Reading) -> None:
        """Decodes them.

        Raises:
            ValueError: cut short, or of bands that cannot be read or need a choice.
        """
        grey = image.mode[0] in "IF"  # I, I;16, I;16B and F: values as they are stored
        tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
        inverted = grey and tags.get(PHOTOMETRIC) == 0
        super().__init__(bands_of(image), tags, depth(image, data), inverted, reading)
        self._image = image
        self.wide = self._bits > 8
        self.plain = not (self.wide or image.has_transparency_data or reading.bands)
        self._low = low_bytes(image, data) if self.wide and not grey else None
        self._key = image.info.get("transparency")
        with told("decode"):
            image.load()
            if self._low is not None:
                self._low.load()
        self.width, self.height = image.size

    def rows(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        """As `Pixels.rows`."""
        return self._wide(box) if self.wide else self._narrow(box)

    def _narrow(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        part = self._part(self._image, box)
        if self._reading.bands is not None:
            return self._of_bands(np.asarray(part)), None
        if part.has_transparency_data:
            part = part.convert("LA") if part.mode == "La" else part
            rgba = np.asarray(part.convert("RGBA"))
            return rgba[..., :3], rgba[..., 3]
        return np.asarray(part if part.mode == "RGB" else part.convert("RGB")), None

    def _wide(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        values = np.atleast_3d(np.asarray(self._part(self._image, box)))
        if self._low is not None:
            low = np.atleast_3d(np.asarray(self._part(self._low, box)))
            values = values.astype(np.uint16) << 8 | low
        elif self._bits == 32 and self._unsigned and values.dtype == np.int32:
            values = values.view(np.uint32)  # which Pillow has no mode for
        if self._reading.bands is not None:
            return self._of_bands(values), None
        if self._key is not None and values.shape[2] < 4:
            clear = (values == np.asarray(self._key)).all(axis=-1)
            return values, np.where(clear, 0, 255).astype(np.uint8)
        if values.shape[2] == 4:
            return values[..., :3], (values[..., 3] >> 8).astype(np.uint8)
        return values, None

    def _part(self, image: Image.Image, box: Box) -> Image.Image:
        return image if box[3] - box[1] == self.height else image.crop(box)

    def _of_bands(self, values: np.ndarray) -> np.ndarray:
        if self._image.mode in ("P", "PA", "1"):
            raise BadImage("a palette or single bits, of which --bands cannot choose")
        return self.chosen(values)


def to_rgb(
    values: np.ndarray,
    alpha: np.ndarray | None,
    ends: tuple[float, float] | tuple[tuple[float, float], ...] | None,
    behind: int = 255,
    gaps: np.ndarray | None = None,
) -> np.ndarray:
    """(h, W, 1 or 3) uint8 of a strip of `Pixels`.

    Args:
        values, alpha, gaps: of the strip; what is nodata becomes 0.
        ends: of a wide one, the values that become 0 and 255, or a pair of them for each band;
            what lies outside is clipped.
        behind: level of what transparent pixels are laid over.

    Raises:
        ValueError: values that are not finite, or more or fewer bands than pairs.

    >>> to_rgb(np.array([[[0], [412], [3406]]]), None, (412, 3406)).ravel().tolist()
    [0, 0, 255]
    """
    if ends is not None:
        low, high = np.asarray(ends, np.float64).T
        if low.ndim and len(low) != values.shape[-1]:
            raise BadImage(
                f"{values.shape[-1]} bands, and the data set was stretched with {len(low)}"
            )
        scaled = (values.astype(np.float64) - low) * (255 / (high - low))
        if gaps is not None:
            scaled[gaps] = 0
        if not np.isfinite(scaled).all():
            raise BadImage(NOT_FINITE)
        values = np.rint(scaled.clip(0, 255)).astype(np.uint8)
    if alpha is None:
        return values
    part = alpha[..., None].astype(np.uint16)
    return ((values * part + behind * (255 - part) + 127) // 255).astype(np.uint8)


def _left_out(
    shape: tuple[int, ...], alpha: np.ndarray | None, gaps: np.ndarray | None
) -> np.ndarray | None:
    """Which values of a strip are nodata or transparent."""
    if alpha is None:
        return gaps
    clear = np.broadcast_to(alpha[..., None] == 0, shape)
    return clear if gaps is None else clear | gaps


def _nodata(tags: Mapping[int, Any]) -> float | None:
    """The number that stands for nodata; None where none does."""
    text = str(tags.get(NODATA, "")).replace("\0", "").strip()
    try:
        return float(text)
    except ValueError:
        return None


def _most(counts: np.ndarray) -> tuple[float, float]:
    """The values between which all but the darkest and the brightest pixels lie."""
    below = np.cumsum(counts)
    ends = np.searchsorted(below, [OUTSIDE * below[-1], (1 - OUTSIDE) * below[-1]])
    return float(ends[0]), float(ends[1])
