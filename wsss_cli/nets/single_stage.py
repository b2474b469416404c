"""The network that tags alone teach to segment: cells to learn from, and a rule to predict by."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.grid import upsample_grid
from ..core.presence import PresenceRule
from ..core.single_stage_pooling import Pooling, class_scores, with_background
from ..machine.precision import full_precision
from .gated import GatedHead
from .segmentation import Segmenter


def ruled(masks: Tensor, scores: Tensor | None, rule: PresenceRule) -> Tensor:
    """The probabilities that labels are chosen by, summing to 1 at each pixel.

    Args:
        masks: (B, n, H, W) float32 probabilities, background first.
        scores: (B, n - 1) logits of each class being in the image; None where all may be.
        rule: as above.

    >>> masks = torch.tensor([0.5, 0.25, 0.25]).view(1, 3, 1, 1)
    >>> ruled(masks, torch.tensor([[2.0, -4.0]]), PresenceRule()).flatten().tolist()
    [0.3333333432674408, 0.6666666865348816, 0.0]
    """
    background, classes = masks[:, :1] ** rule.background_power, masks[:, 1:]
    if scores is not None:
        classes = classes * (scores.sigmoid() > rule.min_class)[:, :, None, None]
    total = background + classes.sum(1, keepdim=True)
    # where nothing is left, everything is background
    background = torch.where(total > 0, background, 1.0)
    return torch.cat([background, classes], dim=1) / torch.where(total > 0, total, 1.0)


class SingleStageNet(Segmenter):
    """A network that tells which classes an image holds from the masks it gives them.

    Args:
        net: its backbone and head are taken over; of the head's logits, those of the classes.
        pooling: from masks to scores.
        shallow: of the gate of a `GatedHead`; None for other heads, which have none.

    Raises:
        ValueError: a gate too many, or too few.
    """

    def __init__(self, net: Segmenter, pooling: Pooling, shallow: float | None) -> None:
        super().__init__(net.backbone, net.head, None)
        self.pooling = pooling
        if isinstance(net.head, GatedHead) != (shallow is not None):
            raise ValueError("a gated head, and no other, needs the part of its gate")
        if isinstance(net.head, GatedHead) and shallow is not None:
            net.head.gate.shallow = shallow

    def cells(self, x: Tensor) -> Tensor:
        """Logits (B, n_labels, h, w) float32 at head.stride of images (B, 3, H, W)."""
        logits = full_precision(self.head(self.maps(x), (x.shape[-2], x.shape[-1])))
        return with_background(logits[:, 1:])

    def seen(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Masks (B, n_labels, H, W), and each class's score (B, n_labels - 1)."""
        logits = self.cells(x)
        size = (x.shape[-2], x.shape[-1])
        masks = upsample_grid(logits.softmax(dim=1), size, self.head.stride)
        return masks, class_scores(logits, self.pooling)

    def forward(self, x: Tensor) -> Tensor:
        """In train mode the cells' logits; in eval mode probabilities (B, n_labels, H, W)."""
        if self.training:
            return self.cells(x)
        return ruled(*self.seen(x), PresenceRule())
