"""train-cls --method cam: the plain classifier, whose maps start the chain."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...core.pooling import SHARPNESS
from ...errors import UsageError
from ...training.classifying import WHOLE, Classifying, Learner, if_probed, probes_tags
from ...training.job import TrainingCard

if TYPE_CHECKING:
    from ...nets.classifier import Classifier


class Pool(str, enum.Enum):
    """How the cells of a class's map become its score."""

    gap = "gap"
    max = "max"
    lse = "lse"


@dataclass(frozen=True, kw_only=True)
class Plain:
    """What only the plain classifier has."""

    pool: Annotated[
        Pool,
        typer.Option(
            help="How a class's map becomes its score. gap: the mean of all cells; max: the "
            "strongest cell; lse: between them, by log-sum-exp."
        ),
    ] = Pool.gap
    lse_sharpness: Annotated[
        float,
        typer.Option(
            min=0.01, metavar="R", help="Sharpness of --pool lse; the larger, the nearer to max."
        ),
    ] = SHARPNESS

    @property
    def network(self) -> dict[str, Any]:
        """Of these options those that the network is rebuilt from, where they are not usual.

        The usual ones stay unsaid, so that weights from before there were others are the same run.
        """
        if self.pool is Pool.gap:
            return {}
        sharpness = {"lse_sharpness": self.lse_sharpness} if self.pool is Pool.lse else {}
        return {"pool": self.pool.value, **sharpness}


class PlainLesson(Classifying):
    """A classifier that learns from tags, and nothing else."""

    def __post_init__(self) -> None:
        super().__post_init__()
        options = self.options
        if options.lse_sharpness != SHARPNESS and options.pool is not Pool.lse:
            raise UsageError("--lse-sharpness: needs --pool lse")
        if not math.isfinite(options.lse_sharpness):
            raise UsageError("--lse-sharpness: must be a number")

    def learner(self, n_classes: int) -> Learner:
        plain, own = super().learner(n_classes), self.options.network
        plain.model.pool = self.options.pool.value
        plain.model.sharpness = self.options.lse_sharpness
        return replace(plain, config=own, params=own)


def pooling(config: Mapping[str, Any]) -> dict[str, Any]:
    """What `Classifier` is told of its pooling."""
    return {
        "pool": config.get("pool", Pool.gap.value),
        "sharpness": config.get("lse_sharpness", SHARPNESS),
    }


def network(config: Mapping[str, Any], n_classes: int) -> Classifier:
    """The network that weights of this method hold, untrained."""
    from ...nets.classifier import Classifier
    from ...nets.rebuild import backbone_of

    return Classifier(backbone_of(config), n_classes, **pooling(config))


CARD = TrainingCard(
    name="cam",
    said="a plain classifier",
    options=Plain,
    lesson=PlainLesson,
    network=network,
    probes=probes_tags,
    page="cam",
    source="CAM: Zhou et al., CVPR 2016; trained as in IRNet's code (Ahn, Cho and Kwak, CVPR 2019)",
    usual={
        "output_stride": 16,
        "dropout": 0.0,
        "epochs": if_probed(3, 5),
        "batch_size": 16,
        "lr": 3e-3,
        "head_multiplier": 100.0,
        "weight_decay": 1e-4,
        "crop": WHOLE,
        "jitter": None,
    },
)
