"""Losses and targets that more than one stage could want."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.labels import IGNORE
from ..core.tags import is_said
from .data import Sample


@dataclass(frozen=True)
class Loss:
    """A mean over a batch that is seen in parts, in turn or by several processes at once.

    What a mean divides by is counted over the whole batch before any part's outputs are known, so
    that the parts' shares add up to the loss of the whole, however unlike the parts are.

    Attributes:
        prepare: what to compare a part's outputs with, and a (K,) int64 tensor of how many
            images, pixels or pairs it holds for each mean in the loss. Counts of parts add up.
        share: a part's share of the loss, from its float32 outputs, what `prepare` gave to compare
            with, and the counts of the whole batch.
    """

    prepare: Callable[[Sample], tuple[Any, Tensor]]
    share: Callable[[Any, Any, Tensor], Tensor]


def count_images(batch: Sample) -> tuple[Sample, Tensor]:
    """The batch itself, and (1,) its images: for a mean over images."""
    image = batch["image"]
    return batch, torch.tensor([len(image)], device=image.device)


def count_tags(batch: Sample) -> tuple[Sample, Tensor]:
    """The batch itself, and (2,) its images and its tags that are said: for `tag_losses`."""
    tags = batch["tags"]
    said = is_said(tags).sum()
    return batch, torch.stack([torch.full_like(said, len(tags)), said])


def count_pixels(batch: Sample) -> tuple[Tensor, Tensor]:
    """Labels (B, H, W), and (1,) how many of them are not IGNORE."""
    labels = batch["label"]
    return labels, (labels != IGNORE).sum()[None]


def pixel_cross_entropy(logits: Tensor, labels: Tensor, count: Tensor | None = None) -> Tensor:
    """Cross-entropy, mean over the labelled pixels of the batch; 0 where there is none.

    Args:
        logits: (B, n_labels, H, W) float32.
        labels: (B, H, W) uint8 below n_labels, or IGNORE.
        count: labelled pixels of the batch, where this is only a part of it.

    Returns:
        0-dim. Logits at IGNORE pixels have no effect and no gradient.
    """
    if count is None:
        count = (labels != IGNORE).sum()
    # summed here, since CUDA's own sum adds in any order
    losses = F.cross_entropy(logits, labels.long(), ignore_index=IGNORE, reduction="none")
    return losses.sum() / count.clamp(min=1)


def with_auxiliary(
    weight: float, outputs: Tensor | dict[str, Tensor], loss: Callable[[Tensor], Tensor]
) -> Tensor:
    """A loss of a network's logits, plus `weight` times that of its auxiliary head's.

    Args:
        weight: of the auxiliary head.
        outputs: logits, or where there is such a head "out" and "aux".
        loss: of logits (B, n_labels, H, W).
    """
    if isinstance(outputs, dict):
        return loss(outputs["out"]) + weight * loss(outputs["aux"])
    return loss(outputs)


def vote_labels(labels: Tensor, stride: int) -> Tensor:
    """The commonest label of each stride x stride block, IGNORE counting as one.

    Args:
        labels: (B, H, W) uint8; blocks that overhang are padded with IGNORE.
        stride: side of a block.

    Returns:
        (B, ceil(H / stride), ceil(W / stride)) uint8; of equally common labels the lowest.

    Source: AffinityNet (Ahn and Kwak, CVPR 2018), published code, which averages one-hot maps
    and takes the argmax.
    """
    height, width = labels.shape[-2:]
    padded = F.pad(labels, (0, -width % stride, 0, -height % stride), value=IGNORE)
    batch, rows, columns = padded.shape[0], padded.shape[1] // stride, padded.shape[2] // stride
    blocks = padded.view(batch, rows, stride, columns, stride).transpose(2, 3).flatten(3)
    present = torch.unique(padded)  # rising, so that ties go to the lowest
    best = torch.zeros_like(blocks[..., 0], dtype=torch.int32)
    winner = torch.full_like(blocks[..., 0], IGNORE)
    for label in present:
        count = (blocks == label).sum(-1, dtype=torch.int32)
        winner = torch.where(count > best, label, winner)
        best = torch.maximum(best, count)
    return winner


def nearest_labels(labels: Tensor, stride: int) -> Tensor:
    """The label at the pixel nearest to each cell's centre.

    Args:
        labels: (B, H, W) uint8.
        stride: side of a cell.

    Returns:
        (B, ceil(H / stride), ceil(W / stride)) uint8. The centre of cell i lies at
        stride * i + (stride - 1) / 2; between two pixels the first is taken, beyond the border the
        last.
    """
    height, width = labels.shape[-2:]
    rows = torch.arange((stride - 1) // 2, height + stride - 1, stride, device=labels.device)
    columns = torch.arange((stride - 1) // 2, width + stride - 1, stride, device=labels.device)
    rows = rows[: -(-height // stride)].clamp(max=height - 1)
    columns = columns[: -(-width // stride)].clamp(max=width - 1)
    return labels[..., rows[:, None], columns]
