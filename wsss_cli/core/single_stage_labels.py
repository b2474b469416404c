"""Labels that a segmentation network makes for itself: its refined masks, where they are sure."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .grid import upsample_grid
from .labels import BACKGROUND, IGNORE, MAX_CLASSES
from .pamr import pamr
from .pamr_defaults import DILATIONS, ITERATIONS

TOP_FG, TOP_BG, LOWEST = 0.6, 0.7, 0.2


@dataclass(frozen=True)
class SelfLabels:
    """When a pixel of a refined mask is sure.

    Attributes:
        top_fg, top_bg: above this part of a class's, of the background's highest score in the
            image; and
        lowest: above this, for all.
        iterations: of PAMR; 0 leaves masks as they are.
        dilations: of PAMR, in cells.
    """

    top_fg: float = TOP_FG
    top_bg: float = TOP_BG
    lowest: float = LOWEST
    iterations: int = ITERATIONS
    dilations: tuple[int, ...] = DILATIONS

    def __post_init__(self) -> None:
        if not all(0 <= part <= 1 for part in (self.top_fg, self.top_bg, self.lowest)):
            raise ValueError("the parts that make a pixel sure must lie in 0..1")
        if self.iterations < 0:
            raise ValueError("PAMR iterations must not be below 0")


@torch.no_grad()
def self_labels(
    image: Tensor,
    masks: Tensor,
    present: Tensor,
    size: tuple[int, int],
    stride: int,
    rule: SelfLabels,
    seen: Tensor | None = None,
    side: int | None = None,
) -> Tensor:
    """Labels of the pixels that a network is sure of, among the labels that an image may have.

    Masks of background and present classes are refined by PAMR, enlarged to pixels, and cut off
    each at its own threshold. Pixels above none or above several are ignored. Cells without a pixel
    that is seen have no part in it.

    Args:
        image: (B, 3, h', w') float colours of cells of `side` pixels, in any range.
        masks: (B, C + 1, h, w) float in [0, 1], background first.
        present: (B, C) bool, or 0 and 1.
        size: (H, W) of the labels.
        stride: pixels per cell of the masks.
        rule: refinement and thresholds.
        seen: (B, H, W) bool, pixels of the image and not of its padding; None for all.
        side: pixels per cell of the grid that masks are refined on, a divisor of stride; None for
            stride.

    Returns:
        (B, H, W) uint8, IGNORE where unsure or not seen.

    Raises:
        ValueError: shapes that do not fit, or more classes than labels can tell apart.

    Source: Araslanov and Roth (CVPR 2020), section 4.3, and their code, which has the parts of
    the highest score.
    """
    if masks.shape[1] - 1 != present.shape[1] or present.shape[1] > MAX_CLASSES:
        raise ValueError(f"{masks.shape[1]} masks for {present.shape[1]} classes")
    numbers, kept = _channels(present)
    rows = torch.arange(len(masks), device=masks.device)[:, None]
    chosen = masks[rows, numbers] * kept[:, :, None, None]
    cells = None if seen is None else _seen_cells(seen, stride)
    if side is not None and side < stride:
        grid = (image.shape[-2], image.shape[-1])
        chosen = _enlarged(chosen, grid, stride // side, cells)
        stride, cells = side, None if seen is None else _seen_cells(seen, side)
    chosen = pamr(image, chosen, iterations=rule.iterations, dilations=rule.dilations, seen=cells)
    local = sure_channels(_enlarged(chosen, size, stride, cells), rule, seen)
    table = F.pad(numbers.to(torch.uint8), (0, 1), value=IGNORE)  # for the channel after the last
    return table.gather(1, local.flatten(1)).view(local.shape)


def _seen_cells(seen: Tensor, stride: int) -> Tensor:
    """(B, h, w) bool cells that hold a pixel that is seen, of (B, H, W)."""
    return F.max_pool2d(seen[:, None].float(), stride, ceil_mode=True)[:, 0] > 0


def _enlarged(maps: Tensor, size: tuple[int, int], stride: int, cells: Tensor | None) -> Tensor:
    """`upsample_grid` of (B, n, h, w), with the weights of cells that are seen summing to 1."""
    if cells is None:
        return upsample_grid(maps, size, stride)
    hidden = ~cells[:, None]
    missing = upsample_grid(hidden.to(maps.dtype), size, stride)
    large = upsample_grid(maps.masked_fill(hidden, 0), size, stride)
    # A seen pixel's own cell has more than a quarter: the bound is for the others
    return large / (1 - missing.clamp(max=0.75))


def _channels(present: Tensor) -> tuple[Tensor, Tensor]:
    """The labels of background and present classes, rising; as many for each image as the fullest.

    Returns:
        (B, k) int64 labels, and (B, k) bool: False where the class is only there to fill up.
    """
    order = (~present.bool()).to(torch.int8).argsort(dim=1, stable=True)
    count = int(present.bool().sum(1).max()) if present.numel() else 0
    order = order[:, :count]
    kept = present.bool().gather(1, order)
    return F.pad(order + 1, (1, 0), value=BACKGROUND), F.pad(kept, (1, 0), value=True)


def sure_channels(scores: Tensor, rule: SelfLabels, seen: Tensor | None = None) -> Tensor:
    """Which channel alone a pixel is sure of.

    A score is sure above rule.lowest and above a part of the channel's highest: rule.top_bg of the
    first's, rule.top_fg of others'. Strictly above.

    Args:
        scores: (B, n, H, W) float, background first.
        rule: the thresholds.
        seen: (B, H, W) bool; other pixels are neither sure nor counted.

    Returns:
        (B, H, W) int64: 0..n-1, or n where no channel or several are.
    """
    if seen is not None:
        scores = scores * seen[:, None]
    parts = scores.new_full((scores.shape[1], 1, 1), rule.top_fg)
    parts[:1] = rule.top_bg
    threshold = (scores.amax((-2, -1), keepdim=True) * parts).clamp(min=rule.lowest)
    sure = scores > threshold
    return torch.where(sure.sum(1) == 1, sure.to(torch.uint8).argmax(1), scores.shape[1])


def balanced_losses(
    logits: Tensor, labels: Tensor, present: Tensor, seen: Tensor | None = None
) -> Tensor:
    """Cross-entropy of each image with labels that it made itself, classes weighed against size.

    A pixel of label c weighs (n - n_c) / (1 + n), with n labelled pixels of which n_c are of c;
    the mean is over all pixels of the image, labelled or not. An image whose labels lack the
    background or a present class teaches nothing.

    Args:
        logits: (B, C + 1, H, W) float.
        labels: (B, H, W) uint8 of `self_labels`.
        present: (B, C) bool, or 0 and 1.
        seen: (B, H, W) bool, as there.

    Returns:
        (B,).

    Source: Araslanov and Roth (CVPR 2020), their code.
    """
    n_labels, flat = logits.shape[1], labels.flatten(1).long()
    known = flat != IGNORE
    slots = torch.where(known, flat, n_labels)  # what is ignored is counted beyond the labels
    rows = torch.arange(len(slots), device=slots.device)[:, None] * (n_labels + 1)
    counts = torch.bincount((slots + rows).flatten(), minlength=len(slots) * (n_labels + 1))
    counts = counts.view(-1, n_labels + 1).to(logits.dtype)
    total = known.sum(1, keepdim=True).to(logits.dtype)
    weights = (total - counts) / (1 + total)
    weights[:, n_labels] = 0
    losses = F.cross_entropy(logits, labels.long(), ignore_index=IGNORE, reduction="none")
    pixels = seen.flatten(1).sum(1).clamp(min=1) if seen is not None else flat.shape[1]
    means = (losses.flatten(1) * weights.gather(1, slots)).sum(1) / pixels
    found = (counts[:, :n_labels] > 0).sum(1)
    return torch.where(found == present.bool().sum(1) + 1, means, torch.zeros_like(means))
