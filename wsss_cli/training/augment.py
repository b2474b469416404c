"""Random scale, crop, flip and colour on an image and, jointly, its label map.

Every function is pure: arrays and a generator in, new arrays out. The window to keep is drawn
before anything is resized, so that the cost follows the crop and not the enlarged image, and
pixels stay uint8 until the very end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from PIL import Image, ImageEnhance
from torch import Tensor

from ..core.images import to_input
from ..core.labels import IGNORE
from ..core.views import working_size

Range = tuple[float, float]
Jitter = tuple[float, float, float, float]


@dataclass(frozen=True)
class Window:
    """A part of an image, the size it is resampled to, and where it lands in the crop.

    Attributes:
        box: (top, left, bottom, right) in source pixels, fractions allowed.
        size: (h, w) pixels after resampling; each at least 1.
        place: (top, left) of those pixels in the crop.
        crop: side of the square crop; place + size stays inside it.
    """

    box: tuple[float, float, float, float]
    size: tuple[int, int]
    place: tuple[int, int]
    crop: int


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
        cut, place = (shift, 0) if scaled > crop else (0, shift)
        taken = min(scaled, crop)
        spans.append((cut * side / scaled, (cut + taken) * side / scaled, taken, place))
    (top, bottom, height, y), (left, right, width, x) = spans
    return Window((top, left, bottom, right), (height, width), (y, x), crop)


def cut(array: np.ndarray, window: Window, resample: Image.Resampling) -> np.ndarray:
    """Resample a window of a uint8 image (H, W, 3) or label map (H, W) to `window.size`.

    Equal to scaling the whole array and cropping afterwards: the filter sees the pixels around
    the box. Label maps take NEAREST.
    """
    top, left, bottom, right = window.box
    height, width = window.size
    shrink = max((bottom - top) / height, (right - left) / width, 1.0)
    margin = math.ceil(2 * shrink) + 1  # a bicubic kernel reaches 2 output pixels
    y0, x0 = max(0, math.floor(top) - margin), max(0, math.floor(left) - margin)
    part = array[y0 : math.ceil(bottom) + margin, x0 : math.ceil(right) + margin]
    box = (left - x0, top - y0, min(right - x0, part.shape[1]), min(bottom - y0, part.shape[0]))
    gap = None if resample == Image.Resampling.NEAREST else 3.0
    picture = Image.fromarray(np.ascontiguousarray(part))
    return np.asarray(picture.resize((width, height), resample, box=box, reducing_gap=gap))


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
    """Network input (3, crop, crop) float32 of a cut image; 0, the mean colour, around it."""
    (above, below), (left, right) = _borders(window)
    return F.pad(to_input(image), (left, right, above, below))


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

    def __call__(
        self, image: np.ndarray, label: np.ndarray | None, rng: Generator
    ) -> tuple[Tensor, Tensor | None]:
        """Crop an image (H, W, 3) uint8 and its label map (H, W) uint8 as one.

        Returns:
            (3, crop, crop) float32 normalised image and (crop, crop) uint8 labels or None.

        Raises:
            ValueError: image and label map differ in size.
        """
        size = image.shape[:2]
        if label is not None and label.shape != size:
            raise ValueError(f"image is {size[0]}x{size[1]}, its labels {label.shape}")
        window = random_window(size, self.scale(size, rng), self.crop, rng)
        mirrored = self.flip and bool(rng.random() < 0.5)
        pixels = cut(image, window, Image.Resampling.BICUBIC)
        if self.jitter is not None:
            pixels = colour_jitter(pixels, self.jitter, rng)
        crop = place_image(pixels, window)
        labels = None
        if label is not None:
            labels = place_label(cut(label, window, Image.Resampling.NEAREST), window)
        if mirrored:
            crop = crop.flip(-1)
            labels = None if labels is None else labels.flip(-1)
        return crop, labels


def fit_square(image: np.ndarray, side: int) -> Tensor:
    """The whole image in a square: longer side scaled to `side`, centred, mean colour around it.

    Args:
        image: (H, W, 3) uint8.

    Returns:
        (3, side, side) float32, what a classifier trained on padded crops expects.
    """
    height, width = image.shape[:2]
    window = random_window((height, width), side / max(height, width), side)
    return place_image(cut(image, window, Image.Resampling.BICUBIC), window)
