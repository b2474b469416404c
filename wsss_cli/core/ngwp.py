"""Class scores pooled from a segmentation network's own masks, so that tags can train it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

POWER, OFFSET = 3.0, 0.01


@dataclass(frozen=True)
class Pooling:
    """How masks become class scores.

    Attributes:
        power: of the focal penalty, 0 or more; the higher, the smaller the masks it lets pass.
        offset: of the focal penalty, above 0; a class without any mask gets log(offset).
    """

    power: float = POWER
    offset: float = OFFSET

    def __post_init__(self) -> None:
        if not 0 <= self.power < float("inf"):
            raise ValueError("the focal penalty's power must be 0 or more")
        if not 0 < self.offset < float("inf"):
            raise ValueError("the focal penalty's offset must be above 0")


def class_scores(logits: Tensor, pooling: Pooling, seen: Tensor | None = None) -> Tensor:
    """A score for each class: its logits averaged over its own mask, less a penalty of size.

    Masks m are the softmax over labels; x are logits. Normalised global weighted pooling gives
    sum_p x m / (1 + sum_p m), to which (1 - M) ** power * log(offset + M) is added, M being the
    mean of m over all cells: next to nothing for a large mask, log(offset) for none.

    Args:
        logits: (B, n, h, w) float, background first.
        pooling: the penalty.
        seen: (B, h, w) bool, the cells of the image and not of its padding; None for all.

    Returns:
        (B, n - 1), of the classes; to be read as logits of a class being present.

    Raises:
        ValueError: `seen` does not fit.

    Source: Araslanov and Roth (CVPR 2020), section 4.1, and their code.

    >>> x = torch.zeros(1, 2, 4, 4)
    >>> [round(s, 4) for s in class_scores(x, Pooling())[0].tolist()]  # 0 + 0.5 ** 3 * log(0.51)
    [-0.0842]
    """
    masks = logits.softmax(dim=1)
    cells = logits.new_full((len(logits), 1), logits.shape[-2] * logits.shape[-1])
    if seen is not None:
        if seen.shape != (len(logits), *logits.shape[-2:]):
            raise ValueError(f"{tuple(seen.shape)} seen cells of {tuple(logits.shape)} logits")
        masks = masks * seen[:, None]
        cells = seen.flatten(1).sum(1, keepdim=True).clamp(min=1).to(logits.dtype)
    masks, values = masks[:, 1:].flatten(2), logits[:, 1:].flatten(2)
    size = masks.sum(-1)
    return (values * masks).sum(-1) / (1 + size) + focal_penalty(size / cells, pooling)


def focal_penalty(size: Tensor, pooling: Pooling) -> Tensor:
    """(1 - size) ** power * log(offset + size) of masks that cover a part `size` in 0..1."""
    # the clamp is for sums that are rounded to a little above the number of cells
    return (1 - size).clamp(min=0) ** pooling.power * torch.log(pooling.offset + size)


def tag_losses(scores: Tensor, tags: Tensor) -> Tensor:
    """(B,) multi-label soft margin of (B, C) scores and tags, of 0 and 1: mean over classes."""
    return F.multilabel_soft_margin_loss(scores, tags.to(scores.dtype), reduction="none")
