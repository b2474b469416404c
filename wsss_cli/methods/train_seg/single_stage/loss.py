"""The loss of the single-stage method: tags by the masks' scores, masks by their refined selves."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from ....core.grid import upsample_grid
from ....core.single_stage_labels import SelfLabels, balanced_losses, self_labels
from ....core.single_stage_pooling import Pooling, class_scores
from ....core.tags import is_present, tag_losses
from ....training.data import Sample
from ....training.losses import nearest_labels
from ....training.seeded import to_cells

TAG_EPOCHS = 5
REFINED = 4  # pixels per cell of the masks that PAMR refines, where the logits' are not smaller


@dataclass(frozen=True)
class SingleStageLoss:
    """Soft margin of the tags plus cross-entropy with labels of one's own, means over images.

    A batch is {"image": (B, 3, H, W) in any range; "tags": (B, C) of 1, 0 and NaN, see `core.tags`;
    "inside": (B, H, W) bool, pixels of the image and not of its padding; "key": (B, 2) int64, epoch
    first}. A network labels pixels as classes present alone.

    Attributes:
        stride: pixels per cell of the logits.
        pooling: from masks to scores.
        rule: which labels a network gives itself.
        tag_epochs: the first epochs, in which only tags teach.
        mask_weight: of the cross-entropy.
    """

    stride: int
    pooling: Pooling = field(default_factory=Pooling)
    rule: SelfLabels = field(default_factory=SelfLabels)
    tag_epochs: int = TAG_EPOCHS
    mask_weight: float = 1.0

    def share(self, logits: Tensor, batch: Sample, counts: Tensor) -> Tensor:
        """A part's share of the loss, as `training.losses.Loss` has it; with `count_tags`.

        Args:
            logits: (B, C + 1, h, w) of the cells.
        """
        cells = nearest_labels(batch["inside"], self.stride)
        losses = tag_losses(class_scores(logits, self.pooling, cells), batch["tags"], counts)
        if self.mask_weight and int(batch["key"][0, 0]) >= self.tag_epochs:
            losses = losses + self.mask_weight * self.mask_losses(logits, batch)
        return losses.sum() / counts[0].clamp(min=1)

    def mask_losses(self, logits: Tensor, batch: Sample) -> Tensor:
        """(B,) cross-entropies with the labels that the network gives itself."""
        image = batch["image"]
        size = (image.shape[-2], image.shape[-1])
        labels = self.labels(logits, batch)
        large = upsample_grid(logits, size, self.stride)
        return balanced_losses(large, labels, is_present(batch["tags"]), batch["inside"])

    def labels(self, logits: Tensor, batch: Sample) -> Tensor:
        """(B, H, W) uint8 labels that the network gives itself, IGNORE where it is not sure."""
        image, inside = batch["image"], batch["inside"][:, None]
        side = min(self.stride, REFINED)
        # Colours of cells across the border of the image: of the pixels that are in it
        part = to_cells(inside.to(image.dtype), side)
        colours = to_cells(image * inside, side) / part.clamp(min=side**-2)
        return self_labels(
            colours,
            logits.detach().softmax(1),
            is_present(batch["tags"]),
            (image.shape[-2], image.shape[-1]),
            self.stride,
            self.rule,
            batch["inside"],
            side,
        )
