"""Scores of outlines and by size of object, as sums over images and image by image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.boundary import Pair, band_counts, band_width, boundary_f, contour_counts, fill_void
from ..core.labels import BACKGROUND, IGNORE
from ..core.metrics import mean_defined, plain, ratio
from ..core.object_sizes import COLUMNS, SizeLimits, components, size_counts

if TYPE_CHECKING:
    from ..options.outlines import OutlineOptions

BOUNDARY_RULE = (
    "Boundary IoU of a label: its bands' intersection over their union, both summed over images; "
    "boundary F: mean over images of the mean over the labels that an image's truth or prediction "
    "holds; void takes the nearest label, in the truth and in the prediction alike"
)
SIZES_RULE = (
    "objects are the 4-connected parts of each class in the truth, void joining what it runs "
    "between; a wrongly predicted pixel belongs to the nearest object of its class in the image; "
    "sums over images"
)
BOUNDARY_COLUMNS = ("label", "intersection", "union", "f")
SIZE_COLUMNS = ("label", "size", *COLUMNS)


class Outlines:
    """What eval counts beside pixels: `add` images, then `as_dict`."""

    def __init__(self, n_labels: int, options: OutlineOptions, unlabelled: str = "error") -> None:
        limits = options.limits()
        self._unlabelled = unlabelled
        self._boundary = Boundary(n_labels, options) if options.boundary else None
        self._sizes = Sizes(n_labels, limits) if limits is not None else None

    def add(self, image_id: str, truth: np.ndarray, pred: np.ndarray) -> None:
        """Count one image, whose labels `confusion_matrix` has found in order."""
        if self._boundary is None and self._sizes is None:
            return
        if self._unlabelled == "background":
            pred = np.where(pred == IGNORE, np.uint8(BACKGROUND), pred)
        pair = fill_void(truth, pred)
        if self._boundary is not None:
            self._boundary.add(image_id, pair)
        if self._sizes is not None:
            self._sizes.add(image_id, pair)

    def as_dict(self, average: str) -> dict[str, Any]:
        """`boundary` and `object_sizes` of the JSON, those that were asked for."""
        found = {}
        if self._boundary is not None:
            found["boundary"] = self._boundary.as_dict(average)
        if self._sizes is not None:
            found["object_sizes"] = self._sizes.as_dict()
        return found


class Boundary:
    """Boundary IoU and boundary F of each label."""

    def __init__(self, n_labels: int, options: OutlineOptions) -> None:
        self._n, self._band, self._tolerance = n_labels, options.band, options.tolerance
        self._bands = np.zeros((n_labels, 2), np.int64)
        self._in_truth = np.zeros(n_labels, bool)
        self._images: dict[str, list[list[Any]]] = {}
        self._f: list[np.ndarray] = []

    def add(self, image_id: str, pair: Pair) -> None:
        """Count one image."""
        in_truth, in_pred = pair.held(self._n)
        height, width = pair.truth.shape
        bands = band_counts(pair, self._n, band_width((height, width), self._band))
        f = boundary_f(contour_counts(pair, self._n, self._tolerance), in_truth, in_pred)
        self._bands += bands
        self._in_truth |= in_truth
        self._f.append(f)
        self._images[image_id] = [
            [int(k), *bands[k].tolist(), float(f[k])] for k in np.flatnonzero(in_truth | in_pred)
        ]

    def as_dict(self, average: str) -> dict[str, Any]:
        """The scores, in plain lists. `average` is as in `core.metrics.scores`."""
        union = self._bands[:, 1]
        iou = np.where(self._in_truth, ratio(*self._bands.T), np.nan)
        counted = {
            "union": union > 0,
            "all": np.ones(self._n, bool),
            "truth": self._in_truth & (union > 0),
        }[average]
        f = np.array(self._f).reshape(-1, self._n)
        return {
            "rule": BOUNDARY_RULE,
            "band": self._band,
            "tolerance": self._tolerance,
            "boundary_iou": plain(mean_defined(np.nan_to_num(iou)[counted])),
            "boundary_f": plain(mean_defined(np.array([mean_defined(row) for row in f]))),
            "iou": plain(iou),
            "f": [
                plain(mean_defined(column)) if there else None
                for column, there in zip(f.T, self._in_truth, strict=True)
            ],
            "intersection": self._bands[:, 0].tolist(),
            "union": union.tolist(),
            "columns": list(BOUNDARY_COLUMNS),
            "images": self._images,
        }


class Sizes:
    """IoU and recall of each class by size of object."""

    def __init__(self, n_labels: int, limits: SizeLimits) -> None:
        self._n, self._limits = n_labels, limits
        self._counts = np.zeros((n_labels, len(limits.limits) + 1, len(COLUMNS)), np.int64)
        self._elsewhere = np.zeros(n_labels, np.int64)
        self._images: dict[str, list[list[int]]] = {}
        self._images_elsewhere: dict[str, list[list[int]]] = {}

    def add(self, image_id: str, pair: Pair) -> None:
        """Count one image."""
        counts, elsewhere = size_counts(pair, components(pair), self._limits, self._n)
        self._counts += counts
        self._elsewhere += elsewhere
        self._images[image_id] = [
            [int(k), int(size), *counts[k, size].tolist()]
            for k, size in np.argwhere(counts[:, :, 0] > 0)
        ]
        if elsewhere.any():
            rows = [[int(k), int(elsewhere[k])] for k in np.flatnonzero(elsewhere)]
            self._images_elsewhere[image_id] = rows

    def as_dict(self) -> dict[str, Any]:
        """The scores, in plain lists: per size, and per label and size."""
        objects, found, truth, right, union = np.moveaxis(self._counts, 2, 0)
        iou, recall = ratio(right, union), ratio(right, truth)
        return {
            "rule": SIZES_RULE,
            "limits": list(self._limits.limits),
            "shares": self._limits.shares,
            "objects": objects.sum(axis=0).tolist(),
            "found": plain(ratio(found.sum(axis=0), objects.sum(axis=0))),
            "mean_recall": [plain(mean_defined(column)) for column in recall.T],
            "mean_iou": [plain(mean_defined(column)) for column in iou.T],
            "classes": (objects > 0).sum(axis=0).tolist(),
            "iou": [plain(row) for row in iou],
            "recall": [plain(row) for row in recall],
            "objects_of": objects.tolist(),
            "elsewhere": self._elsewhere.tolist(),
            "columns": list(SIZE_COLUMNS),
            "images": self._images,
            "images_elsewhere": self._images_elsewhere,
        }
