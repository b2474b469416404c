"""The sums over images that eval's scores come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..artifacts.maps import cam_stride, checked_item
from ..core.image_counts import Cells, ImageCounts, cells_of
from ..core.labels import IGNORE, MAX_CLASSES, local_to_labels
from ..core.metrics import Scores, confusion_matrix, scores
from ..core.sweep import ImageSweep, ThresholdSweep
from ..errors import WsssError

if TYPE_CHECKING:
    from ..artifacts import Artifact, DatasetReader
    from .outlines import Outlines


@dataclass(frozen=True)
class Point:
    """The scores at one operating point.

    Attributes:
        how: which labels these are and what chose them, in words.
        threshold: the constant background score, where there is one.
        images_without_class: how many images are predicted to hold no class at all.
        images: the matrix of each image that counted, in the outcome's order.
    """

    how: str
    scores: Scores
    images_without_class: int
    threshold: float | None = None
    images: ImageCounts | None = None

    def as_dict(self) -> dict[str, Any]:
        found = self.scores.as_dict()
        precision = found["precision"]
        assert isinstance(precision, list)
        return {
            "how": self.how,
            "threshold": self.threshold,
            "images_without_class": self.images_without_class,
            "background_precision": precision[0],
            **found,
        }


@dataclass
class Outcome:
    """What scoring gives: the images that counted, and the scores by name of operating point."""

    counted: list[str] = field(default_factory=list)
    without_mask: int = 0
    points: dict[str, Point] = field(default_factory=dict)
    sweep: list[tuple[float, float]] = field(default_factory=list)  # (threshold, mIoU)
    beside: dict[str, Any] = field(default_factory=dict)  # `Outlines.as_dict`
    left_out: list[str] = field(default_factory=list)  # whose masks chose the threshold


def score_labels(
    predictions: Artifact,
    truth: DatasetReader,
    ids: Iterable[str],
    average: str,
    unlabelled: str,
    outlines: Outlines | None = None,
) -> Outcome:
    """Count labels against masks.

    Raises:
        WsssError: no image has a mask, no mask a class, or a label map does not fit its mask.
    """
    n_labels = len(truth.classes) + 1
    cells: list[Cells] = []
    outcome, empty = Outcome(), 0
    for image_id in ids:
        mask = truth.mask(image_id)
        if mask is None:
            outcome.without_mask += 1
            continue
        label = predictions[image_id]["label"]
        try:
            found = confusion_matrix(mask, label, n_labels, unlabelled=unlabelled)
        except ValueError as err:
            raise _misfit(predictions, image_id, err) from None
        if outlines is not None:
            outlines.add(image_id, mask, label)
        cells.append(cells_of(found))
        empty += not ((label > 0) & (label < IGNORE)).any()
        outcome.counted.append(image_id)
    images = ImageCounts.of(n_labels, cells)
    matrix = images.total()
    _check_counted(outcome, truth, matrix)
    point = Point("as in the file", scores(matrix, average), empty, images=images)
    outcome.points["labels"] = point
    return outcome


def score_maps(
    predictions: Artifact,
    truth: DatasetReader,
    ids: Iterable[str],
    average: str,
    sweep: Sequence[float],
    threshold: tuple[float, str] | None,
    outlines: Outlines | None = None,
) -> Outcome:
    """Count maps against masks at every threshold of `sweep`, and at one chosen without them.

    Args:
        threshold: the one chosen and how; None takes the file's own background scores.
        outlines: counts what the point "chosen" draws.

    Raises:
        WsssError: no image has a mask, no mask a class, or maps that do not fit their mask.
    """
    counts = MapCounts(predictions, truth, [*sweep, *([threshold[0]] if threshold else [])])
    for image_id in ids:
        counts.add(image_id, outlines, threshold[0] if threshold else None)
    counts.check()
    points = counts.outcome.points
    own = counts.own_background(average)
    if threshold is not None:
        points["chosen"] = counts.with_images(counts.at(*threshold, average))
        if own is not None:
            points["background"] = own
    elif own is not None:
        points["chosen"] = own
    points["oracle"] = counts.with_images(counts.oracle(sweep, average))
    return counts.outcome


class MapCounts:
    """Sums over images that give the scores of maps at many thresholds."""

    def __init__(
        self, predictions: Artifact, truth: DatasetReader, thresholds: Sequence[float]
    ) -> None:
        self.outcome = Outcome()
        self._predictions, self._truth = predictions, truth
        if len(truth.classes) > MAX_CLASSES:
            raise WsssError(
                f"{truth.path}: has {len(truth.classes)} classes; masks hold {MAX_CLASSES} at most"
            )
        self._thresholds = np.unique(np.asarray(thresholds, np.float32))
        self._n_labels = len(truth.classes) + 1
        self._sweep = ThresholdSweep(self._n_labels, self._thresholds)
        self._matrices: np.ndarray | None = None
        self._maxima: list[float] = []
        self._stride = cam_stride(predictions)
        self._has_background = predictions.column("background").holds_values
        self._images: list[ImageSweep] = []
        self._own: list[Cells] = []
        self._own_empty = 0

    def add(
        self, image_id: str, outlines: Outlines | None = None, threshold: float | None = None
    ) -> None:
        """Count one image; one without a mask is only noted.

        Args:
            outlines: counts what is drawn at `threshold`, or, where that is None, by the file's
                own background scores.
        """
        from ..core.cam import enlarge  # loads torch; labels are scored without it

        mask = self._truth.mask(image_id)
        if mask is None:
            self.outcome.without_mask += 1
            return
        item, _ = checked_item(self._predictions, image_id)
        try:
            maps = enlarge(item["cam"], mask.shape, self._stride)
            self._images.append(self._sweep.add(mask, maps, item["classes"]))
            own = self._add_own(item, maps, mask) if self._has_background else None
        except ValueError as err:
            raise _misfit(self._predictions, image_id, err) from None
        if outlines is not None:
            drawn = own if threshold is None else _drawn(threshold, maps, item["classes"])
            assert drawn is not None
            outlines.add(image_id, mask, drawn)
        self._maxima.append(maps.max(initial=0.0))
        self.outcome.counted.append(image_id)

    def _add_own(
        self, item: dict[str, np.ndarray], maps: np.ndarray, mask: np.ndarray
    ) -> np.ndarray:
        from ..core.cam import enlarge

        if "background" in item:
            background = enlarge(item["background"][None], mask.shape, self._stride)
            label = _drawn(background, maps, item["classes"])
        elif len(maps):
            raise ValueError("has no background scores, other images have")
        else:
            label = np.zeros(mask.shape, np.uint8)
        self._own.append(cells_of(confusion_matrix(mask, label, self._n_labels)))
        self._own_empty += not label.any()
        return label

    def check(self, purpose: str = "to score") -> None:
        """Raise WsssError if no image counted, or no pixel of a class.

        Args:
            purpose: what the images are for, in words.
        """
        _check_counted(self.outcome, self._truth, self._sweep.matrices()[0], purpose)

    def at(self, threshold: float, how: str, average: str) -> Point:
        """The scores at one of the thresholds."""
        place = self._place(threshold)
        if self._matrices is None:
            self._matrices = self._sweep.matrices()
        empty = int((np.asarray(self._maxima, np.float32) <= self._thresholds[place]).sum())
        return Point(how, scores(self._matrices[place], average), empty, threshold)

    def with_images(self, point: Point) -> Point:
        """A point at one of the thresholds, with each image's matrix there."""
        assert point.threshold is not None
        place = self._place(point.threshold)
        cells = [image.cells(place, self._n_labels) for image in self._images]
        return replace(point, images=ImageCounts.of(self._n_labels, cells))

    def _place(self, threshold: float) -> int:
        return int(np.searchsorted(self._thresholds, np.float32(threshold)))

    def oracle(self, sweep: Sequence[float], average: str) -> Point:
        """The scores at the best of `sweep` (of equals, the lowest); notes the whole curve."""
        points = [self.at(t, "", average) for t in sweep]
        self.outcome.sweep = [(t, p.scores.miou) for t, p in zip(sweep, points, strict=True)]
        curve = np.nan_to_num([point.scores.miou for point in points], nan=-1.0)
        best = sweep[int(np.argmax(curve))]
        how = f"oracle (chosen with these masks): best of {len(sweep)}, {sweep[0]:g}"
        return self.at(best, f"{how} to {sweep[-1]:g}", average)

    def own_background(self, average: str) -> Point | None:
        """The scores with the file's own background scores, if it has them."""
        if not self._has_background:
            return None
        how = "the file's own background scores"
        images = ImageCounts.of(self._n_labels, self._own)
        return Point(how, scores(images.total(), average), self._own_empty, images=images)


