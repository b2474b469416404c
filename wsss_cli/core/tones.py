"""Pixels of any depth, with transparency or further bands, made 8-bit RGB: only as is asked."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from .raster import EXTRA, NUMBERS, PHOTOMETRIC, BadImage, bands_of, depth, low_bytes, surplus, told
from .reading import DROP, Reading, Span

OUTSIDE = 0.005  # part of the pixels that are left out at either end
STRIP = 1 << 22  # pixels that are converted at a time, so that little memory is needed

NOT_FINITE = "some of its values are infinite, or no numbers: fill them in first"
Box = tuple[int, int, int, int]


class Pixels:
    """The pixels of an opened image, a strip of rows at a time.

    Attributes:
        height, width: as stored.
        wide: whether they have more than 8 bits.
    """

    def __init__(self, image: ImageFile.ImageFile, data: bytes, reading: Reading) -> None:
        """Decodes them.

        Raises:
            ValueError: cut short, or of bands that cannot be read or need a choice.
        """
        if surplus(image) and reading.bands is None:
            raise BadImage(f"{bands_of(image)}: choose with pack's --bands, for example 1,2,3")
        self._image, self._reading, self._bits = image, reading, depth(image, data)
        grey = image.mode[0] in "IF"  # I, I;16, I;16B and F: values as they are stored
        self.wide = self._bits > 8
        tiff = image.tag_v2 if isinstance(image, TiffImageFile) else {}
        self._unsigned = tiff.get(NUMBERS, (1,))[0] == 1
        if not (self._unsigned or self.wide):  # Pillow would take -1 for 255
            raise BadImage(f"{bands_of(image)}: save it with 16 bits")
        if reading.bands is not None and tiff.get(EXTRA, (0,))[0] == 1:  # which Pillow divides by
            raise BadImage(f"{bands_of(image)}, one of them alpha that colours are multiplied by")
        self._inverted = grey and tiff.get(PHOTOMETRIC) == 0
        self._low = low_bytes(image, data) if self.wide and not grey else None
        self._key = image.info.get("transparency")
        with told("decode"):
            image.load()
            if self._low is not None:
                self._low.load()
        self.width, self.height = image.size

    def strips(self) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
        """The first row, (h, W, 1 or 3) values and (h, W) uint8 alpha of each strip.

        Values are uint8, or where `wide` integers or floats. Alpha is None where all is opaque,
        or transparency is dropped.

        Raises:
            ValueError: transparent pixels, and nothing says how they are read.
        """
        step = max(1, STRIP // max(1, self.width))
        for top in range(0, self.height, step):
            box = (0, top, self.width, min(top + step, self.height))
            with told("decode"):
                values, alpha = self._wide(box) if self.wide else self._narrow(box)
            if alpha is None or alpha.min(initial=255) == 255 or self._reading.alpha == DROP:
                yield top, values, None
            elif self._reading.alpha is None:
                raise BadImage("has transparent pixels: pack's --alpha says how they are read")
            else:
                yield top, values, alpha

    def span(self) -> Span | None:
        """What values there are where they have more than 8 bits, else None.

        Raises:
            ValueError: some are not finite; and as `strips`.
        """
        low, high, whole = math.inf, -math.inf, True
        counts = np.zeros(1 << 16, np.int64)
        for _, values, _ in self.strips():
            if not self.wide:
                continue
            low, high = min(low, values.min()), max(high, values.max())
            whole &= values.dtype.kind in "iu"
            if whole and low >= 0 and high < len(counts):
                counts += np.bincount(values.ravel(), minlength=len(counts))
        if not self.wide:
            return None
        if not math.isfinite(high - low):
            raise BadImage(NOT_FINITE)
        full = 2**12 - 1 if self._bits == 12 and self._unsigned else 2**16 - 1
        fixed = whole and low >= 0 and high <= full
        most = _most(counts) if fixed else None
        return Span(float(low), float(high), full if fixed else None, bool(whole), most)

    def _narrow(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        part = self._part(self._image, box)
        if self._reading.bands is not None:
            return self._chosen(np.asarray(part)), None
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
        if self._inverted:
            if values.dtype.kind != "u":
                raise BadImage(f"{bands_of(self._image)} whose 0 is white: save it with black as 0")
            values = (2**self._bits - 1) - values
        if self._reading.bands is not None:
            return self._chosen(values), None
        if self._key is not None and values.shape[2] < 4:
            clear = (values == np.asarray(self._key)).all(axis=-1)
            return values, np.where(clear, 0, 255).astype(np.uint8)
        if values.shape[2] == 4:
            return values[..., :3], (values[..., 3] >> 8).astype(np.uint8)
        return values, None

    def _part(self, image: Image.Image, box: Box) -> Image.Image:
        return image if box[3] - box[1] == self.height else image.crop(box)

    def _chosen(self, values: np.ndarray) -> np.ndarray:
        """Of all bands those that are asked for."""
        bands, values = self._reading.bands, np.atleast_3d(values)
        assert bands is not None
        if self._image.mode in ("P", "PA", "1"):
            raise BadImage("a palette or single bits, of which --bands cannot choose")
        if max(bands) > values.shape[2]:
            raise BadImage(
                f"{bands_of(self._image)}, {values.shape[2]} of which can be read; "
                f"--bands asks for number {max(bands)}"
            )
        return values[..., [one - 1 for one in bands]]


def to_rgb(
    values: np.ndarray,
    alpha: np.ndarray | None,
    ends: tuple[float, float] | None,
    behind: int = 255,
) -> np.ndarray:
    """(h, W, 1 or 3) uint8 of a strip of `Pixels`.

    Args:
        values, alpha: of the strip.
        ends: of a wide one, the values that become 0 and 255; what lies outside is clipped.
        behind: level of what transparent pixels are laid over.

    Raises:
        ValueError: values that are not finite.

    >>> to_rgb(np.array([[[0], [412], [3406]]]), None, (412, 3406)).ravel().tolist()
    [0, 0, 255]
    """
    if ends is not None:
        low, high = ends
        scaled = (values.astype(np.float64) - low) * (255 / (high - low))
        if not np.isfinite(scaled).all():
            raise BadImage(NOT_FINITE)
        values = np.rint(scaled.clip(0, 255)).astype(np.uint8)
    if alpha is None:
        return values
    part = alpha[..., None].astype(np.uint16)
    return ((values * part + behind * (255 - part) + 127) // 255).astype(np.uint8)


def _most(counts: np.ndarray) -> tuple[float, float]:
    """The values between which all but the darkest and the brightest pixels lie."""
    below = np.cumsum(counts)
    ends = np.searchsorted(below, [OUTSIDE * below[-1], (1 - OUTSIDE) * below[-1]])
    return float(ends[0]), float(ends[1])
