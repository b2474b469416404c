"""Maps scored by boxes: which boxes are true, which threshold was chosen, what was counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..artifacts.maps import cam_stride, checked_item
from ..console import track
from ..core.box_share import SHARE
from ..core.boxes import best_overlaps, parts, ranks_above
from ..core.labels import BACKGROUND, IGNORE
from ..core.localisation import LARGEST, USUAL_BOUND, BoxCounts, PixelCounts
from ..errors import WsssError
from ..options.thresholds import ThresholdChoice
from .localisation_report import localisation_report
from .protocol import best_elsewhere, refuse_shared, select_images
from .report import OF_BOXES

if TYPE_CHECKING:
    from ..artifacts import Artifact, DatasetReader
    from ..options.boxes import BoxOptions
    from .report import Asked


@dataclass(frozen=True)
class BoxTruth:
    """Which boxes are the true ones.

    Attributes:
        data: holds them, or masks.
        source: "annotated" or "masks".
        difficult: whether boxes marked as difficult count.
    """

    data: DatasetReader
    source: str
    difficult: bool = True

    @classmethod
    def asked(cls, data: DatasetReader, options: BoxOptions) -> BoxTruth | None:
        """The boxes that options ask for; None where they ask for none."""
        if options.boxes is None:
            return None
        return cls(data, options.boxes.value, not options.without_difficult)

    def has(self, image_id: str) -> bool:
        """Whether the image's true boxes are known; it may have none."""
        if self.source == "masks":
            return self.data.has_mask(image_id)
        return self.data.true_boxes(image_id) is not None

    def of(self, image_id: str) -> dict[int, np.ndarray] | None:
        """(m, 4) of each class that the image shows, by class index; None where not known."""
        if self.source == "masks":
            mask = self.data.mask(image_id)
            if mask is None:
                return None
            labels = [one for one in np.unique(mask).tolist() if one not in (BACKGROUND, IGNORE)]
            return {label - 1: parts(mask == label).corners for label in labels}
        drawn = self.data.true_boxes(image_id)
        if drawn is None:
            return None
        kept = ~drawn.difficult | self.difficult
        classes = np.unique(drawn.classes[kept]).tolist()
        return {one: drawn.corners[kept & (drawn.classes == one)] for one in classes}


class Pair(NamedTuple):
    """An image, a class that it shows, and the overlap at the chosen threshold."""

    image: str
    class_index: int
    largest: float
    every: float


@dataclass
class Localised:
    """What localising gives.

    Attributes:
        shares: (T,) thresholds, rising.
        boxes: counted at each.
        chosen: the place of the chosen one.
        how: how it was chosen.
        images: those whose true boxes are known.
        without_truth: how many others there were.
        pairs: each with its overlaps.
        without_map: how many pairs had no map, and so were not found.
        pixels: None where no image has a mask.
    """

    shares: np.ndarray
    boxes: BoxCounts
    chosen: int
    how: str
    images: list[str] = field(default_factory=list)
    without_truth: int = 0
    pairs: list[Pair] = field(default_factory=list)
    without_map: int = 0
    pixels: PixelCounts | None = None


def localise(
    found: Artifact, truth: BoxTruth, images: Sequence[str], asked: Asked, quiet: bool
) -> dict[str, Any]:
    """The report of maps' boxes at every threshold, and at one chosen without these true boxes.

    Raises:
        WsssError: no true box of any image; a choice that used the scored images' boxes.
    """
    sweep = asked.rules.sweep
    share, how = _choose(asked.rules.choice, found, truth, images, sweep)
    outcome = _counted(found, truth, track(images, "eval", quiet=quiet), sweep, share, how)
    return localisation_report(found, truth, asked, outcome)


def _choose(
    choice: ThresholdChoice,
    found: Artifact,
    truth: BoxTruth,
    scored: Sequence[str],
    sweep: Sequence[float],
) -> tuple[float, str]:
    """The threshold, and how it was chosen."""
    if choice.given is not None:
        return choice.given, "given by --threshold"
    if choice.threshold_from is not None:
        return best_elsewhere(choice.threshold_from, OF_BOXES, scored, truth.has, "boxes")
    if choice.calibrate_split is not None:
        ids, _ = select_images(found, truth.data, choice.calibrate_split, None, False, truth.has)
        refuse_shared(f"split {choice.calibrate_split}", ids, scored, truth.has, "boxes")
        counts = _counted(found, truth, ids, sweep, SHARE, "")
        curve = counts.boxes.accuracy()[LARGEST, USUAL_BOUND]
        tried = np.isin(counts.shares, np.asarray(sweep))
        best = float(counts.shares[tried][curve[tried].argmax()])
        known = len(counts.images)
        how = f"best on split {choice.calibrate_split}, by boxes of {known} images not scored here"
        return best, how
    return SHARE, "CAM's published constant"


def _counted(
    found: Artifact,
    truth: BoxTruth,
    images: Iterable[str],
    sweep: Sequence[float],
    share: float,
    how: str,
) -> Localised:
    from ..core.cam import enlarge  # loads torch

    shares = np.unique([*sweep, share])
    counts = BoxCounts(len(found.classes), len(shares))
    outcome = Localised(shares, counts, int(np.searchsorted(shares, share)), how)
    stride = cam_stride(found)
    for image_id in images:
        true = truth.of(image_id)
        if true is None:
            outcome.without_truth += 1
            continue
        outcome.images.append(image_id)
        item, size = checked_item(found, image_id)
        large = enlarge(item["cam"], size, stride)
        maps = dict(zip(item["classes"].tolist(), large, strict=True))
        for index, boxes in true.items():
            overlap = np.zeros((2, len(shares)))
            if index in maps:
                overlap = best_overlaps(ranks_above(maps[index], shares), len(shares), boxes)
            outcome.without_map += index not in maps
            counts.add(index, overlap)
            outcome.pairs.append(Pair(image_id, index, *overlap[:, outcome.chosen].tolist()))
        _count_pixels(outcome, maps, truth.data.mask(image_id))
    if not outcome.pairs:
        raise _nothing(found, truth, outcome)
    return outcome


def _count_pixels(outcome: Localised, maps: dict[int, np.ndarray], mask: np.ndarray | None) -> None:
    """Add the image's pixels, those that are 255 in the mask left out."""
    if mask is None:
        return
    if outcome.pixels is None:
        outcome.pixels = PixelCounts(len(outcome.boxes.pairs))
    known = mask != IGNORE
    labels = mask[known]
    for label in np.unique(labels[labels != BACKGROUND]).tolist():
        one = maps.get(label - 1)
        score = np.zeros(len(labels), np.float32) if one is None else one[known]
        outcome.pixels.add(label - 1, score, labels == label)


def _nothing(found: Artifact, truth: BoxTruth, outcome: Localised) -> WsssError:
    counted, source = len(outcome.images), truth.source
    if counted:
        return WsssError(
            f"{truth.data.path}: the {counted} images to score show no object, so no box is true"
        )
    what, other = ("a mask", "annotated") if source == "masks" else ("true boxes", "masks")
    return WsssError(
        f"{truth.data.path}: none of the {outcome.without_truth} images to score has {what}",
        f"--boxes {other} scores by those, where there are some; `wsss pack --voc` takes the boxes "
        "of the devkit's XML along",
    )
