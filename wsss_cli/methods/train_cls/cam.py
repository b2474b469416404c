"""train-cls --method cam: the plain classifier, whose maps start the chain."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...artifacts.supervision import TAGS
from ...console import log
from ...core.pooling import SHARPNESS
from ...errors import UsageError, WsssError
from ...options.cards import Due
from ...training.classifying import (
    NAME,
    PROBE_SIDE,
    WHOLE,
    Classifying,
    Learner,
    load_scaled,
    probes_tags,
)
from ...training.job import Job
from ...training.lesson import TrainingCard

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ...artifacts import Artifact, DatasetReader
    from ...nets.classifier import Classifier
    from ...training.augment import Augment
    from ...training.compute import Compute
    from ...training.data import Sample
    from ...training.team import Team


SHARPEST = 1e6  # beyond which float32 knows no difference from the maximum


class Pool(str, enum.Enum):
    """How the cells of a class's map become its score."""

    gap = "gap"
    max = "max"
    lse = "lse"


class TagLoss(str, enum.Enum):
    """What is learned of tags: whether each class is there, or which one is."""

    margin = "margin"
    softmax = "softmax"


@dataclass(frozen=True, kw_only=True)
class Plain:
    """What only the plain classifier has."""

    loss: Annotated[
        TagLoss,
        typer.Option(
            help="Loss on the tags. margin: whether each class is there (multi-label soft "
            "margin, over the tags that are said); softmax: which one is, of images that have "
            "one tag each, which says that the others are absent (cross-entropy)."
        ),
    ] = TagLoss.margin
    one_tag_only: Annotated[
        bool,
        typer.Option(
            "--one-tag-only/--any-tags",
            help="Leave out training images that do not have exactly one tag.",
        ),
    ] = False
    pool: Annotated[
        Pool,
        typer.Option(
            help="Rule that turns a class's map into its score. gap: the mean of all cells; max: "
            "the strongest cell; lse: between them, by log-sum-exp."
        ),
    ] = Pool.gap
    lse_sharpness: Annotated[
        float,
        typer.Option(
            min=0.01,
            metavar="R",
            help="Sharpness of --pool lse; the larger, the nearer to max.",
        ),
    ] = SHARPNESS

    @property
    def softmax(self) -> bool:
        """Whether classes exclude each other."""
        return self.loss is TagLoss.softmax

    @property
    def config(self) -> dict[str, Any]:
        """Of these options those that the network is rebuilt from, where they are not usual.

        The usual ones stay unsaid, so that weights from before there were others are the same run.
        """
        found: dict[str, Any] = {"loss": self.loss.value} if self.softmax else {}
        if self.pool is not Pool.gap:
            found["pool"] = self.pool.value
        if self.pool is Pool.lse:
            found["lse_sharpness"] = self.lse_sharpness
        return found


def not_means(options: Mapping[str, Any]) -> bool:
    """Whether classes are scored by anything but the mean, which alone a probe is fitted to."""
    return options["pool"] is not Pool.gap


def starts_probed(options: Mapping[str, Any]) -> bool:
    """Whether the head starts as a linear probe."""
    return probes_tags(options, not_means)


class PlainLesson(Classifying):
    """A classifier that learns from tags, and nothing else."""

    deep = staticmethod(not_means)

    def __post_init__(self) -> None:
        options = self.options
        if self.task.probe and not_means(vars(options)):
            raise UsageError("--probe: needs --pool gap, whose features it is fitted to")
        super().__post_init__()
        if options.lse_sharpness != SHARPNESS and options.pool is not Pool.lse:
            raise UsageError("--lse-sharpness: needs --pool lse")
        if not options.lse_sharpness <= SHARPEST:  # nor NaN
            raise UsageError(f"--lse-sharpness: must be a number up to {SHARPEST:g}")

    def images(
        self, reader: DatasetReader, ids: Sequence[str], sources: Sequence[Artifact], quiet: bool
    ) -> list[str]:
        options = self.options
        if options.softmax and len(reader.classes) < 2:
            raise WsssError(f"{reader.path}: has one class; --loss softmax tells several apart")
        if not options.softmax and not options.one_tag_only:
            return list(ids)
        return one_tag_ids(reader, ids, options.one_tag_only, quiet)

    def learner(self, n_classes: int) -> Learner:
        plain, options = super().learner(n_classes), self.options
        model = plain.model
        model.pool, model.sharpness = options.pool.value, options.lse_sharpness
        model.exclusive = options.softmax
        left_out = {"one_tag_only": True} if options.one_tag_only else {}
        params = {**options.config, **left_out}
        loss = replace(plain.loss, share=softmax_loss) if options.softmax else plain.loss
        return Learner(model, loss, options.config, params)

    def figures(self, scores: np.ndarray, tags: np.ndarray) -> dict[str, float]:
        found = super().figures(scores, tags)
        return {**found, "val_top1": top1(scores, tags)} if self.options.softmax else found

    def completed(self, job: Job, augment: Augment, team: Team) -> Job:
        if not self.options.softmax or job.start is None:
            return job
        reader: Any = job.inputs[0]  # the data set
        task = self.task
        side = PROBE_SIDE * task.crops.crop
        return replace(
            job, start=partial(fit_softmax_head, reader, list(job.ids), side, task.probe_decay)
        )


