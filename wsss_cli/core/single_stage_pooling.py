"""Class scores pooled from a segmentation network's own masks, so that tags can train it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .probe import minimise
from .tags import is_present, tag_losses

POWER, OFFSET = 3.0, 0.01
BACKGROUND_LOGIT = 1.0  # of every cell: classes are told from it, not it from them
PEAK_PART = 0.3  # of a map's peak: what IRN takes for sure of a class
GAINS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # spreads of logits that the search starts from


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
    """The scale and offset that make a classifier's maps logits beside BACKGROUND_LOGIT.

    Both are shared by all classes. Logits cross the background's where a map has PEAK_PART of what
    is usual for its highest value, the median over the images' present classes; if that is not
    above 0, so far on the way to it from the mean. Of such pairs of numbers, it is the one at which
    `tag_losses` of their `class_scores` are least in the mean, with a spread of maps between the
    ends of GAINS. (To let tags choose both gives masks that are far too large, which pooled scores
    hardly mind.)

    Args:
        maps: (B, C, h, w) float.
        tags: (B, C) of 1, 0 and NaN, see `core.tags`.
        pooling: as in training.
        seen: as `class_scores` has it.

    Returns:
        the scale, above 0, and the offset. Without any tag, a spread of 1 and no map above the
        background; maps without any spread are set to its height.

    Raises:
        ValueError: numbers that are not finite, or nothing seen.
    """
    if seen is None:
        seen = torch.ones_like(maps[:, 0], dtype=torch.bool)
    maps, present = maps.detach().double(), is_present(tags)
    values = maps.movedim(1, -1)[seen]
    if not values.numel() or not bool(values.isfinite().all()):
        raise ValueError("maps are empty or not finite")
    spread, mean = float(values.std(correction=0)), float(values.mean())
    if not spread:
        return 1.0, BACKGROUND_LOGIT - mean
    if not bool(present.any()):
        return 1 / spread, BACKGROUND_LOGIT - float(values.max()) / spread
    peaks = maps.masked_fill(~seen[:, None], -torch.inf).amax((-2, -1))[present]
    floor, peak = min(0.0, mean), float(peaks.median())
    level = PEAK_PART * peak if peak > 0 else floor + PEAK_PART * (peak - floor)
    centred = (maps - level) / spread

    def loss(gain: Tensor) -> Tensor:
        logits = with_background(gain.exp() * centred + BACKGROUND_LOGIT)
        return tag_losses(class_scores(logits, pooling, seen), tags).mean()

    starts = [maps.new_tensor(math.log(gain)) for gain in GAINS]
    with torch.no_grad():
        best = min(starts, key=lambda gain: float(loss(gain)))
    best.requires_grad_()
    minimise([best], lambda: loss(best))
    gain = min(max(math.exp(float(best.detach())), GAINS[0]), GAINS[-1])
    scale = gain / spread
    return scale, BACKGROUND_LOGIT - scale * level


def focal_penalty(size: Tensor, pooling: Pooling) -> Tensor:
    """(1 - size) ** power * log(offset + size) of masks that cover a part `size` in 0..1."""
    # the clamp is for sums that are rounded to a little above the number of cells
    return (1 - size).clamp(min=0) ** pooling.power * torch.log(pooling.offset + size)
