"""Training an affinity network: what its methods are told, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..options.training import Body, Crops, Recipe, Setting
from .inputs import held_out_split, keep_pixels, labelled_crop, labelled_ids
from .job import Job
from .scaling import augmentation

if TYPE_CHECKING:
    from contextlib import ExitStack

    from torch import Tensor, nn

    from ..artifacts import DatasetReader
    from .compute import Compute
    from .data import Sample
    from .losses import Loss
    from .team import Team

NAME = "train-aff"
KIND = "wsss/aff"


@dataclass(frozen=True)
class AffinityTask:
    """What every method is told; `radius` is that of the disk of pairs, in cells."""

    out: Path
    seeds: Path
    data: Path | None
    split: str | None
    radius: int
    body: Body
    recipe: Recipe
    crops: Crops
    setting: Setting


@dataclass
class Learner:
    """A method's network and loss, how its parameters are grouped, and what is left to do."""

    model: nn.Module
    loss: Loss
    config: dict[str, Any] = field(default_factory=dict)
    grouping: dict[str, Any] = field(default_factory=dict)
    finish: Callable[[nn.Module, Compute], None] | None = None


@dataclass(frozen=True)
class Relating:
    """A network that learns which pixels belong together, from seeds; methods say how."""

    task: AffinityTask
    options: Any
    fewest_epochs: int = 1

    def learner(self, reader: DatasetReader, ids: Sequence[str]) -> Learner:
        """The method's network and loss."""
        raise NotImplementedError

    def job(self, team: Team, files: ExitStack) -> Job:
        """What there is to train; `files` closes what it opens."""
        from ..artifacts import LABEL, open_artifact, open_dataset

        task, body = self.task, self.task.body
        labels = files.enter_context(open_artifact(task.seeds, LABEL))
        reader = files.enter_context(open_dataset(task.data, labels))
        augment = augmentation(task.crops)
        held_out = held_out_split(reader, None)
        ids = labelled_ids(reader, labels, task.split, held_out, team.leads)
        keep_pixels(reader, ids, task.setting.keep_pixels, team.world)
        learner = self.learner(reader, ids)
        config: dict[str, Any] = {**body.config(), **learner.config}
        return Job(
            name=NAME,
            kind=KIND,
            out=task.out,
            model=learner.model,
            config=config,
            params={**config, **body.params(), "radius": task.radius, **asdict(augment)},
            classes=reader.classes,
            inputs=[reader, labels],
            ids=ids,
            load=partial(labelled_crop, reader, labels, augment),
            loss=learner.loss,
            grouping=learner.grouping,
            finish=learner.finish,
        )


def count_cells(
    to_cells: Callable[[Tensor, int], Tensor], stride: int, radius: int, batch: Sample
) -> tuple[Tensor, Tensor]:
    """Labels of the cells, and how many pairs of each kind they make."""
    from ..core.affinity import pair_counts

    labels = to_cells(batch["label"], stride)
    return labels, pair_counts(labels, radius)