def one_tag_ids(
    reader: DatasetReader, ids: Sequence[str], leave_out: bool, quiet: bool
) -> list[str]:
    """The training images, which all have exactly one tag.

    Args:
        leave_out: take those that have; say how many have not.

    Raises:
        WsssError: some have not, or none has.
    """
    others = {image_id for image_id in ids if len(reader.tags(image_id)) != 1}
    if not others:
        return list(ids)
    if len(others) == len(ids):
        raise WsssError(
            f"{reader.path}: none of the {len(ids)} training images has exactly one tag",
            "--loss margin takes any number of tags",
        )
    if not leave_out:
        first = ", ".join([image_id for image_id in ids if image_id in others][:3])
        raise WsssError(
            f"{reader.path}: {len(others)} of {len(ids)} training images do not have exactly one "
            f"tag, first {first}",
            "--one-tag-only leaves them out, --loss margin takes any number of tags",
        )
    log(f"{NAME}: left out: {len(others)} of {len(ids)} images, without exactly one tag", quiet)
    return [image_id for image_id in ids if image_id not in others]


def softmax_loss(logits: Tensor, batch: Sample, counts: Tensor) -> Tensor:
    """Cross-entropy of the one class that each image shows, mean over images."""
    from torch.nn import functional

    shown = (batch["tags"] == 1).int().argmax(dim=1)
    return functional.cross_entropy(logits, shown, reduction="none").sum() / counts[0]


def top1(scores: np.ndarray, tags: np.ndarray) -> float:
    """Share of the images with exactly one tag whose class scores highest; NaN without any.

    Args:
        scores: (N, C).
        tags: (N, C) of 1, 0 and NaN.
    """
    present = tags == 1
    one = present.sum(axis=1) == 1
    right = scores.argmax(axis=1) == present.argmax(axis=1)
    return float(right[one].mean()) if one.any() else math.nan


def fit_softmax_head(
    reader: DatasetReader,
    ids: list[str],
    side: float,
    decay: float,
    model: Classifier,
    compute: Compute,
) -> None:
    """Make the head a softmax probe of the backbone's features, pooled over whole images.

    The probe's biases are left out, since the head has none.
    """
    import torch

    from ...core.probe import pixel_probe
    from ...training.loop import check_finite
    from ...training.probes import seen_by

    def pooled(features: Tensor, batch: Sample) -> tuple[Tensor, ...]:
        return features.mean(dim=(2, 3))[0], (batch["tags"][0] == 1).int().argmax()[None]

    found = seen_by(model.backbone, partial(load_scaled, reader, side), ids, pooled, compute)
    features = torch.stack([feature for feature, _ in found])
    shown = torch.cat([one for _, one in found])
    check_finite(bool(features.isfinite().all()), "the backbone's features are not finite")
    leads, count = compute.team.leads, len(reader.classes)
    weight = pixel_probe(features.double(), shown, count, decay)[0] if leads else features
    with torch.no_grad():
        model.head.weight.copy_(compute.team.share(weight)[:, :, None, None])


def network(config: Mapping[str, Any], n_classes: int) -> Classifier:
    """The network that weights of this method hold, untrained."""
    from ...nets.classifier import Classifier
    from ...nets.rebuild import backbone_of, entry

    return Classifier(
        backbone_of(config),
        n_classes,
        pool=entry(config, "pool", str, Pool.gap.value),
        sharpness=entry(config, "lse_sharpness", float, SHARPNESS),
        exclusive=entry(config, "loss", str, TagLoss.margin.value) == TagLoss.softmax.value,
    )


# Other pools than the mean start at random and train at IRNet's rate: docs/methods/pooling.md says
# what a probe does there.
EPOCHS = Due(lambda given: 3 if starts_probed(given) else 5, "3 with a probe, else 5")
HEAD_RATE = Due(
    lambda given: 10.0 if not_means(given) else 100.0, "100.0 with --pool gap, else 10.0"
)

CARD = TrainingCard(
    name="cam",
    said="a plain classifier",
    options=Plain,
    lesson=PlainLesson,
    learns=(TAGS,),
    network=network,
    probes=starts_probed,
    page="cam",
    source="CAM: Zhou et al., CVPR 2016; trained as in IRNet's code (Ahn, Cho and Kwak, CVPR 2019)",
    usual={
        "output_stride": 16,
        "dropout": 0.0,
        "epochs": EPOCHS,
        "batch_size": 16,
        "lr": 3e-3,
        "head_multiplier": HEAD_RATE,
        "weight_decay": 1e-4,
        "crop": WHOLE,
        "jitter": None,
    },
)
