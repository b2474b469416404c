"""Training a classifier of tags: what its methods are told, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.supervision import TAGS
from ..errors import UsageError
from ..options.cards import Due
from ..options.training import Body, Crops, Recipe, Setting
from .inputs import held_out_split, keep_pixels, tag_vector, tagged_ids
from .job import Job
from .probes import check_decay, probe_tags
from .scaling import augmentation
from .taught import Measure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

    import numpy as np
    from torch import Tensor, nn

    from ..artifacts import Artifact, DatasetReader
    from ..nets.classifier import Classifier
    from .augment import Augment
    from .compute import Compute
    from .data import Sample
    from .losses import Loss
    from .team import Team

NAME = "train-cls"
KIND = "wsss/cls"
PROBE_SIDE = 1.25  # longer side over crop of the images that the probe is fitted on
PROBE_DECAY = 0.1
WHOLE = 500  # pixels; VOC's photographs as they are
JITTER = "0.3,0.3,0.3,0.1"


@dataclass(frozen=True)
class ClassifierTask:
    """What every method is told."""

    out: Path
    data: Path
    split: str | None
    val_split: str | None
    val_every: int
    body: Body
    dropout: float
    probe: bool | None
    probe_decay: float
    recipe: Recipe
    crops: Crops
    setting: Setting


@dataclass
class Learner:
    """A method's network and its loss of a batch.

    Attributes:
        config: what the network is rebuilt from, beside the backbone.
        params: options that change the numbers.
    """

    model: Classifier
    loss: Loss
    config: dict[str, Any]
    params: dict[str, Any]


@dataclass(frozen=True)
class Classifying:
    """A classifier that learns from tags: the plain one. Other methods override what differs.

    Raises:
        UsageError: options that contradict or are out of range.
    """

    task: ClassifierTask
    options: Any

    sides = (1.0, 1.0)  # longer side over crop: images are seen whole

    def __post_init__(self) -> None:
        task = self.task
        if self.probes and self.deep(vars(self.options)):
            raise UsageError("--probe: needs --layers 0 with this method")
        check_decay(task.probe_decay)
        if task.probe_decay != PROBE_DECAY and not self.probes:
            raise UsageError("--probe-decay: there is no probe")

    @staticmethod
    def deep(options: Mapping[str, Any]) -> bool:
        """Whether layers that start at random stand between backbone and classifier."""
        return False

    @property
    def probes(self) -> bool:
        """Whether the head starts as a linear probe."""
        task = self.task
        given = {"probe": task.probe, "weights": task.body.weights, **vars(self.options)}
        return probes_tags(given, self.deep)

    @property
    def fewest_epochs(self) -> int:
        """A probe alone is a classifier too."""
        return 0 if self.probes else 1

    def job(self, team: Team, files: ExitStack) -> Job:
        """What there is to train; `files` closes what it opens."""
        from ..artifacts import open_dataset

        task, side = self.task, self.task.crops.crop
        reader = files.enter_context(open_dataset(task.data))
        augment = augmentation(self._crops())
        held_out = held_out_split(reader, task.val_split)
        ids = tagged_ids(reader, task.split, held_out, team.leads)
        val = reader.split(held_out) if held_out is not None else []
        keep_pixels(reader, [*ids, *val], task.setting.keep_pixels, team.world)
        sources = self.sources(files)
        ids = self.images(reader, ids, sources, task.setting.quiet or not team.leads)
        learner = self.learner(len(reader.classes))
        start = partial(fit_head, reader, ids, PROBE_SIDE * side, task.probe_decay)
        figures = partial(validate, reader, val, side, task.recipe.batch_size, self.figures)
        job = Job(
            name=NAME,
            kind=KIND,
            out=task.out,
            model=learner.model,
            config={**task.body.config(), "dropout": task.dropout, **learner.config},
            params={
                **task.body.params(),
                "dropout": task.dropout,
                "probe_decay": task.probe_decay if self.probes else None,
                **asdict(augment),
                **learner.params,
            },
            classes=reader.classes,
            inputs=[reader, *sources],
            ids=ids,
            load=partial(load_tagged, reader, augment),
            loss=learner.loss,
            start=start if self.probes else None,
            measure=Measure(TAGS, val, figures) if val else None,
            val_every=task.val_every,
        )
        return self.completed(job, augment, team)

    def figures(self, scores: np.ndarray, tags: np.ndarray) -> dict[str, float]:
        """What validation says of scores (N, C) and tags (N, C) of 1, 0 and NaN, by name."""
        from ..core.classifier_metrics import mean_ap

        return {"val_map": mean_ap(scores, tags)}

    def _crops(self) -> Crops:
        """The crops, images at the method's size where nothing is said."""
        crops = self.task.crops
        sides = ",".join(str(round(crops.crop * ratio)) for ratio in self.sides)
        return replace(crops, long_side=crops.long_side or sides)

    def sources(self, files: ExitStack) -> list[Artifact]:
        """What the method reads beside the data set; `files` closes it."""
        return []

    def images(
        self, reader: DatasetReader, ids: Sequence[str], sources: Sequence[Artifact], quiet: bool
    ) -> list[str]:
        """Those of the training images that the method learns from."""
        return list(ids)

    def learner(self, n_classes: int) -> Learner:
        """The method's network and its loss of a batch's tags."""
        from ..nets.classifier import Classifier
        from .losses import Loss, count_tags

        model = Classifier(self.task.body.build(), n_classes, self.task.dropout)
        return Learner(model, Loss(count_tags, tag_loss), {}, {})

    def completed(self, job: Job, augment: Augment, team: Team) -> Job:
        """The job with whatever else the method does."""
        return job


