"""How well small and large objects are found: IoU by the size of the true object.

An object is a set of pixels of one class. Where nobody has outlined objects one by one, the
connected parts of each class stand for them (`components`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .boundary import Pair
from .labels import BACKGROUND, IGNORE

COLUMNS = ("objects", "found", "truth", "intersection", "union")


@dataclass(frozen=True)
class SizeLimits:
    """Areas that part objects into sizes; an object of just that area belongs to the larger.

    Attributes:
        limits: rising; in pixels, or as shares of the image.
        shares: whether they are shares.
    """

    limits: tuple[float, ...]
    shares: bool = False

    def __post_init__(self) -> None:
        most = 1 if self.shares else float("inf")
        rising = all(a < b for a, b in zip(self.limits, self.limits[1:], strict=False))
        if not rising or not all(0 < limit < most for limit in self.limits):
            raise ValueError(f"limits of sizes {self.limits}: must rise and be above 0")

    def sizes_of(self, areas: np.ndarray, pixels: int) -> np.ndarray:
        """The number of its size, 0 the smallest, of each area in an image of `pixels` pixels.

        >>> SizeLimits((1024, 9216)).sizes_of(np.array([5, 1024, 9999]), 10_000).tolist()
        [0, 1, 2]
        """
        limits = np.asarray(self.limits, np.float64) * (pixels if self.shares else 1)
        return np.searchsorted(limits, areas, side="right")


def components(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """The 4-connected parts of each class of the truth, and the class of each.

    Void joins the parts of a class that it runs between: parts are those of the truth as
    `fill_void` fills it. Their pixels are those that are counted. A part all of void is none.

    Returns:
        (H, W) int32 objects 1..n, 0 elsewhere; (n,) uint8 their labels.

    >>> from wsss_cli.core.boundary import fill_void
    >>> truth = np.array([[1, 1, 0, 1], [0, 2, 255, 2]], np.uint8)
    >>> components(fill_void(truth, truth))[0].tolist()
    [[1, 1, 0, 2], [0, 3, 0, 3]]
    """
    from scipy.ndimage import find_objects, label

    objects = np.zeros(pair.truth.shape, np.int32)
    labels: list[int] = []
    filled = np.where(pair.truth == IGNORE, np.uint8(BACKGROUND), pair.truth)
    for index, box in enumerate(find_objects(filled)):
        if box is not None:
            parts, found = label(filled[box] == index + 1)
            here = parts > 0
            objects[box][here] = parts[here] + len(labels)
            labels += [index + 1] * found
    return np.where(pair.counted, objects, 0), np.array(labels, np.uint8)


def size_counts(
    pair: Pair, objects: tuple[np.ndarray, np.ndarray], limits: SizeLimits, n_labels: int
) -> tuple[np.ndarray, np.ndarray]:
    """What one image adds to the scores by size.

    A predicted pixel of a class outside its objects belongs to the nearest object of that class
    in the image (Euclidean distance to its pixels), of equally near ones to the smaller in size.
    Pixels predicted a class that the image has no object of belong to no size.

    Args:
        pair: the maps of the image.
        objects: (H, W) int, 1..n where a counted pixel of the truth is of a class and 0
            elsewhere, and the (n,) labels of these objects, as of `components`.
        limits: what parts the sizes.
        n_labels: number of labels, background included.

    Returns:
        (n_labels, sizes, 5) int64: objects; those of which at least half the pixels are predicted
        right; pixels of the truth; of these predicted right; and those with the wrongly predicted
        pixels that belong to the size. And (n_labels,) int64 predicted pixels of no size.
    """
    where, of = objects
    sizes = len(limits.limits) + 1
    counts = np.zeros((n_labels, sizes, len(COLUMNS)), np.int64)
    same = pair.truth == pair.pred
    areas = np.bincount(where[where > 0], minlength=len(of) + 1)[1:]
    right = np.bincount(where[same & (where > 0)], minlength=len(of) + 1)[1:]
    size = limits.sizes_of(areas, pair.truth.size)
    there = areas > 0
    for column, values in enumerate((there, there & (2 * right >= areas), areas, right, areas)):
        np.add.at(counts[:, :, column], (of, size), values)
    wrong = ~same & pair.counted & (pair.pred != BACKGROUND)
    elsewhere = np.bincount(pair.pred[wrong], minlength=256)[:n_labels]
    for label in np.flatnonzero((elsewhere > 0) & counts[:, :, 0].any(axis=1)):
        present = np.flatnonzero(counts[label, :, 0])
        if len(present) > 1:
            places = np.where(of == label, size, sizes).astype(np.uint8)
            places = np.concatenate([np.array([sizes], np.uint8), places])[where]
            nearest = _nearest_size(places, present, np.nonzero(wrong & (pair.pred == label)))
            counts[label, :, -1] += np.bincount(nearest, minlength=sizes)
        else:
            counts[label, present[0], -1] += elsewhere[label]
        elsewhere[label] = 0
    return counts, elsewhere


def _nearest_size(
    places: np.ndarray, present: np.ndarray, points: tuple[np.ndarray, ...]
) -> np.ndarray:
    """The size nearest to each of n points, of those present in (H, W) sizes.

    Of equally near ones it is the smaller.
    """
    from scipy.ndimage import distance_transform_edt

    squared = []
    for size in present:
        at = distance_transform_edt(places != size, return_distances=False, return_indices=True)
        squared.append(
            sum((along[points] - point) ** 2 for along, point in zip(at, points, strict=True))
        )
    return present[np.argmin(squared, axis=0)]
