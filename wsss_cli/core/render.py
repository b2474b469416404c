"""Pictures to look at: labels and maps painted over images."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .labels import BACKGROUND, IGNORE

GOLDEN_ANGLE = np.pi * (3 - 5**0.5)  # hues of following classes lie far apart, for any count
LIGHTNESS = (0.65, 0.80, 0.50)  # of OKLCH; hues come near again after 8 and 13, not after 3
CHROMA = 0.19
HUE = 3.2  # radians of class 0; with these the nearest two of 20 classes are farthest apart
DIMMED = 0.55  # brightness of an image under what is painted on it
STRENGTH = 0.62  # of a label's colour over the image
GLOW = 0.88  # of a map's colour where its score is 1
STRIPE = 4  # pixels of one stripe over what carries no label


def class_colours(n_classes: int) -> np.ndarray:
    """(n_classes, 3) uint8 colours by class index; bright, and apart from each other.

    Source: OKLab (B. Ottosson, 2020), hues stepped by the golden angle.

    >>> class_colours(2).shape
    (2, 3)
    """
    index = np.arange(n_classes)
    lightness = np.asarray(LIGHTNESS)[index % len(LIGHTNESS)]
    hue = HUE + index * GOLDEN_ANGLE
    a, b = CHROMA * np.cos(hue), CHROMA * np.sin(hue)
    cones = np.stack(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    linear = np.clip(
        np.array(
            [
                [4.0767416621, -3.3077115913, 0.2309699292],
                [-1.2684380046, 2.6097574011, -0.3413193965],
                [-0.0041960863, -0.7034186147, 1.7076147010],
            ]
        )
        @ cones**3,
        0,
        1,
    )
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return (srgb.T * 255).round().astype(np.uint8)


def fit(size: tuple[int, int], cell: tuple[int, int]) -> tuple[int, int]:
    """The largest (h, w) of size's proportions within cell, at least 1 x 1.

    >>> fit((375, 500), (150, 240)), fit((500, 10), (100, 100))
    ((150, 200), (100, 2))
    """
    scale = min(cell[0] / size[0], cell[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8 to `size` = (h, w), smoothly."""
    resized = Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS)
    return np.array(resized)


def resize_label(label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8 to `size`, each pixel one of the label's own values."""
    return np.array(Image.fromarray(label).resize(size[::-1], Image.Resampling.NEAREST))


def resize_maps(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(K, H, W) float32 to `size`, averaging where it shrinks."""
    resized = np.zeros((len(maps), *size), np.float32)
    for target, one in zip(resized, maps, strict=True):
        plane = Image.fromarray(np.ascontiguousarray(one, np.float32))
        target[:] = np.asarray(plane.resize(size[::-1], Image.Resampling.BILINEAR))
    return resized


def paint_label(image: np.ndarray, label: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Labels over a dimmed image: classes in their colours and outlined, IGNORE striped grey.

    Args:
        image: (H, W, 3) uint8.
        label: (H, W) uint8, 0 background, i + 1 for class index i, IGNORE.
        colours: (C, 3) uint8 by class index.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: shapes that disagree, or a label without a colour.
    """
    if image.shape[:2] != label.shape:
        raise ValueError(f"labels of {label.shape} on an image of {image.shape}")
    is_class = (label != BACKGROUND) & (label != IGNORE)
    if is_class.any() and label[is_class].max() > len(colours):
        raise ValueError(f"label {label[is_class].max()} of {len(colours)} classes")
    table = np.zeros((256, 3), np.float32)
    known = colours[: IGNORE - 1]
    table[1 : len(known) + 1] = known
    picture = image * np.float32(DIMMED)
    painted = table[label[is_class]]
    picture[is_class] = image[is_class] * (1 - STRENGTH) + painted * STRENGTH
    edge = is_class & outline(label)
    picture[edge] = table[label[edge]] * 0.6 + 255 * 0.4
    unsure = label == IGNORE
    picture[unsure] = image[unsure] * 0.3 + stripes(label.shape)[unsure, None] * 0.7
    return picture.round().astype(np.uint8)


def paint_maps(image: np.ndarray, maps: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Maps over a grey, dimmed image: each pixel in its strongest class's colour, as strong.

    Args:
        image: (H, W, 3) uint8.
        maps: (K, H, W) float in [0, 1].
        colours: (K, 3) uint8 of those maps.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: shapes that disagree.
    """
    if maps.shape[1:] != image.shape[:2] or len(maps) != len(colours):
        raise ValueError(f"maps of {maps.shape}, {len(colours)} colours, image of {image.shape}")
    grey = image.astype(np.float32).mean(axis=2, keepdims=True) * np.float32(DIMMED)
    picture = np.repeat(grey, 3, axis=2)
    if len(maps):
        strongest = maps.argmax(axis=0)
        score = maps.max(axis=0).clip(0, 1)[..., None]
        picture += (colours[strongest] - picture) * score * np.float32(GLOW)
    return picture.round().astype(np.uint8)


def outline(label: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels with a neighbour (of four) of another label.

    >>> outline(np.array([[1, 1, 1, 0]])).tolist()
    [[False, False, True, True]]
    """
    edge = np.zeros(label.shape, bool)
    for axis in (0, 1):
        one = np.moveaxis(label, axis, 0)
        step = one[1:] != one[:-1]
        along = np.moveaxis(edge, axis, 0)
        along[1:] |= step
        along[:-1] |= step
    return edge


def stripes(shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) float32 of two greys in diagonal stripes: what stands for IGNORE."""
    place = np.add.outer(np.arange(shape[0]), np.arange(shape[1])) // STRIPE
    return np.where(place % 2 == 0, np.float32(170), np.float32(115))