def probes_tags(
    options: Mapping[str, Any], deep: Callable[[Mapping[str, Any]], bool] = lambda _: False
) -> bool:
    """Whether a head starts as a linear probe: as --probe says, else where one can be fitted.

    Args:
        options: `probe` and `weights` among them.
        deep: of the options: whether there are layers in between.
    """
    usual = options["weights"] != "random" and not deep(options)
    return usual if options["probe"] is None else bool(options["probe"])


def if_probed(probed: Any, other: Any) -> Due:
    """A default for heads that start as a probe, and another."""
    return Due(
        lambda options: probed if probes_tags(options) else other,
        f"{probed} with a probe, else {other}",
    )


def load_tagged(
    reader: DatasetReader, augment: Augment, image_id: str, rng: np.random.Generator
) -> Sample:
    """An augmented image (3, crop, crop) and its tags (C,), as `tag_vector` has them."""
    crop, _ = augment(reader.image(image_id), None, rng)
    return {"image": crop, "tags": tag_vector(reader, image_id)}


def load_whole(reader: DatasetReader, side: int, image_id: str, rng: np.random.Generator) -> Sample:
    """A whole image fitted into a square, and its tags."""
    from .augment import fit_square

    return {
        "image": fit_square(reader.image(image_id), side),
        "tags": tag_vector(reader, image_id),
    }


def load_scaled(
    reader: DatasetReader, side: float, image_id: str, rng: np.random.Generator
) -> Sample:
    """A whole image (3, H', W'), its longer side scaled to `side`, and its tags."""
    from ..core.images import as_tensor
    from ..core.views import resize_image, scaled_size

    image = reader.image(image_id)
    size = scaled_size((image.shape[0], image.shape[1]), side / max(image.shape[:2]))
    return {"image": as_tensor(resize_image(image, size)), "tags": tag_vector(reader, image_id)}


def fit_head(
    reader: DatasetReader,
    ids: list[str],
    side: float,
    decay: float,
    model: Classifier,
    compute: Compute,
) -> None:
    """Make the head a linear probe of the backbone's features, pooled over whole images."""
    import torch

    weight = probe_tags(partial(load_scaled, reader, side), ids, decay, model.backbone, compute)
    with torch.no_grad():
        model.head.weight.copy_(weight[:, :, None, None])


def tag_loss(logits: Tensor, batch: Sample, counts: Tensor) -> Tensor:
    """Multi-label soft margin, mean over the tags that are said; with `count_tags`."""
    from ..core.tags import tag_losses

    return tag_losses(logits, batch["tags"], counts).mean() * (len(logits) / counts[0])


def validate(
    reader: DatasetReader,
    ids: list[str],
    side: int,
    batch_size: int,
    figures: Callable[[np.ndarray, np.ndarray], dict[str, float]],
    model: nn.Module,
    compute: Compute,
) -> dict[str, float]:
    """The figures of whole images' scores (N, C) and tags (N, C)."""
    import numpy as np

    from .compute import predictions
    from .data import Samples, in_order
    from .loop import check_finite

    samples = Samples(partial(load_whole, reader, side), ids)
    keys = compute.team.mine(in_order(len(ids), batch_size))
    seen = [
        (logits.cpu().numpy(), batch["tags"].cpu().numpy())
        for logits, batch in predictions(model, compute.batches(samples, keys), compute)
    ]
    found = [pair for part in compute.team.gather(seen) for pair in part]
    scores, tags = (np.concatenate(column) for column in zip(*found, strict=True))
    check_finite(bool(np.isfinite(scores).all()), "validation gives scores that are not finite")
    return figures(scores, tags)
