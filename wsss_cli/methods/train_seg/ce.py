"""train-seg --loss ce: cross-entropy with label maps, such as pseudo masks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...training.labelled import Labelled, LabelOptions, usual
from ...training.probes import probes_head
from ...training.scaling import unless_sided
from ...training.segmenting import SegmentingCard

if TYPE_CHECKING:
    from torch import Tensor

    from ...training.losses import Loss


class CrossEntropy(Labelled):
    """A network that learns every labelled pixel alike."""

    name = "ce"

    def loss(self) -> Loss:
        from ...training.losses import Loss, count_pixels

        return Loss(count_pixels, partial(label_loss, self.task.head.aux))


def label_loss(
    aux_weight: float, outputs: Tensor | dict[str, Tensor], labels: Tensor, count: Tensor
) -> Tensor:
    """Cross-entropy over labelled pixels, plus `aux_weight` times that of the auxiliary head."""
    from ...training.losses import pixel_cross_entropy, with_auxiliary

    return with_auxiliary(
        aux_weight, outputs, lambda logits: pixel_cross_entropy(logits, labels, count)
    )


CARD = SegmentingCard(
    name="ce",
    by="loss",
    said="cross-entropy over labelled pixels",
    options=LabelOptions,
    lesson=CrossEntropy,
    learns=(),
    probes=probes_head,
    source="as SEAM retrains: Wang et al., CVPR 2020, and its code",
    page="retrain",
    usual=usual(rescale=unless_sided("0.5,1.5")),
)
