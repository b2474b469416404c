"""What each command of the chain takes: disk by sizes and tags, time and memory by rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..machine.cores import free_cores
from ..options.ids import need_ids
from .chain import EVAL, Stage, choose_splits, parse, plain
from .measure import Rate, seen_megapixels
from .recipe import recipe

if TYPE_CHECKING:
    import numpy as np

    from ..artifacts import DatasetReader

# Stored over raw bytes: the largest of 14 files of maps (0.43 to 0.69) and of 7 of labels (0.02 to
# 0.07), made of VOC's photographs and of drawn scenes.
STORED_MAPS, STORED_LABELS = 0.69, 0.07
VALIDATION = 1 / 3  # of a training image's time: a forward pass without a backward one
TRAINING_STATE = 2  # weights and momentum, kept beside the finished weights for a moment


@dataclass(frozen=True)
class Images:
    """What is reckoned with: sizes (n, 2), numbers of tags (n,), and how many have masks."""

    sizes: np.ndarray
    tags: np.ndarray
    masks: int

    def __len__(self) -> int:
        return len(self.sizes)

    def megapixels(self, max_side: int = 0) -> float:
        """That a stage looks at, after --max-side."""
        return sum(seen_megapixels((h, w), max_side) for h, w in self.sizes.tolist())


@dataclass(frozen=True)
class Row:
    """What one command takes; None where it was not measured."""

    stage: str
    makes: str
    disk: float | None = None
    disk_at_peak: float | None = None
    memory: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Work:
    """The images that a chain works on.

    Attributes:
        train, val: those that maps are made of, and those that are predicted.
        ids: of the former.
        learnt: how many of them training sees.
        held_out: whether there is a validation split.
    """

    train: Images
    val: Images
    ids: Sequence[str]
    learnt: int
    held_out: bool


def work_of(data: DatasetReader, split: str | None, val_split: str | None, predicts: bool) -> Work:
    """The images of the splits chosen.

    Args:
        predicts: whether the chain goes on to predict the validation split.

    Raises:
        WsssError: a split that is not there, or that holds no image where it needs one.
    """
    train, val = choose_splits(data, split, val_split)
    if predicts:
        need_ids(data.split(val), data.path, val)
    ids, others = data.split(train), data.split(val)
    # where no split is named, training leaves out what it validates on
    held_out = set(others) if train is None and val is not None else set()
    learnt = len(set(ids) - held_out)
    return Work(images_of(data, ids), images_of(data, others), ids, learnt, val is not None)


def images_of(data: DatasetReader, ids: Sequence[str]) -> Images:
    """The sizes, tags and masks of some images."""
    import numpy as np

    sizes = np.array([data.size(image_id) for image_id in ids], np.int64).reshape(-1, 2)
    tags = np.array([len(data.tags(image_id)) for image_id in ids], np.int64)
    return Images(sizes, tags, sum(data.has_mask(image_id) for image_id in ids))


def rows_of(
    stages: Sequence[Stage],
    work: Work,
    flags: Mapping[str, str],
    rates: Mapping[str, Rate],
    shards: int,
) -> list[Row]:
    """What each command takes, in their order; one that scores stands behind what it scores."""
    rows = []
    for stage in stages:
        images = work.val if stage.name == "predict" else work.train
        rate, own = rates.get(stage.name), flags[stage.name]
        if stage.trains:
            seen = validated(stage, work.val) if work.held_out else 0
            rows.append(training_row(stage, work.learnt, seen, rate, own))
            continue
        rows.append(image_row(stage, images, rate, own, shards))
        if images.masks:
            rows.append(scoring_row(stage, images, rates.get(f"{EVAL} {stage.out}")))
    return rows


def validated(stage: Stage, val: Images) -> int:
    """How many images of the split a training stage validates on: tags will do for train-cls."""
    return len(val) if stage.name == "train-cls" else val.masks


def training_row(stage: Stage, learnt: int, validated: int, rate: Rate | None, flags: str) -> Row:
    """What training takes, on so many images and with so many at each validation."""
    if rate is None:
        return Row(stage.name, stage.out)
    each = recipe(stage, flags)
    passes: float = each["epochs"] * learnt
    passes += VALIDATION * each["validations"] * validated
    passes += VALIDATION * each["probes"] * learnt
    return Row(
        stage.name,
        stage.out,
        rate.weights,
        rate.weights * (1 + TRAINING_STATE),
        rate.memory,
        rate.start + rate.work * passes,
    )


def image_row(stage: Stage, images: Images, rate: Rate | None, flags: str, shards: int) -> Row:
    """What a stage takes that works image by image, in so many shards at a time."""
    options = parse(stage, flags)
    if stage.name == "make-cam":
        cells = -(-images.sizes // options["stride"])
        bytes_each = 2 if plain(options["dtype"]) == "float16" else 1
        disk = float((images.tags * cells.prod(axis=1)).sum()) * bytes_each * STORED_MAPS
    else:
        disk = float(images.sizes.prod(axis=1).sum()) * STORED_LABELS
    memory = seconds = None
    if rate is not None:
        workers = workers_of(stage, options)
        work = rate.work * images.megapixels(options.get("max-side") or 0)
        memory, seconds = rate.memory * workers, rate.start + work / shards / workers
    # a journal beside the file; and of shards both, then all of them beside the joined one
    return Row(stage.name, stage.out, disk, 2 * disk, memory, seconds)


def workers_of(stage: Stage, options: Mapping[str, Any]) -> int:
    """Processes that share the work of make-seeds' CRF; four images are too few to start them."""
    if stage.name != "make-seeds" or plain(options["method"]) == "threshold":
        return 1
    if plain(options["crf"]) == "none":
        return 1
    return max(1, options["workers"] if options["workers"] is not None else free_cores())


def scoring_row(stage: Stage, images: Images, rate: Rate | None) -> Row:
    """What `wsss eval` takes on the file that a stage makes."""
    disk = 40.0 * len(images)  # ids, mainly
    name, makes = f"{EVAL} {stage.out}", str(Path(stage.out).with_suffix(".json"))
    if rate is None:
        return Row(name, makes, disk, disk)
    return Row(name, makes, disk, disk, rate.memory, rate.start + rate.work * images.megapixels())


def total(rows: Sequence[Row]) -> dict[str, float | None]:
    """Sums over the chain; at the peak, all files and the largest of what stands beside them."""
    seconds = [row.seconds for row in rows]
    memory = [row.memory for row in rows if row.memory is not None]
    files = [(row.disk, row.disk_at_peak) for row in rows]
    known = [(disk, peak) for disk, peak in files if disk is not None and peak is not None]
    disk = sum(disk for disk, _ in known)
    return {
        "disk": disk,
        "disk_at_peak": disk + max((peak - disk for disk, peak in known), default=0.0),
        "memory": max(memory, default=None),
        "seconds": None if None in seconds else sum(filter(None, seconds)),
    }
