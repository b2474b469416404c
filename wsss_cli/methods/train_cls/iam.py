"""train-cls --method iam: a classifier that learns accumulated maps (OAA's integral attention)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ...artifacts.supervision import TAGS
from ...console import log
from ...errors import UsageError, WsssError
from ...options.files import Reads
from ...training.attentive import (
    Attentive,
    Layers,
    placing_of,
    probes_shallow,
    published_recipe,
    rebuilt,
    usual,
)
from ...training.classifying import Learner
from ...training.inputs import tag_vector
from ...training.job import Job
from ...training.lesson import TrainingCard

if TYPE_CHECKING:
    from contextlib import ExitStack

    import numpy as np
    from torch import Tensor

    from ...artifacts import Artifact, DatasetReader
    from ...training.augment import Augment
    from ...training.data import Sample
    from ...training.team import Team


@dataclass(frozen=True, kw_only=True)
class Integral(Layers):
    """What only the integral attention model has."""

    targets: Annotated[
        Path | None,
        typer.Option(
            "--targets", metavar="FILE", help="File of maps to learn from, from --method oaa."
        ),
        Reads(),
    ] = None


class IntegralLesson(Attentive):
    """A classifier that learns maps."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.options.targets is None:
            raise UsageError("--method iam and --targets go together")

    def sources(self, files: ExitStack) -> list[Artifact]:
        from ...artifacts import CAM, open_artifact

        return [files.enter_context(open_artifact(self.options.targets, CAM))]

    def images(
        self, reader: DatasetReader, ids: Sequence[str], sources: Sequence[Artifact], quiet: bool
    ) -> list[str]:
        return targeted_ids(reader, sources[0], ids, quiet)

    def learner(self, n_classes: int) -> Learner:
        from ...training.losses import Loss, count_images

        model, config = self.network(CARD.name, n_classes)
        return Learner(model, Loss(count_images, dense_loss), config, config)

    def completed(self, job: Job, augment: Augment, team: Team) -> Job:
        reader, targets = (cast(Any, source) for source in job.inputs)
        stride: Any = job.model.stride
        load = partial(load_targeted, reader, targets, augment, stride)
        return replace(job, load=load, **published_recipe())


def targeted_ids(
    reader: DatasetReader, targets: Artifact, ids: Sequence[str], quiet: bool
) -> list[str]:
    """The training images that have maps; says how many have none.

    Raises:
        WsssError: there are none, or the maps are of other classes, or of other image sizes.
    """
    from ...artifacts.opening import check_sizes

    if targets.classes != reader.classes:
        raise WsssError(f"{targets.path}: maps of other classes than those of {reader.path}")
    check_sizes(reader, targets)
    known = set(targets.ids)
    kept = [image_id for image_id in ids if image_id in known]
    if not kept:
        raise WsssError(
            f"{targets.path}: has maps of none of the {len(ids)} training images",
            "`wsss train-cls --method oaa` writes maps of what it trains on; see --split",
        )
    if missing := len(ids) - len(kept):
        log(f"train-cls: left out: {missing} images of which {targets.path} has no maps", quiet)
    return kept


def load_targeted(
    reader: DatasetReader,
    targets: Artifact,
    augment: Augment,
    stride: int,
    image_id: str,
    rng: np.random.Generator,
) -> Sample:
    """An augmented image, its tags, and the maps to learn, (C, h, w) float32 on its cells.

    Maps of classes of which neither a map nor a tag says anything are NaN.
    """
    import torch

    from ...artifacts.maps import cam_stride
    from ...core.cam import dequantise
    from ...core.grid import grid_size
    from ...core.oaa import to_crop
    from ...core.tags import NOT_SAID, is_said

    image, item = reader.image(image_id), targets[image_id]
    size = image.shape[0], image.shape[1]
    own = cam_stride(targets)
    window = augment.window(size, rng)
    crop = (window.crop, window.crop)
    target = torch.zeros(len(reader.classes), *grid_size(*crop, stride))
    placing = placing_of(size, window)
    seen = to_crop(dequantise(item["cam"]), own, placing, crop, stride)
    tags = tag_vector(reader, image_id)
    target[~is_said(tags)] = NOT_SAID
    target[torch.from_numpy(item["classes"].astype("int64"))] = seen
    return {"image": augment.pixels(image, window, rng), "tags": tags, "target": target}


def dense_loss(outputs: dict[str, Tensor], batch: Sample, counts: Tensor) -> Tensor:
    """The integral attention model's loss."""
    from ...core.oaa import integral_loss

    return integral_loss(outputs["maps"], batch["target"], counts[0])


CARD = TrainingCard(
    name="iam",
    said="learns the maps that oaa accumulated (integral attention)",
    options=Integral,
    lesson=IntegralLesson,
    learns=(TAGS,),
    network=rebuilt,
    probes=probes_shallow,
    needs="maps of the training images (--targets)",
    source="OAA+: Jiang et al., ICCV 2019, and its code",
    page="oaa",
    usual=usual(5e-3),  # five times the published rate, which adds up what five images lose
)
