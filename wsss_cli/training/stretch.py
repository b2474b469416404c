"""Random parts of images stretched to the crop: nearly whole images that leave no border."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from numpy.random import Generator

from .augment import Augment, Range, Window

ASPECT = 4 / 3  # of a part's sides, at most
TRIES = 10


@dataclass(frozen=True)
class Stretch(Augment):
    """An augmentation that cuts out a part of an image and stretches it to the crop.

    Attributes:
        area: draw the part's share of the image's area from this range, in 0..1.
    """

    area: Range = (0.9, 1.0)

    def window(self, size: tuple[int, int], rng: Generator) -> Window:
        """Draw what of an image of (H, W) is to be kept; it fills the crop."""
        part, start = random_part(size, self.area, rng)
        spans = []
        for whole, kept, first in zip(size, part, start, strict=True):
            scaled = max(self.crop, round(whole * self.crop / kept))
            spans.append((scaled, min(round(first * scaled / whole), scaled - self.crop)))
        (height, top), (width, left) = spans
        window = Window((height, width), (top, left), (self.crop, self.crop), (0, 0), self.crop)
        return replace(window, mirrored=self.flip and bool(rng.random() < 0.5))


def random_part(
    size: tuple[int, int], area: Range, rng: Generator
) -> tuple[tuple[int, int], tuple[int, int]]:
    """(h, w) and (top, left) of a part of an image of (H, W).

    Its share of the area is uniform, the logarithm of its aspect too, between 3:4 and 4:3; where
    ten such parts do not fit the image, it is the largest in the middle that keeps to the aspect.

    Source: torchvision's RandomResizedCrop.
    """
    height, width = size
    for _ in range(TRIES):
        share = float(rng.uniform(*area))
        aspect = math.exp(float(rng.uniform(-math.log(ASPECT), math.log(ASPECT))))
        h, w = (
            round(math.sqrt(height * width * share / aspect)),
            round(math.sqrt(height * width * share * aspect)),
        )
        if 0 < h <= height and 0 < w <= width:
            return (h, w), (int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)))
    h = min(height, max(1, round(width * ASPECT)))
    w = min(width, max(1, round(height * ASPECT)))
    return (h, w), ((height - h) // 2, (width - w) // 2)
