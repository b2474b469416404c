"""Random scale, crop, flip and colour on an image and, jointly, its label map.

Every function is pure: arrays and a generator in, new arrays out. The window to keep is drawn
before anything is resized, so that the cost follows the crop and not the enlarged image, and
pixels stay uint8: `core.images.batch_to_input` normalises whole batches, on their device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from PIL import Image, ImageEnhance
from torch import Tensor

from ..core.images import MEAN_COLOUR, as_tensor
from ..core.labels import IGNORE
from ..core.views import working_size

Range = tuple[float, float]
Jitter = tuple[float, float, float, float]


@dataclass(frozen=True)
class Window:
    """A part of a scaled image, and where it lands in the crop.

    Attributes:
        scaled: (H', W') of the whole image after scaling; each at least 1.
        start: (top, left) of the part in the scaled image.
        size: (h, w) of the part; start + size stays inside `scaled`.
        place: (top, left) of the part in the crop.
        crop: side of the square crop; place + size stays inside it.
        mirrored: the part is mirrored left to right before it is placed.
    """

    scaled: tuple[int, int]
    start: tuple[int, int]
    size: tuple[int, int]
    place: tuple[int, int]
    crop: int
    mirrored: bool = False


def random_window(
    size: tuple[int, int], scale: float, crop: int, rng: Generator | None = None
) -> Window:
    """The window of a crop x crop cut out of an image that has been scaled.

    Along each axis a scaled image longer than the crop is cut at a random place, a shorter one
    is put at a random place inside the crop.

    Args:
        size: (H, W) of the image.
        scale: factor from the image to the scaled image, > 0.
        crop: side of the result.
        rng: None puts the cut or the image in the middle.
    """
    spans = []
    for side in size:
        scaled = max(1, round(side * scale))
        slack = abs(scaled - crop)
        shift = slack // 2 if rng is None else int(rng.integers(slack + 1))
        start, place = (shift, 0) if scaled > crop else (0, shift)
        spans.append((scaled, start, min(scaled, crop), place))
    (height, top, h, y), (width, left, w, x) = spans
    return Window((height, width), (top, left), (h, w), (y, x), crop)


def cut(image: np.ndarray, window: Window) -> np.ndarray:
    """The window's part of an image, after bicubic scaling; wider when it shrinks.

    Equal to scaling the whole image and cropping: only what lies beyond the window's lower right
    corner is left out of the work. By torch's kernel for bytes, five times faster than Pillow's
    and within 2 levels of it, but for a few small odd sizes (up to 10, at 33 x 16 by 0.8).

    Args:
        image: (H, W, 3) uint8.

    Returns:
        (h, w, 3) uint8 of `window.size`; after scaling, a view of three planes.
    """
    (top, left), (h, w) = window.start, window.size
    if window.scaled == image.shape[:2]:
        return image[top : top + h, left : left + w]
    rows, factor_y = _needed(image.shape[0], window.scaled[0], top + h)
    columns, factor_x = _needed(image.shape[1], window.scaled[1], left + w)
    pixels = as_tensor(image[:rows, :columns])[None]
    if int(columns * factor_x) > 1:
        large = _bicubic(pixels, (factor_y, factor_x))
    else:  # PyTorch 2.14 without AVX2 repeats the first row of a result that is one pixel wide
        large = _bicubic(pixels.mT, (factor_x, factor_y)).mT
    return large[0, :, top : top + h, left : left + w].permute(1, 2, 0).numpy()


def _bicubic(pixels: Tensor, factors: tuple[float, float]) -> Tensor:
    """(1, 3, H, W) scaled by factors of its height and width."""
    return F.interpolate(
        pixels,
        scale_factor=factors,
        mode="bicubic",
        align_corners=False,
        antialias=True,
        recompute_scale_factor=False,
    )


def _needed(side: int, scaled: int, stop: int) -> tuple[int, float]:
    """How many pixels of `side` the first `stop` scaled ones are made of, and the factor."""
    factor = scaled / side * (1 + 1e-9)  # so that side * factor rounds down to `scaled`, not below
    reach = math.ceil(2 * max(1 / factor, 1)) + 2  # of the kernel
    return min(side, math.ceil(stop / factor) + reach), factor


def cut_label(label: np.ndarray, window: Window) -> np.ndarray:
    """The window's part of a label map (H, W), each pixel that of the nearest place in it."""
    taken = []
    for side, scaled, start, size in zip(
        label.shape, window.scaled, window.start, window.size, strict=True
    ):
        centres = np.arange(start, start + size) + 0.5
        taken.append((centres * (side / scaled)).astype(np.intp))
    return label[taken[0]][:, taken[1]]


