"""Encoded images and masks to arrays and back, and the networks' input.

Bytes come from strangers' files, so whatever Pillow trips over becomes a ValueError that says
what is wrong. Only raster formats are opened: Pillow would hand an EPS file to Ghostscript.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

if TYPE_CHECKING:
    from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of RGB / 255
IMAGENET_STD = (0.229, 0.224, 0.225)
MEAN_COLOUR = (124, 116, 104)  # IMAGENET_MEAN in bytes: less than 0.01 once normalised

_FORMATS = ("JPEG", "MPO", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF")
_ORIENTATION = 0x0112  # the EXIF tag
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
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


def decode_image(data: bytes) -> np.ndarray:
    """Decode an image as it is meant to be seen.

    EXIF (or XMP) orientation is applied. Grey, palette, 1-bit and CMYK become RGB; 16-bit greys
    keep their high byte's scale (v / 257, rounded). Transparent pixels are laid over white.
    Of an animation, the first frame. EXIF in a PNG counts where it precedes the pixels.

    Args:
        data: an encoded JPEG, PNG, BMP, GIF, TIFF, WebP, PPM, JPEG 2000 or AVIF file.

    Returns:
        (H, W, 3) uint8 RGB, writeable.

    Raises:
        ValueError: not such a file, cut short, too large to be honest, or of float pixels.
    """
    with _open(data) as image:
        # Pillow turns a TIFF by itself when it loads its pixels.
        orientation = 1 if image.format == "TIFF" else _orientation(image)
        try:
            image.load()
            rgb = _to_rgb(image)
        except MemoryError:
            raise
        except Exception as err:  # Pillow's decoders raise many kinds on broken bytes
            raise ValueError(f"cannot decode: {_reason(err)}") from err
        if orientation in _TRANSPOSE:
            rgb = rgb.transpose(_TRANSPOSE[orientation])
        return np.array(rgb)  # while the file is open: `rgb` may be the image itself


def image_size(data: bytes) -> tuple[int, int]:
    """(H, W) of an image as displayed, EXIF orientation applied, without decoding pixels.

    Raises:
        ValueError: not an image, or too large to be honest.
    """
    with _open(data) as image:
        width, height = image.size
        if isinstance(image, TiffImageFile):  # some versions of Pillow have turned its size
            width, height = image.tag_v2[256], image.tag_v2[257]
        return (width, height) if _orientation(image) in (5, 6, 7, 8) else (height, width)


def decode_mask(data: bytes) -> np.ndarray:
    """Decode a label mask without changing its values.

    Args:
        data: a PNG of palette indices, of greys up to 8 bits, or of 1 bit.

    Returns:
        (H, W) uint8 of the stored numbers: palette indices, not colours; bits 0 and 1.

    Raises:
        ValueError: not a PNG, cut short, colours instead of labels, alpha, or 16 bits.
    """
    with _open(data, ("PNG",)) as image:
        bits = data[24]  # IHDR's bit depth, which Pillow does not pass on
        if bits == 16:
            raise ValueError("a 16-bit mask: labels need 8 bits")
        if image.mode not in ("P", "L", "1"):
            raise ValueError(f"a mask in {image.mode} colours: labels need a palette or grey PNG")
        try:
            image.load()
        except MemoryError:
            raise
        except Exception as err:
            raise ValueError(f"cannot decode: {_reason(err)}") from err
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


def _open(data: bytes, formats: tuple[str, ...] = _FORMATS) -> Image.Image:
    if not data:
        raise ValueError("an empty file")
    Image.init()
    known = [name for name in formats if name in Image.OPEN]  # AVIF and others are optional
    try:
        return Image.open(io.BytesIO(data), formats=known)
    except Image.UnidentifiedImageError:
        kinds = "a PNG" if formats == ("PNG",) else "an image of a known format"
        raise ValueError(f"not {kinds}, or damaged at its start") from None
    except MemoryError:
        raise
    except Exception as err:
        raise ValueError(f"cannot open: {_reason(err)}") from err


def _orientation(image: Image.Image) -> int:
    """1..8; 1 where absent or unreadable. Reads no pixels: a PNG's getexif might."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF says nothing about the pixels
        return 1
    return value if value in _TRANSPOSE else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode == "F":
        raise ValueError("float pixels have no fixed range: save with 8 or 16 bits")
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.size and (np.min(values) < 0 or np.max(values) > 65535):
            raise ValueError("pixels beyond 16 bits: save with 8 or 16 bits")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _reason(err: Exception) -> str:
    return " ".join(str(err).split()) or type(err).__name__
