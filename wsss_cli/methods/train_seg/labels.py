"""train-seg's method labels: a network from pseudo masks, or from seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ...options.crf import CrfOptions
from ...options.training import MAX_SIDE, Crops, interval
from ...training.inputs import labelled_crop, labelled_ids
from ...training.job import Job
from ...training.probes import PROBE_DECAY, Start, start_head
from ...training.segmenting import KIND, NAME, Task, head_learned
from .seeded import LossName, Seeded, seeded_crop, supervision

if TYPE_CHECKING:
    from contextlib import ExitStack

    from torch import Tensor

    from ...training.schedule import Schedule
    from ...training.seeded import SeededLoss
    from ...training.team import Team

RESCALE = "0.5,1.5"  # for cross-entropy


@dataclass(frozen=True)
class FromLabels:
    """A network that learns from label maps.

    Raises:
        UsageError: options that contradict or are out of range.
    """

    task: Task
    labels: Path
    start: Start
    seeded: Seeded
    crf: CrfOptions
    stairs: str | None
    lesson: SeededLoss | None = field(init=False)  # None for cross-entropy
    schedule: Callable[[int, int], Schedule] | None = field(init=False)
    probe_decay: float | None = field(init=False)  # None for a head that starts at random

    def __post_init__(self) -> None:
        task, stairs = self.task, self.stairs
        crops = scaled(task.crops, dense=self.seeded.loss is LossName.ce)
        task = replace(task, crops=crops)
        object.__setattr__(self, "task", task)
        object.__setattr__(self, "schedule", None if stairs is None else schedule_of(stairs))
        lesson = self.seeded.chosen(self.crf, task.crops.crop, task.head.aux)
        object.__setattr__(self, "lesson", lesson)
        decay = self.start.chosen(task.head.model, task.body, usual=lesson is None)
        object.__setattr__(self, "probe_decay", decay)

    @property
    def fewest_epochs(self) -> int:
        """A probe alone is a network too."""
        return 1 if self.probe_decay is None else 0

    def job(self, team: Team, files: ExitStack) -> Job:
        from ...artifacts import LABEL, open_artifact, open_dataset
        from ...training.losses import Loss, count_images, count_pixels

        task, lesson = self.task, self.lesson
        target = files.enter_context(open_artifact(self.labels, LABEL))
        reader = files.enter_context(open_dataset(task.data, target))
        augment = task.crops.augment()
        ids = labelled_ids(reader, target, task.split, task.held_out(reader))
        measure = task.measure(reader, ids, team)
        net, pretrained = task.network(len(reader.classes) + 1, team)
        learned = head_learned(pretrained) and not self.start.probe
        decay = None if learned else self.probe_decay
        if learned and self.start.probe_decay != PROBE_DECAY:
            raise UsageError("--probe-decay: the head has learned already", "--probe fits it anew")
        return Job(
            name=NAME,
            kind=KIND,
            out=task.out,
            model=net,
            config=task.config,
            params={**task.params, **asdict(augment), **self._params(decay)},
            classes=reader.classes,
            inputs=[reader, target],
            ids=ids,
            load=partial(labelled_crop, reader, target, augment)
            if lesson is None
            else partial(seeded_crop, reader, target, augment, lesson.stride),
            schedule=self.schedule,
            start=None
            if decay is None
            else partial(start_head, reader, target, ids, task.side, decay),
            loss=Loss(count_pixels, partial(label_loss, task.head.aux))
            if lesson is None
            else Loss(count_images, lesson.share),
            grouping={"pretrained": pretrained},
            measure=measure,
            val_every=task.val_every,
            after=None
            if lesson is None or self.seeded.supervision is None
            else supervision(
                self.seeded.supervision, lesson, reader, target, ids, task.crops.crop
            ).refused_early(task),
        )

    def _params(self, decay: float | None) -> dict[str, Any]:
        params: dict[str, Any] = {"loss": self.seeded.loss.value, "probe_decay": decay}
        if self.stairs is not None:
            params["stairs"] = self.stairs
        return params if self.lesson is None else {**params, **asdict(self.lesson)}


def schedule_of(text: str) -> Callable[[int, int], Schedule]:
    """The schedule of --stairs, of a run's steps and those of warm-up.

    Raises:
        UsageError: not a number of parts, at least 1, and a ratio in 0..1, not 0.
    """
    from ...training.schedule import Stairs

    parts, _, ratio = text.partition(",")
    try:
        number, factor = int(parts), float(ratio)
    except ValueError:
        number, factor = 0, 0.0
    if number < 1 or not 0 < factor <= 1:
        raise UsageError(f"--stairs {text}: need N,RATIO, such as 4,0.1")
    return partial(Stairs, parts=number, ratio=factor)


def scaled(crops: Crops, dense: bool) -> Crops:
    """The crops, scaled as suits labels of most pixels (`dense`), or seeds and tags, if unsaid.

    What a tag promises holds for a whole image only. If unsaid, `max_side` is the highest of the
    longer sides, where these are known: a network has to be looked through at a size it was trained
    at.
    """
    if crops.rescale is not None and crops.long_side is not None:
        raise UsageError("--rescale and --long-side: give one of them")
    if crops.rescale is not None:
        return looked_at(crops, MAX_SIDE)
    if crops.long_side is None and dense:
        return looked_at(replace(crops, rescale=RESCALE), MAX_SIDE)
    sides = crops.long_side or f"{crops.crop},{crops.crop}"
    return looked_at(replace(crops, long_side=sides), longest(crops))


def longest(crops: Crops) -> int:
    """The highest longer side of the images that are trained on; of whole ones, that of a crop."""
    sides = interval("--long-side", crops.long_side)
    return crops.crop if sides is None else max(1, round(sides[1]))


def looked_at(crops: Crops, side: int) -> Crops:
    """The crops, images validated and predicted at no longer side than this, if none is given."""
    return replace(crops, max_side=side if crops.max_side is None else crops.max_side)


def label_loss(
    aux_weight: float, outputs: Tensor | dict[str, Tensor], labels: Tensor, count: Tensor
) -> Tensor:
    """Cross-entropy over labelled pixels, plus `aux_weight` times that of the auxiliary head."""
    from ...training.losses import pixel_cross_entropy

    if isinstance(outputs, dict):
        main = pixel_cross_entropy(outputs["out"], labels, count)
        return main + aux_weight * pixel_cross_entropy(outputs["aux"], labels, count)
    return pixel_cross_entropy(outputs, labels, count)