def _drawn(background: np.ndarray | float, maps: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """(H, W) uint8 labels: the class of the strongest map, where that is above the background.

    Args:
        background: (1, H, W) float32, or the same everywhere.
        maps: (K, H, W) float32.
    """
    below = np.broadcast_to(np.asarray(background, np.float32), (1, *maps.shape[1:]))
    local = np.concatenate([below, maps]).argmax(axis=0).astype(np.uint8)
    return local_to_labels(local, classes)


def _misfit(predictions: Artifact, image_id: str, err: ValueError) -> WsssError:
    return WsssError(f"{predictions.path}: image {image_id!r}: {err}")


def _check_counted(
    outcome: Outcome, truth: DatasetReader, matrix: np.ndarray, purpose: str = "to score"
) -> None:
    if not outcome.counted:
        raise WsssError(
            f"{truth.path}: none of the {outcome.without_mask} images {purpose} has a mask",
            "`wsss pack` takes masks along where the source has them",
        )
    if not matrix[1:].any():
        only = "background (0) and 255" if matrix.any() else "255, which is not counted"
        raise WsssError(
            f"{truth.path}: no pixel of the truth holds a class: the masks of the "
            f"{len(outcome.counted)} images {purpose} hold only {only}",
            "`wsss pack --mask-values` says what the numbers of masks stand for; other images may "
            "hold a class",
        )
