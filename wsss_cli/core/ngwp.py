"""Class scores pooled from a segmentation network's own masks, so that tags can train it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .probe import minimise

POWER, OFFSET = 3.0, 0.01
BACKGROUND_LOGIT = 1.0  # of every cell: classes are told from it, not it from them
STARTS = [(gain, shift) for gain in (0.5, 1.0, 2.0, 4.0) for shift in (-8.0, -4.0, -2.0, 0.0)]


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


def with_background(classes: Tensor) -> Tensor:
    """Logits (B, C + 1, h, w) of background and classes, of the classes' (B, C, h, w)."""
    return F.pad(classes, (0, 0, 0, 0, 1, 0), value=BACKGROUND_LOGIT)


def fitted_logits(
    maps: Tensor, tags: Tensor, pooling: Pooling, seen: Tensor | None = None
) -> tuple[float, float]:
    """The scale and offset that make class maps the logits whose scores tell tags best.

    A classifier's maps rank cells, but mean nothing beside a background of BACKGROUND_LOGIT. So
    scale * maps + offset is taken for the logits, with the two numbers, shared by all classes, at
    which `tag_losses` of their `class_scores` are least in the mean.

    Args:
        maps: (B, C, h, w) float.
        tags: (B, C) of 0 and 1.
        pooling: as in training.
        seen: as `class_scores` has it.

    Returns:
        the scale, above 0, and the offset. Scale 1 and offset 0 for maps without any spread.

    Raises:
        ValueError: numbers that are not finite.
    """
    if not bool(maps.isfinite().all()):
        raise ValueError("maps are not finite")
    maps = maps.detach().double()
    values = maps if seen is None else maps.movedim(1, -1)[seen]
    spread = float(values.std(correction=0)) if values.numel() else 0.0
    if not spread:
        return 1.0, 0.0

    def loss(gain: Tensor, shift: Tensor) -> Tensor:
        logits = with_background(gain.exp() / spread * maps + shift)
        return tag_losses(class_scores(logits, pooling, seen), tags).mean()

    def start(gain: float, shift: float) -> list[Tensor]:
        return [maps.new_tensor(math.log(gain)), maps.new_tensor(shift)]

    with torch.no_grad():
        best = min((start(*pair) for pair in STARTS), key=lambda pair: float(loss(*pair)))
    gain, shift = (number.requires_grad_() for number in best)
    minimise([gain, shift], lambda: loss(gain, shift))
    return math.exp(float(gain.detach())) / spread, float(shift.detach())


def focal_penalty(size: Tensor, pooling: Pooling) -> Tensor:
    """(1 - size) ** power * log(offset + size) of masks that cover a part `size` in 0..1."""
    # the clamp is for sums that are rounded to a little above the number of cells
    return (1 - size).clamp(min=0) ** pooling.power * torch.log(pooling.offset + size)


def tag_losses(scores: Tensor, tags: Tensor) -> Tensor:
    """(B,) multi-label soft margin of (B, C) scores and tags, of 0 and 1: mean over classes."""
    return F.multilabel_soft_margin_loss(scores, tags.to(scores.dtype), reduction="none")
