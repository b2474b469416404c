"""Training a segmentation network from label maps: what the losses of --method labels share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from ..errors import UsageError
from ..options.files import Reads
from ..options.segmenter import bearable
from .inputs import labelled_crop, labelled_ids
from .job import Job
from .probes import PROBE_DECAY, CellProbe, start_head
from .scaling import augmentation, scaled
from .segmenting import KIND, NAME, Task, head_learned
from .stairs import Stepped, schedule_of

if TYPE_CHECKING:
    from contextlib import ExitStack

    from torch import nn

    from ..artifacts import Artifact, DatasetReader
    from .augment import Augment
    from .compute import Compute
    from .data import Load
    from .losses import Loss
    from .schedule import Schedule
    from .team import Team


@dataclass(frozen=True, kw_only=True)
class LabelOptions(Stepped, CellProbe):
    """The options of all losses."""

    labels: Annotated[
        Path,
        typer.Option("--labels", metavar="FILE", help="File of label maps to learn from."),
        Reads(),
    ] = Path("pseudo.h5")


def usual(**changes: Any) -> dict[str, Any]:
    """The defaults that most losses have of the command's options.

    Args:
        changes: defaults that differ, by name.
    """
    return {
        "model": "deeplabv2",
        "epochs": 30,
        "batch_size": 8,
        "lr": bearable(1e-3),  # SEAM's, for its retraining
        "weight_decay": 1e-4,
        "rescale": None,
        "jitter": None,
        **changes,
    }


@dataclass(frozen=True)
class Labelled:
    """A network that learns from label maps; methods say by what loss.

    Attributes:
        task, options: what was asked for; the crops are settled.
        schedule: of the rates; None for the poly rule.
        decay: of the probe that the head starts as; None for a head that starts at random.

    Raises:
        UsageError: options that contradict or are out of range.
    """

    task: Task
    options: Any  # LabelOptions, or of a class derived from it
    schedule: Callable[[int, int], Schedule] | None = field(init=False)
    decay: float | None = field(init=False)

    name: ClassVar[str]  # of the loss
    probes: ClassVar[bool] = True  # start as a probe where that can be and nothing is said

    def __post_init__(self) -> None:
        task, stairs = replace(self.task, crops=scaled(self.task.crops)), self.options.stairs
        object.__setattr__(self, "task", task)
        object.__setattr__(self, "schedule", None if stairs is None else schedule_of(stairs))
        self.check()
        decay = self.options.decay(task.head.model, task.body, self.probes)
        object.__setattr__(self, "decay", decay)

    def check(self) -> None:
        """Raise UsageError for options of the loss's own that contradict or are out of range."""

    @property
    def fewest_epochs(self) -> int:
        """A probe alone is a network too."""
        return 1 if self.decay is None else 0

    def loss(self) -> Loss:
        """Of the network's logits at the size of the crops, and what `load` makes."""
        raise NotImplementedError

    def params(self) -> dict[str, Any]:
        """What of the loss's own options changes the numbers."""
        return {}

    def load(self, reader: DatasetReader, labels: Artifact, augment: Augment) -> Load:
        """What makes the sample of an image."""
        return partial(labelled_crop, reader, labels, augment)

    def after(
        self, reader: DatasetReader, labels: Artifact, ids: Sequence[str]
    ) -> Callable[[nn.Module, Compute, int], None] | None:
        """What else to do after an epoch that is measured."""
        return None

    def job(self, team: Team, files: ExitStack) -> Job:
        """What there is to train; `files` closes what it opens."""
        from ..artifacts import LABEL, open_artifact, open_dataset

        task, stairs = self.task, self.options.stairs
        target = files.enter_context(open_artifact(self.options.labels, LABEL))
        reader = files.enter_context(open_dataset(task.data, target))
        augment = augmentation(task.crops)
        ids = labelled_ids(reader, target, task.split, task.held_out(reader), team.leads)
        measure = task.measure(reader, ids, team)
        net, pretrained = task.network(len(reader.classes) + 1, team)
        decay = self._decay(head_learned(pretrained))
        start = partial(start_head, reader, target, ids, task.side, decay) if decay else None
        return Job(
            name=NAME,
            kind=KIND,
            out=task.out,
            model=net,
            config=task.config,
            params={
                **task.params,
                **asdict(augment),
                "loss": self.name,
                "probe_decay": decay,
                **({} if stairs is None else {"stairs": stairs}),
                **self.params(),
            },
            classes=reader.classes,
            inputs=[reader, target],
            ids=ids,
            load=self.load(reader, target, augment),
            schedule=self.schedule,
            start=start,
            loss=self.loss(),
            grouping={"pretrained": pretrained},
            measure=measure,
            val_every=task.val_every,
            after=self.after(reader, target, ids),
        )

    def _decay(self, learned: bool) -> float | None:
        """The probe's decay, unless the head has learned already and no probe is asked for."""
        if not learned or self.options.probe:
            return self.decay
        if self.options.probe_decay != PROBE_DECAY:
            raise UsageError("--probe-decay: the head has learned already", "--probe fits it anew")
        return None
