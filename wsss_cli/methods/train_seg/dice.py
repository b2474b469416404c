"""train-seg --loss dice: how well a label's probabilities cover its pixels (U-Net's loss)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...training.labelled import Labelled, LabelOptions, usual
from ...training.probes import probes_head
from ...training.scaling import unless_sided
from ...training.segmenting import SegmentingCard

if TYPE_CHECKING:
    from torch import Tensor

    from ...training.data import Sample
    from ...training.losses import Loss


@dataclass(frozen=True, kw_only=True)
class DiceOptions(LabelOptions):
    """What goes with the overlap."""

    ce_weight: Annotated[
        float,
        typer.Option(
            min=0,
            max=1e6,
            help="Weight of the cross-entropy beside the Dice loss; 0: no cross-entropy.",
        ),
    ] = 0.0


class Dice(Labelled):
    """A network that learns to cover each label, however small, as well as the others."""

    name = "dice"

    def loss(self) -> Loss:
        from ...training.losses import Loss

        weights = self.task.head.aux, self.options.ce_weight
        return Loss(count_images_and_pixels, partial(overlap_loss, *weights))

    def params(self) -> dict[str, Any]:
        return {"ce_weight": self.options.ce_weight}


def count_images_and_pixels(batch: Sample) -> tuple[Tensor, Tensor]:
    """Labels (B, H, W), and (2,): images with a labelled pixel, and labelled pixels."""
    import torch

    from ...core.labels import IGNORE

    known = batch["label"] != IGNORE
    return batch["label"], torch.stack([known.flatten(1).any(1).sum(), known.sum()])


def overlap_loss(
    aux_weight: float,
    ce_weight: float,
    outputs: Tensor | dict[str, Tensor],
    labels: Tensor,
    counts: Tensor,
) -> Tensor:
    """A part's share of the Dice loss, plus `ce_weight` times that of cross-entropy.

    The Dice loss is a mean over images, not one Dice of all the batch's pixels: the denominator of
    that holds probabilities of parts that are yet to be seen.

    Args:
        aux_weight: of the same of the auxiliary head.
        ce_weight: of cross-entropy, a mean over labelled pixels.
        outputs: logits (B, n, H, W); or "out" and "aux".
        labels: (B, H, W) uint8 below n, or IGNORE.
        counts: of the whole batch, as `count_images_and_pixels` has them.
    """
    from ...core.dice import dice_losses
    from ...training.losses import pixel_cross_entropy, with_auxiliary

    def loss(logits: Tensor) -> Tensor:
        total = dice_losses(logits.softmax(1), labels).sum() / counts[0].clamp(min=1)
        if ce_weight:
            total = total + ce_weight * pixel_cross_entropy(logits, labels, counts[1])
        return total

    return with_auxiliary(aux_weight, outputs, loss)


CARD = SegmentingCard(
    name="dice",
    by="loss",
    said="overlap with each label's pixels, small labels counting like large ones",
    options=DiceOptions,
    lesson=Dice,
    learns=(),
    probes=probes_head,
    source="Milletari et al., V-Net, 3DV 2016; plain sums as Drozdzal et al., DLMIA 2016",
    page="dice",
    usual=usual(rescale=unless_sided("0.5,1.5")),
)
