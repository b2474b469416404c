"""Encoded images and masks to arrays and back, and the networks' input."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from .normalisation import IMAGENET
from .raster import BadImage, check_one, check_pages, depth, open_image, told
from .reading import AS_IT_IS, BEHIND, Reading, Span
from .tiffs import TiffPixels, beyond_pillow, is_ranged, size_of
from .tones import PillowPixels, Pixels, to_rgb

if TYPE_CHECKING:
    from torch import Tensor

    from .percentiles import Tally

IMAGENET_MEAN, IMAGENET_STD = IMAGENET.mean, IMAGENET.std
MEAN_COLOUR = (124, 116, 104)  # IMAGENET_MEAN in bytes: less than 0.01 once normalised

_ORIENTATION = 0x0112  # the EXIF tag
_AS_STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # an upright image seen as stored
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: upright.transpose(1, 0, 2)[::-1],
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: upright.transpose(1, 0, 2)[:, ::-1],
}
PNG_LEVEL = 1  # of compression: 3 saves 0.5 % of an aerial photograph, and takes 40 % longer
GREY_STEP = {2: 85, 4: 17}  # Pillow spreads 2- and 4-bit greys over 0..255 by these factors


def to_input(image: np.ndarray) -> Tensor:
    """Normalise an image for networks that were trained on ImageNet.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (3, H, W) float32: RGB / 255, minus IMAGENET_MEAN, over IMAGENET_STD. Its memory is
        channels-last, as the image's is.

    Raises:
        ValueError: another shape or dtype.
    """
    return batch_to_input(as_tensor(image)[None])[0]


def as_tensor(image: np.ndarray) -> Tensor:
    """(3, H, W) uint8 of an (H, W, 3) uint8 image, its memory where possible.

    Raises:
        ValueError: another shape or dtype.
    """
    import torch  # only here: packing and describing files do without it

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"need (H, W, 3) uint8, got {image.shape} {image.dtype}")
    pixels = np.ascontiguousarray(image)
    if not pixels.flags.writeable:  # which torch would warn of
        pixels = pixels.copy()
    return torch.from_numpy(pixels).permute(2, 0, 1)


def batch_to_input(images: Tensor | Sequence[Tensor]) -> Tensor:
    """Normalise a batch of images, on the device they are on.

    Args:
        images: (B, 3, H, W) uint8 RGB, or B of (3, H, W).

    Returns:
        (B, 3, H, W) float32, channels-last in memory: RGB / 255, minus IMAGENET_MEAN, over
        IMAGENET_STD.
    """
    import torch

    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    batch, (_, height, width), device = len(images), images[0].shape, images[0].device
    # As rows of 3 * W numbers: arithmetic on a last axis of 3 would be six times slower.
    scale = (1 / (255 * std)).repeat(width).to(device)
    shift = (-mean / std).repeat(width).to(device)
    result = torch.empty((batch, height, 3 * width), device=device)
    for image, target in zip(images, result, strict=True):  # one by one: little scratch memory
        pixels = image.permute(1, 2, 0)
        if not pixels.is_contiguous():
            pixels = torch.stack(image.unbind(), dim=-1)
        torch.addcmul(shift, pixels.view(height, 3 * width).float(), scale, out=target)
    return result.view(batch, height, width, 3).permute(0, 3, 1, 2)


def decode_image(data: bytes, reading: Reading = AS_IT_IS) -> np.ndarray:
    """Decode an image as it is meant to be seen.

    EXIF (or XMP) orientation is applied. Grey, palette, 1-bit and CMYK become RGB. Bands of more
    than 8 bits become 8 by `reading.range`, without one by what their bits can hold: 65535, of a
    12-bit TIFF 4095, becomes 255. Nothing is left out unasked: transparent pixels, bands beside
    the colours, frames and pages are refused where `reading` does not say what to do. EXIF in a
    PNG counts where it precedes the pixels.

    Args:
        data: an encoded JPEG, PNG, BMP, GIF, TIFF, WebP, PPM, JPEG 2000 or AVIF file.
        reading: how pixels are read that 8-bit RGB cannot hold.

    Returns:
        (H, W, 3) uint8 RGB, writeable.

    Raises:
        ValueError: not such a file, cut short, too large, or one that needs a `reading`.
    """
    with _pixels(data, reading) as (pixels, turn):
        ends = _ends(pixels, reading)
        size = (pixels.width, pixels.height) if turn >= 5 else (pixels.height, pixels.width)
        result = np.empty((*size, 3), np.uint8)
        stored = _AS_STORED[turn](result)  # a view: what is large is there once
        behind = BEHIND.get(reading.alpha or "", 255)
        for top, values, alpha, gaps in pixels.strips():
            stored[top : top + len(values)] = to_rgb(values, alpha, ends, behind, gaps)
        return result


def examine(
    data: bytes, reading: Reading = AS_IT_IS, tally: Tally | None = None
) -> tuple[tuple[int, int], Span | None]:
    """(H, W) as displayed of an image that `decode_image` reads, and what values it holds.

    Decodes all pixels, in less memory. Bands of more than 8 bits need no range here.

    Args:
        tally: counts the values of an image of more than 8 bits, too.

    Returns:
        the size, and of an image of more than 8 bits the span of its values.

    Raises:
        ValueError: as `decode_image`.
    """
    size = image_size(data)
    with _pixels(data, reading) as (pixels, _):
        return size, None if pixels.plain else pixels.span(tally)


def image_size(data: bytes) -> tuple[int, int]:
    """(H, W) of an image as displayed, EXIF orientation applied, without decoding pixels.

    Raises:
        ValueError: not an image, or too large to be honest.
    """
    beyond = beyond_pillow(data)
    if beyond is not None:
        width, height = size_of(beyond)
        return (width, height) if _turn_of(beyond) >= 5 else (height, width)
    with open_image(data) as image:
        width, height = image.size
        if isinstance(image, TiffImageFile):  # some versions of Pillow have turned its size
            width, height = image.tag_v2[256], image.tag_v2[257]
        return (width, height) if _orientation(image) in (5, 6, 7, 8) else (height, width)


def is_wide(data: bytes) -> bool:
    """Whether an image has more than 8 bits a band, or a sign, without decoding pixels.

    Raises:
        ValueError: not an image.
    """
    beyond = beyond_pillow(data)
    if beyond is not None:
        return is_ranged(beyond)
    with open_image(data) as image:
        return depth(image, data) > 8


@contextmanager
def _pixels(data: bytes, reading: Reading) -> Iterator[tuple[Pixels, int]]:
    """An image's pixels, and how it is turned as stored: 1..8, as EXIF numbers it."""
    beyond = beyond_pillow(data, reading)
    if beyond is not None:
        check_pages(data)
        yield TiffPixels(data, beyond, reading), _turn_of(beyond)
        return
    with open_image(data) as image:
        check_one(image, data)
        turn = _orientation(image)
        pixels = PillowPixels(image, data, reading)
        # Pillow turns a TIFF by itself when it loads its pixels.
        yield pixels, 1 if image.format == "TIFF" else turn