def colour_jitter(image: np.ndarray, strength: Jitter, rng: Generator) -> np.ndarray:
    """Change brightness, contrast, saturation and hue of a uint8 RGB image, in random order.

    Args:
        strength: (brightness, contrast, saturation, hue). The first three draw a factor from
            [max(0, 1 - s), 1 + s]; hue draws a shift from [-s, s] turns, s <= 0.5.

    Source: the ranges are torchvision's ColorJitter.
    """
    draws = rng.uniform(-1, 1, size=4) * strength
    picture = Image.fromarray(np.ascontiguousarray(image))
    enhancers = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for kind in rng.permutation(4):
        if not strength[kind]:
            continue
        if kind < 3:
            picture = enhancers[kind](picture).enhance(max(0.0, 1 + float(draws[kind])))
        else:
            hsv = np.array(picture.convert("HSV"))
            hsv[..., 0] += np.uint8(round(float(draws[kind]) * 256) % 256)  # wraps, as hue does
            picture = Image.fromarray(hsv, "HSV").convert("RGB")
    return np.asarray(picture)


def place_image(image: np.ndarray, window: Window) -> Tensor:
    """(3, crop, crop) uint8 of a cut image; the mean colour around it."""
    (top, left), (height, width) = window.place, window.size
    crop = np.empty((3, window.crop, window.crop), np.uint8)
    for plane, colour in zip(crop, MEAN_COLOUR, strict=True):
        plane.fill(colour)
    crop[:, top : top + height, left : left + width] = image.transpose(2, 0, 1)
    return torch.from_numpy(crop)


def place_label(label: np.ndarray, window: Window) -> Tensor:
    """(crop, crop) uint8 of a cut label map; IGNORE around it."""
    return torch.from_numpy(np.pad(label, _borders(window), constant_values=IGNORE))


def _borders(window: Window) -> tuple[tuple[int, int], tuple[int, int]]:
    """Cells (above, below), (left, right) of a window in its crop."""
    (top, left), (height, width), crop = window.place, window.size, window.crop
    return (top, crop - top - height), (left, crop - left - width)


@dataclass(frozen=True)
class Augment:
    """What a training stage does to each image before it becomes a crop.

    Attributes:
        crop: side of the square that comes out.
        long_side: draw the scaled image's longer side from this range of pixels; or
        factor: draw the scale from this range. Neither keeps the image's own size.
        max_side: without `long_side`, scales are relative to the image shrunk to this longer side
            (`core.views.working_size`); 0 is no limit.
        flip: mirror half of the images.
        jitter: colour strengths, or None.
    """

    crop: int
    long_side: Range | None = None
    factor: Range | None = None
    max_side: int = 0
    flip: bool = True
    jitter: Jitter | None = None

    def scale(self, size: tuple[int, int], rng: Generator) -> float:
        """Draw the factor by which an image of (H, W) is scaled."""
        if self.long_side is not None:
            return float(rng.uniform(*self.long_side)) / max(size)
        own = max(working_size(size, self.max_side)) / max(size)
        return own * float(rng.uniform(*self.factor)) if self.factor is not None else own

    def window(self, size: tuple[int, int], rng: Generator) -> Window:
        """Draw what of an image of (H, W) is to be kept, and where."""
        window = random_window(size, self.scale(size, rng), self.crop, rng)
        if self.flip and bool(rng.random() < 0.5):
            (y, x), width = window.place, window.size[1]
            window = replace(window, place=(y, window.crop - x - width), mirrored=True)
        return window

    def pixels(self, image: np.ndarray, window: Window, rng: Generator) -> Tensor:
        """(3, crop, crop) uint8 of a window of an image (H, W, 3) uint8, its colours changed."""
        pixels = cut(image, window)
        if self.jitter is not None:
            pixels = colour_jitter(pixels, self.jitter, rng)
        return place_image(pixels[:, ::-1] if window.mirrored else pixels, window)

    def __call__(
        self, image: np.ndarray, label: np.ndarray | None, rng: Generator
    ) -> tuple[Tensor, Tensor | None]:
        """Crop an image (H, W, 3) uint8 and its label map (H, W) uint8 as one.

        Returns:
            (3, crop, crop) uint8 image and (crop, crop) uint8 labels or None.

        Raises:
            ValueError: image and label map differ in size.
        """
        size = image.shape[:2]
        if label is not None and label.shape != size:
            raise ValueError(f"image is {size[0]}x{size[1]}, its labels {label.shape}")
        window = self.window((size[0], size[1]), rng)
        crop = self.pixels(image, window, rng)
        if label is None:
            return crop, None
        labels = cut_label(label, window)
        return crop, place_label(labels[:, ::-1] if window.mirrored else labels, window)


def fit_square(image: np.ndarray, side: int) -> Tensor:
    """The whole image in a square: longer side scaled to `side`, centred, mean colour around it.

    Args:
        image: (H, W, 3) uint8.

    Returns:
        (3, side, side) uint8, what a classifier trained on padded crops expects.
    """
    height, width = image.shape[:2]
    window = random_window((height, width), side / max(height, width), side)
    return place_image(cut(image, window), window)
