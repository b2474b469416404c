"""Attention accumulated while a classifier trains, as part of its loss's work.

What is kept is part of the run's state: it goes into the checkpoint, and every process of a team
holds the same, since each step's maps are exchanged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ....core.grid import grid_size
from ....core.oaa import Placing, attention, to_crop, trusted
from ....core.tags import is_said
from ....training.data import Sample
from ....training.losses import count_tags
from ....training.team import Team

Update = tuple[int, np.ndarray, np.ndarray]  # index, maps (K, h, w) uint8, whether to add each


class AttentionStore:
    """Maps of all training images and their present classes, a byte a cell.

    Args:
        sizes: (H, W) of each image.
        classes: (K,) class indices of each image, rising.
        stride: image pixels per cell.
        latest: keep each map's latest state too, beside its maximum.
    """

    def __init__(
        self,
        sizes: Sequence[tuple[int, int]],
        classes: Sequence[np.ndarray],
        stride: int,
        latest: bool = False,
    ) -> None:
        self.stride = stride
        self.shapes = [
            (len(k), *grid_size(*size, stride)) for size, k in zip(sizes, classes, strict=True)
        ]
        self.classes = [np.asarray(k).astype(np.int64) for k in classes]
        ends = np.cumsum([0, *(k * h * w for k, h, w in self.shapes)])
        self._offsets = ends.tolist()
        total = self._offsets[-1]
        self.tensors = {"attention": torch.zeros(total, dtype=torch.uint8)}
        if latest:
            self.tensors["latest attention"] = torch.zeros(total, dtype=torch.uint8)

    @property
    def nbytes(self) -> int:
        """Memory of all maps."""
        return sum(t.numel() for t in self.tensors.values())

    def maps(self, index: int, name: str = "attention") -> Tensor:
        """(K, h, w) uint8 of an image, sharing the store's memory."""
        part = self.tensors[name][self._offsets[index] : self._offsets[index + 1]]
        return part.view(self.shapes[index])

    def missing(self, index: int) -> np.ndarray:
        """(K,) bool: which classes of an image have nothing yet."""
        return (self.maps(index).flatten(1).amax(1) == 0).numpy()

    def add(self, updates: Sequence[Update]) -> None:
        """Raise maps to what was seen, where it is to be added."""
        for index, seen, taken in updates:
            found, kept = torch.from_numpy(seen), self.maps(index)
            if "latest attention" in self.tensors:
                self.maps(index, "latest attention").copy_(found)
            for which in np.flatnonzero(taken):
                torch.maximum(kept[which], found[which], out=kept[which])


@dataclass
class Accumulator:
    """A classifier's loss that keeps, on the way, the maximum of its maps (OAA).

    Attributes:
        store: what is accumulated.
        loss: of logits, batch and counts.
        stride: crop pixels per cell of the network's maps.
        start: the first epoch, from 0, whose maps count.
        last: the run's last epoch; what has no map by then takes whatever is seen in it.
        gate: take a class's map only where it is among the K highest scores of an image of K, of
            the classes of which something is said.
        threshold: images marked `drop` lose the pixels whose latest attention exceeds it.
        team: that trains.
    """

    store: AttentionStore
    loss: Callable[[Tensor, Sample, Tensor], Tensor]
    stride: int
    start: int
    last: int
    gate: bool
    threshold: float
    team: Team

    def prepare(self, batch: Sample) -> tuple[Sample, Tensor]:
        """The batch, in which images marked `drop` lose what was attended to lately.

        The batch's `image` is changed, before the network sees it.
        """
        if "drop" in batch and bool(batch["drop"].any()):
            image = batch["image"].clone()
            for row in batch["drop"].nonzero().flatten().tolist():
                hidden = self._attended(batch, row).to(image.device)
                image[row].masked_fill_(hidden, 0)  # normalised: the mean colour
            batch["image"] = image
        return count_tags(batch)

    def _attended(self, batch: Sample, row: int) -> Tensor:
        """(crop, crop) bool: where any present class's latest attention exceeds the threshold."""
        size = (batch["image"].shape[-2], batch["image"].shape[-1])
        latest = self.store.maps(int(batch["key"][row, 1]), "latest attention")
        if not len(latest):
            return torch.zeros(size, dtype=torch.bool)
        placing = Placing.of(batch["placing"][row])
        seen = to_crop(latest.float() / 255, self.store.stride, placing, size, 1)
        return (seen > self.threshold).any(0)

    def share(self, outputs: dict[str, Tensor], batch: Sample, counts: Tensor) -> Tensor:
        """The loss; the batch's maps are added to the store of every process."""
        updates = []
        for row, (epoch, index) in enumerate(batch["key"].tolist()):
            present = torch.from_numpy(self.store.classes[index])
            if epoch < self.start or not len(present):
                continue
            logits = outputs["logits"][row].detach().cpu()
            logits = logits.masked_fill(~is_said(batch["tags"][row]).cpu(), -math.inf)
            taken = trusted(logits, present).numpy() if self.gate else np.ones(len(present), bool)
            if epoch == self.last:
                taken = taken | self.store.missing(index)
            maps = outputs["maps"][row, present.to(outputs["maps"].device)]
            placing = Placing.of(batch["placing"][row])
            seen = attention(maps, self.stride, placing, self.store.stride)
            updates.append((index, seen.cpu().numpy(), taken))
        for part in self.team.gather(updates):
            self.store.add(part)
        return self.loss(outputs["logits"], batch, counts)