def _ends(
    pixels: Pixels, reading: Reading
) -> tuple[float, float] | tuple[tuple[float, float], ...] | None:
    """The values that become 0 and 255 in an image of more than 8 bits."""
    if not pixels.wide or reading.range is not None:
        return reading.range if pixels.wide else None
    span = pixels.span()
    if span is None or span.full is None:
        raise BadImage(f"values of {span} have no fixed range: pack's --range says it")
    return 0, span.full


def decode_mask(data: bytes) -> np.ndarray:
    """Decode a label mask without changing its values.

    Args:
        data: a PNG of palette indices, of greys up to 8 bits, or of 1 bit.

    Returns:
        (H, W) uint8 of the stored numbers: palette indices, not colours; bits 0 and 1.

    Raises:
        ValueError: not a PNG, cut short, colours instead of labels, alpha, or 16 bits.
    """
    with open_image(data, ("PNG",)) as image:
        bits = data[24]  # IHDR's bit depth, which Pillow does not pass on
        if bits == 16:
            raise ValueError("a 16-bit mask: labels need 8 bits")
        if image.mode not in ("P", "L", "1"):
            raise ValueError(f"a mask in {image.mode} colours: labels need a palette or grey PNG")
        with told("decode"):
            image.load()
        values = np.array(image).astype(np.uint8)
        return values // GREY_STEP[bits] if image.mode == "L" and bits in GREY_STEP else values


def encode_mask(label: np.ndarray) -> bytes:
    """Encode labels as a palette PNG in VOC's colours; `decode_mask` gives them back exactly.

    Args:
        label: (H, W) uint8.

    Raises:
        ValueError: another shape or dtype, or no pixels.
    """
    if label.dtype != np.uint8 or label.ndim != 2 or not label.size:
        raise ValueError(f"need (H, W) uint8, got {label.shape} {label.dtype}")
    image = Image.fromarray(np.ascontiguousarray(label))
    image.putpalette(voc_palette().tobytes())
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def encode_image(image: np.ndarray) -> bytes:
    """Encode pixels without loss: `decode_image` gives them back exactly.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        a PNG; of one band where all pixels are grey.
    """
    if (image[..., :1] == image[..., 1:]).all():
        image = image[..., 0]
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(out, "PNG", compress_level=PNG_LEVEL)
    return out.getvalue()


def voc_palette() -> np.ndarray:
    """The colour map of PASCAL VOC: (256, 3) uint8, row = label.

    Bits 0, 1, 2 of the label go to the top bit of red, green, blue; the next three bits one place
    lower; and so on, so that neighbouring labels differ strongly.

    Source: PASCAL VOC development kit, VOCcolormap.

    >>> voc_palette()[[0, 1, 15, 255]].tolist()
    [[0, 0, 0], [128, 0, 0], [192, 128, 128], [224, 224, 192]]
    """
    label = np.arange(256)[:, None]
    colours = np.zeros((256, 3), np.int64)
    for place in range(8):
        colours |= (label >> (3 * place + np.arange(3)) & 1) << (7 - place)
    return colours.astype(np.uint8)


def _orientation(image: Image.Image) -> int:
    """1..8; 1 where absent or unreadable. Reads no pixels: a PNG's getexif might."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF says nothing about the pixels
        return 1
    return value if value in _AS_STORED else 1


def _turn_of(tags: Mapping[int, Any]) -> int:
    """As `_orientation`, of a TIFF's tags."""
    value = tags.get(_ORIENTATION, 1)
    return value if value in _AS_STORED else 1
