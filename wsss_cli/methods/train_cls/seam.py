"""train-cls --method seam: equivariant maps, refined by the correlation of pixels (SEAM)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...artifacts.supervision import TAGS
from ...training.classifying import JITTER, Classifying, Learner, if_probed, probes_tags
from ...training.lesson import TrainingCard

if TYPE_CHECKING:
    from torch import Tensor

    from ...nets.seam import SeamNet
    from ...training.data import Sample


@dataclass(frozen=True, kw_only=True)
class Seam:
    """What only SEAM has."""

    pair_scale: Annotated[
        float,
        typer.Option(
            min=0.05, max=0.95, help="Side of the image's small copy, as a part of --crop."
        ),
    ] = 0.3
    er_weight: Annotated[
        float, typer.Option(min=0, help="Weight of the equivariance loss, between the two copies.")
    ] = 1.0
    ecr_weight: Annotated[
        float,
        typer.Option(
            min=0,
            help="Weight of the loss between the maps and the refined maps of the other copy.",
        ),
    ] = 1.0
    min_weight: Annotated[
        float, typer.Option(min=0, help="Weight of the min-pooling loss; 0 in the paper.")
    ] = 1.0
    suppress: Annotated[
        bool,
        typer.Option(
            "--suppress/--no-suppress", help="Refine only the strongest class of each cell."
        ),
    ] = True
    detach: Annotated[
        bool,
        typer.Option(
            "--detach/--no-detach",
            help="Keep the gradient of the refinement from the backbone, as the published code "
            "does.",
        ),
    ] = True


class SeamLesson(Classifying):
    """A classifier whose maps of an image and of its small copy agree."""

    sides = (1, 12 / 7)  # SEAM's 448..768 with 448

    def learner(self, n_classes: int) -> Learner:
        from ...nets.seam import SeamNet
        from ...training.losses import Loss, count_tags

        options = self.options
        model = SeamNet(
            self.task.body.build(),
            n_classes,
            self.task.dropout,
            pair_scale=options.pair_scale,
            suppress=options.suppress,
            detach=options.detach,
        )
        config = {"method": CARD.name, "suppress": options.suppress}
        loss = Loss(count_tags, partial(pair_loss, options))
        return Learner(model, loss, config, {**config, **asdict(options)})


def pair_loss(
    seam: Seam, outputs: dict[str, tuple[Tensor, Tensor]], batch: Sample, counts: Tensor
) -> Tensor:
    """SEAM's losses of the images and their small copies."""
    from ...core.seam import PairWeights, seam_loss
    from ...nets.seam import small_size

    size = (batch["image"].shape[-2], batch["image"].shape[-1])
    return seam_loss(
        outputs["cams"],
        outputs["refined"],
        batch["tags"],
        (size, small_size(size, seam.pair_scale)),
        PairWeights(seam.er_weight, seam.ecr_weight, seam.min_weight),
        counts,
    )


def network(config: Mapping[str, Any], n_classes: int) -> SeamNet:
    """The network that weights of this method hold, untrained."""
    from ...nets.rebuild import backbone_of, entry
    from ...nets.seam import SeamNet

    return SeamNet(backbone_of(config), n_classes, suppress=entry(config, "suppress", bool))


# As published, but for a tenth of its rate, since that goes without momentum. A probe's head is no
# random one: channels dropped from it, and a rate too low to find its offset, send that error to
# the backbone.
CARD = TrainingCard(
    name="seam",
    said="equivariant maps, refined by pixel correlation",
    options=Seam,
    lesson=SeamLesson,
    learns=(TAGS,),
    network=network,
    probes=probes_tags,
    source="SEAM: Wang et al., CVPR 2020, and its code",
    page="seam",
    usual={
        "output_stride": 8,
        "dropout": if_probed(0.0, 0.5),
        "epochs": 8,
        "batch_size": 8,
        "lr": 1e-3,
        "head_multiplier": if_probed(100.0, 10.0),
        "weight_decay": 5e-4,
        "crop": 448,
        "jitter": JITTER,
    },
)
