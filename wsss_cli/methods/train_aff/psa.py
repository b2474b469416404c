"""train-aff --method psa: features of pixels whose distance tells what belongs together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...nets.names import BACKBONE_FACTS, facts_of
from ...training.affinities import Learner, Relating, count_cells
from ...training.lesson import TrainingCard

if TYPE_CHECKING:
    from torch import Tensor

    from ...artifacts import DatasetReader
    from ...nets.affinity import AffinityNet

NORMLESS = " or ".join(name for name, facts in BACKBONE_FACTS.items() if facts.vgg)


@dataclass(frozen=True, kw_only=True)
class Projections:
    """What only AffinityNet has."""

    group_norm: Annotated[
        bool | None,
        typer.Option(
            "--group-norm/--no-group-norm",
            help="Apply group norm to the projections of the features. "
            f"Default: yes with {NORMLESS}, which has no batch norm, else no.",
        ),
    ] = None


class AffinityLesson(Relating):
    """AffinityNet, all of which trains, on the commonest label of each cell."""

    def learner(self, reader: DatasetReader, ids: Sequence[str]) -> Learner:
        from ...nets.affinity import AffinityNet
        from ...training.losses import Loss, vote_labels

        body, radius, norm = self.task.body, self.task.radius, self.options.group_norm
        norm = facts_of(body.backbone).vgg if norm is None else norm
        model = AffinityNet(body.build(), norm)
        prepare = partial(count_cells, vote_labels, model.stride, radius)
        loss = Loss(prepare, partial(affinity_loss, radius))
        return Learner(model, loss, {"method": CARD.name, "group_norm": norm})


def affinity_loss(radius: int, features: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
    """AffinityNet's loss."""
    from ...core.affinity import affinity_loss_psa

    return affinity_loss_psa(features, labels, radius, counts=counts).total


def network(config: Mapping[str, Any], _: int) -> AffinityNet:
    """The network that weights of this method hold, untrained."""
    from ...nets.affinity import AffinityNet
    from ...nets.rebuild import backbone_of, entry

    return AffinityNet(backbone_of(config), entry(config, "group_norm", bool))


# Crops, scales, radius, decay, strides as published. The rate is theirs over ten, since that goes
# without momentum; batches are smaller and epochs more, so that a few hundred images make enough
# steps.
CARD = TrainingCard(
    name="psa",
    said="AffinityNet's features of pixels",
    options=Projections,
    lesson=AffinityLesson,
    learns=(),
    network=network,
    source="AffinityNet: Ahn and Kwak, CVPR 2018, and its code (PSA)",
    usual={
        "radius": 5,
        "output_stride": 8,
        "dilated": True,
        "epochs": 8,
        "batch_size": 8,
        "lr": 1e-3,
        "weight_decay": 5e-4,
        "crop": 448,
        "rescale": None,
    },
)
