"""RRM's loss: tags, and the labels that their maps are sure of, mined anew in each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ....core.dense_energy import SIGMA_RGB, SIGMA_XY, WEIGHT, dense_energy, matched_weight
from ....core.labels import BACKGROUND, IGNORE
from ....core.rrm import Mining, reliable_labels
from ....core.tags import is_present, tag_losses
from ....nets.rrm import TaggedSegmenter
from ....training.data import Sample
from ....training.losses import count_tags, nearest_labels, pixel_cross_entropy
from ....training.seeded import to_cells


@dataclass(frozen=True)
class Energy:
    """The dense energy loss.

    Attributes:
        weight: of a grid of stride 2; other strides weigh as much.
        stride: pixels per cell.
        sigma_xy: pixels.
        sigma_rgb: levels of 0..255.
        exact_gradient: see `core.dense_energy.dense_energy`.
    """

    weight: float = WEIGHT
    stride: int = 4
    sigma_xy: float = SIGMA_XY
    sigma_rgb: float = SIGMA_RGB
    exact_gradient: bool = False


@dataclass(frozen=True)
class ReliableLoss:
    """The loss of a network that learns from tags, and from its own maps of them.

    A batch is {"image": (B, 3, H, W) for the network; "pixels": the same (B, 3, H, W) uint8;
    "inside": (B, H, W) bool, pixels of the image and not of its padding; "tags": (B, C) of 1, 0
    and NaN, see `core.tags`; "key": (B, 2) int64, epoch first}. Labels are mined of classes
    present alone.

    Attributes:
        model: that trains.
        mining: with a CRF in cells of `stride`.
        energy: see there.
        scales: of the images, whose maps are added up.
        stride: pixels per cell of the mined labels.
        aux_weight: of the auxiliary head, which learns from the same labels.
        alone: epochs in which the tags train alone.
        context: what the network runs in to draw its maps.
        begun: 0-dim bool, whether the last step segmented; part of a run's state.
    """

    model: TaggedSegmenter
    mining: Mining
    energy: Energy
    scales: Sequence[float] = (0.5, 1.0, 1.5, 2.0)
    stride: int = 8
    aux_weight: float = 0.0
    alone: int = 0
    context: Callable[[], AbstractContextManager[Any]] = nullcontext
    begun: Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "begun", torch.tensor(self.alone == 0))

    def prepare(self, batch: Sample) -> tuple[Sample, Tensor]:
        """The batch with its mined `label` (B, h, w), and counts.

        Counted are images, tags that are said, background cells and class cells.

        Has the model segment or not, as is due.
        """
        self.model.segments = int(batch["key"][0, 0]) >= self.alone
        self.begun.fill_(self.model.segments)
        batch, tagged = count_tags(batch)
        if not self.model.segments:
            return batch, torch.cat([tagged, tagged * 0])
        labels = self.mine(batch)
        background = (labels == BACKGROUND).sum()
        classes = (labels != IGNORE).sum() - background
        return {**batch, "label": labels}, torch.stack([*tagged, background, classes])

    def mine(self, batch: Sample) -> Tensor:
        """(B, h, w) uint8 labels of the cells that are reliable, IGNORE elsewhere."""
        with self.context():
            maps = self.model.class_maps(batch["image"], self.scales, self.stride)
        thumbs, seen = self.on_grid(batch, self.stride)
        mined = []
        for cam, thumb, cells, tags in zip(maps, thumbs, seen, batch["tags"], strict=True):
            present = is_present(tags).nonzero()[:, 0]
            labels = (present + 1).to(torch.uint8)
            mined.append(reliable_labels(cam[present], thumb, labels, self.mining, cells))
        return torch.stack(mined)

    def share(self, outputs: dict[str, Tensor], batch: Sample, counts: Tensor) -> Tensor:
        """A part's share of the loss, as `training.losses.Loss` has it."""
        tags = outputs["tags"]
        loss = tag_losses(tags, batch["tags"], counts).mean() * (len(tags) / counts[0])
        if "out" not in outputs:
            return loss
        labels = batch["label"]
        loss = loss + self._cross_entropies(outputs["out"], labels, counts)
        if "aux" in outputs:
            aux = self._cross_entropies(outputs["aux"], labels, counts)
            loss = loss + self.aux_weight * aux
        if self.energy.weight:
            loss = loss + self._energies(outputs["out"], batch).sum() / counts[0]
        return loss

    def _cross_entropies(self, logits: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
        """The mean over background cells, and that over the classes' cells, added up."""
        cells = to_cells(logits, self.stride)
        background = labels.masked_fill(labels != BACKGROUND, IGNORE)
        classes = labels.masked_fill(labels == BACKGROUND, IGNORE)
        return pixel_cross_entropy(cells, background, counts[2]) + pixel_cross_entropy(
            cells, classes, counts[3]
        )

    def _energies(self, logits: Tensor, batch: Sample) -> Tensor:
        """(B,) weighted dense energies."""
        energy, size = self.energy, logits.shape[-2:]
        probabilities = to_cells(logits.softmax(1), energy.stride)
        thumbs, seen = self.on_grid(batch, energy.stride)
        labels = self.in_pixels(batch["label"], size)
        images = zip(
            probabilities, thumbs, nearest_labels(labels, energy.stride), seen, strict=True
        )
        sums = [
            dense_energy(
                *image,
                sigma_xy=energy.sigma_xy / energy.stride,
                sigma_rgb=energy.sigma_rgb,
                exact_gradient=energy.exact_gradient,
            )
            for image in images
        ]
        return torch.stack(sums) * matched_weight(energy.weight, energy.stride)

    def in_pixels(self, labels: Tensor, size: Sequence[int]) -> Tensor:
        """Mined labels (B, h, w) as those of the pixels, (B, *size)."""
        enlarged = labels.repeat_interleave(self.stride, -1).repeat_interleave(self.stride, -2)
        return enlarged[..., : size[0], : size[1]]

    @staticmethod
    def on_grid(batch: Sample, stride: int) -> tuple[Tensor, Tensor]:
        """Mean colours (B, 3, h, w) uint8, and (B, h, w) bool, cells of which most is image."""
        thumbs = to_cells(batch["pixels"].float(), stride).round().to(torch.uint8)
        return thumbs, to_cells(batch["inside"][:, None].float(), stride)[:, 0] > 0.5
