"""Boundary IoU and boundary F of label maps: all labels at once beside mask by mask.

    python benchmarks/bench_outlines.py --json outlines.json

Plain, as the published code does it for one mask: eroded by a 3x3 square d times in a frame of
zeros, for each label of the image, in the truth and in the prediction; and for boundary F the
distance to the other contour at every pixel. Ours: `band_counts`, `contour_counts`. Images of
375x500 with two or three classes and no void, where both are the same; counts are compared.
"""

from __future__ import annotations

import numpy as np
from made import SIZE, class_maps, truth
from measuring import median_times, options, report, target
from scipy.ndimage import binary_erosion, distance_transform_edt

from wsss_cli.core.boundary import (
    band_counts,
    band_width,
    contour,
    contour_counts,
    diagonal,
    fill_void,
)

LABELS = 21
IMAGES = 8
WIDTH = band_width(SIZE, 0.02)
TOLERANCE = 0.0075
SQUARE = np.ones((3, 3), bool)

Item = tuple[np.ndarray, np.ndarray]


def items() -> list[Item]:
    """(truth, prediction) of each image."""
    made = []
    for seed in range(IMAGES):
        rng = np.random.default_rng(seed)
        classes = np.sort(rng.choice(LABELS - 1, 2 + seed % 2, replace=False)).astype(np.uint16)
        maps = class_maps(len(classes), SIZE, seed)
        mask, other = (truth(classes, maps, seed + more) for more in (0, 100))
        made.append((np.where(mask == 255, 0, mask), np.where(other == 255, 0, other)))
    return [
        (one.astype(np.uint8), np.roll(other, 6, axis=1).astype(np.uint8)) for one, other in made
    ]


def plain_band(mask: np.ndarray) -> np.ndarray:
    """A mask minus its erosion."""
    return mask & ~binary_erosion(np.pad(mask, 1), SQUARE, WIDTH)[1:-1, 1:-1]


def plain_bands(images: list[Item]) -> np.ndarray:
    """(images, labels, 2) as of `band_counts`."""
    counts = np.zeros((len(images), LABELS, 2), np.int64)
    for found, pair in zip(counts, images, strict=True):
        for label in np.unique(pair):
            one, other = (plain_band(m == label) for m in pair)
            found[label] = (one & other).sum(), (one | other).sum()
    return counts


def plain_contours(images: list[Item]) -> np.ndarray:
    """(images, labels, 4) as of `contour_counts`."""
    counts = np.zeros((len(images), LABELS, 4), np.int64)
    for found, (true, predicted) in zip(counts, images, strict=True):
        reach = TOLERANCE * diagonal(SIZE)
        for label in np.unique((true, predicted)):
            lines = [(m == label) & contour(m) for m in (predicted, true)]
            for column, (line, other) in enumerate((lines, lines[::-1])):
                near = distance_transform_edt(~other) < reach if other.any() else False
                found[label, 2 * column : 2 * column + 2] = line.sum(), (line & near).sum()
    return counts


def main() -> None:
    arguments = options(__doc__).parse_args()
    images = items()
    pairs = [fill_void(*item) for item in images]
    cases = {
        "Boundary IoU": (
            lambda: plain_bands(images),
            lambda: np.stack([band_counts(pair, LABELS, WIDTH) for pair in pairs]),
            (5, 10),
        ),
        "boundary F": (
            lambda: plain_contours(images),
            lambda: np.stack([contour_counts(pair, LABELS, TOLERANCE) for pair in pairs]),
            (2, 4),
        ),
    }
    rows, targets = [], []
    for name, (plain, ours, (least, aim)) in cases.items():
        slow, slow_cpu, expected = median_times(plain, arguments.repeats)
        fast, fast_cpu, found = median_times(ours, arguments.repeats)
        if not np.array_equal(found, expected):
            raise SystemExit(f"{name}: counts differ between the two forms")
        for form, wall, cpu in (("mask by mask", slow, slow_cpu), ("all labels", fast, fast_cpu)):
            rows.append(
                {
                    "form": f"{name}, {form}",
                    "seconds an image": wall / IMAGES,
                    "cpu seconds": cpu / IMAGES,
                    "times faster": slow_cpu / cpu,
                }
            )
        targets.append(target(name, slow_cpu / fast_cpu, least, aim, "counts equal"))
    report(rows, arguments.threads, arguments.json, targets)


if __name__ == "__main__":
    main()
