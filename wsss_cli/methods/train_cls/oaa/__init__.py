"""train-cls --method oaa: a classifier that accumulates its maps while it trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....artifacts.supervision import TAGS
from ....console import log
from ....errors import UsageError
from ....options.files import Writes
from ....options.training import Recipe, Setting
from ....training.attentive import (
    Attentive,
    Layers,
    placing_of,
    probes_shallow,
    published_recipe,
    rebuilt,
    usual,
)
from ....training.beside import check_beside
from ....training.classifying import Learner, tag_loss
from ....training.inputs import tag_vector
from ....training.job import Job
from ....training.lesson import TrainingCard
from .writing import facts_of, finish_maps, is_maps

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ....artifacts import DatasetReader
    from ....nets.classifier import Classifier
    from ....training.augment import Augment
    from ....training.data import Sample
    from ....training.losses import Loss
    from ....training.team import Team
    from .store import AttentionStore


@dataclass(frozen=True, kw_only=True)
class Accumulation(Layers):
    """What only accumulated attention has."""

    maps: Annotated[
        Path | None,
        typer.Option(
            "--maps",
            metavar="FILE",
            help="File of accumulated maps to write. Default: --out, as .cam.h5.",
        ),
        Writes(),
    ] = None
    attention_stride: Annotated[
        int, typer.Option(min=1, max=256, help="Image pixels per cell of the accumulated maps.")
    ] = 8
    attention_from: Annotated[
        int, typer.Option(min=0, help="Number of first epochs whose maps are not accumulated.")
    ] = 1
    gate: Annotated[
        bool,
        typer.Option(
            "--gate/--no-gate",
            help="Accumulate the map of a tagged class only where its score is among the "
            "highest, as many as the image has tags.",
        ),
    ] = True
    drop: Annotated[
        float,
        typer.Option(
            "--attention-drop",
            min=0,
            max=1,
            metavar="SHARE",
            help="Share of the images in which strongly attended pixels are erased (OAA-drop: "
            "0.5).",
        ),
    ] = 0.0
    drop_above: Annotated[
        float, typer.Option(min=0, max=1, help="Attention above which a pixel is erased, 0 to 1.")
    ] = 0.6
    subtract_min: Annotated[
        bool,
        typer.Option(
            "--subtract-min/--no-subtract-min",
            help="Stretch each written map so that its minimum is 0 and its maximum 1.",
        ),
    ] = False


class AccumulatingLesson(Attentive):
    """A classifier that keeps the maximum of its maps and writes them at the end."""

    def learner(self, n_classes: int) -> Learner:
        from ....training.losses import Loss, count_tags

        model, config = self.network(CARD.name, n_classes)
        # it gets its store, and so its own loss, once the job is known
        return Learner(model, Loss(count_tags, tag_loss), config, config)

    def completed(self, job: Job, augment: Augment, team: Team) -> Job:
        task = self.task
        return accumulate(job, tag_loss, self.options, augment, task.recipe, task.setting, team)


def accumulate(
    job: Job,
    tag_loss: Callable[[Tensor, Sample, Tensor], Tensor],
    attention: Accumulation,
    augment: Augment,
    recipe: Recipe,
    setting: Setting,
    team: Team,
) -> Job:
    """A job of tags as one that accumulates its maps on the way and writes them at the end."""
    reader: Any = job.inputs[0]  # the data set that a job of tags reads
    model: Any = job.model
    if 0 < recipe.epochs <= attention.attention_from:
        raise UsageError(
            f"--attention-from {attention.attention_from}: no map of {recipe.epochs} epochs counts",
            f"--attention-from {recipe.epochs - 1} takes those of the last",
        )
    path = attention.maps or job.out.with_suffix(".cam.h5")
    names = ("attention_stride", "attention_from", "gate", "drop", "drop_above")
    params = {**job.params, **{name: getattr(attention, name) for name in names}}
    described = {**params, **asdict(recipe), "subtract_min": attention.subtract_min}
    facts = facts_of(reader, job.ids, attention.attention_stride, described, setting.seed)
    check_beside(path, "--maps", job.out, setting.force, lambda: is_maps(path, facts))
    quiet = setting.quiet or not team.leads
    store = attention_store(reader, job.ids, attention, quiet)
    write = partial(
        finish_maps,
        reader,
        job.ids,
        store,
        augment.crop,
        path,
        attention.subtract_min,
        described,
        quiet,
    )
    return replace(
        job,
        params=params,
        load=partial(load_placed, reader, augment, attention.drop),
        loss=accumulating_loss(store, model, attention, recipe.epochs, team, tag_loss),
        finish=partial(write, setting.seed),
        keyed=True,
        extra=store.tensors,
        **published_recipe(),
    )


def attention_store(
    reader: DatasetReader, ids: Sequence[str], attention: Accumulation, quiet: bool
) -> AttentionStore:
    """Room for the maps of all training images; says how much that is."""
    from .store import AttentionStore

    sizes = [reader.size(image_id) for image_id in ids]
    tags = [reader.tags(image_id) for image_id in ids]
    store = AttentionStore(sizes, tags, attention.attention_stride, attention.drop > 0)
    log(f"train-cls: maps of {len(ids)} images take {store.nbytes / 2**20:.1f} MiB", quiet)
    return store


def accumulating_loss(
    store: AttentionStore,
    model: Classifier,
    attention: Accumulation,
    epochs: int,
    team: Team,
    tags: Any,
) -> Loss:
    """The loss of tags, `tags`, which accumulates on the way."""
    from ....training.losses import Loss
    from .store import Accumulator

    accumulator = Accumulator(
        store,
        tags,
        model.stride,
        attention.attention_from,
        epochs - 1,
        attention.gate,
        attention.drop_above,
        team,
    )
    return Loss(accumulator.prepare, accumulator.share)


def load_placed(
    reader: DatasetReader, augment: Augment, drop: float, image_id: str, rng: np.random.Generator
) -> Sample:
    """An augmented image, its tags, where its pixels come from, and whether to hide some."""
    import torch

    image = reader.image(image_id)
    size = image.shape[0], image.shape[1]
    window = augment.window(size, rng)
    sample = {
        "image": augment.pixels(image, window, rng),
        "tags": tag_vector(reader, image_id),
        "placing": placing_of(size, window).tensor(),
    }
    if drop:
        sample["drop"] = torch.tensor(bool(rng.random() < drop))
    return sample


CARD = TrainingCard(
    name="oaa",
    said="accumulates its maps over training, and writes them",
    options=Accumulation,
    lesson=AccumulatingLesson,
    learns=(TAGS,),
    network=rebuilt,
    probes=probes_shallow,
    makes="the accumulated maps, a wsss/cam (--maps)",
    source="OAA: Jiang et al., ICCV 2019, and its code",
    page="oaa",
    usual=usual(1e-3),
)
