"""How the images of a step are dealt out to processes, and dropout that is the same however so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .data import Key


@dataclass(frozen=True)
class Shares:
    """How the images of a step are dealt out: to parts one after another, in each to all ranks.

    Attributes:
        images: of a step; at least parts * world.
        parts: how often each rank runs forward and backward in a step.
        world, rank: processes, and which of them this one is.
    """

    images: int = 1
    parts: int = 1
    world: int = 1
    rank: int = 0

    def deal(self, batches: Iterable[list[Key]]) -> Iterator[list[Key]]:
        """This rank's keys of each part of each batch."""
        for batch in batches:
            for part in range(self.parts):
                first, last = span(len(batch), self.parts, part)
                mine = span(last - first, self.world, self.rank)
                yield batch[first + mine[0] : first + mine[1]]

    def place(self, part: int) -> tuple[int, int]:
        """Where this rank's images begin among those of a part, and how many the part has."""
        first, last = span(self.images, self.parts, part)
        return span(last - first, self.world, self.rank)[0], last - first


def span(count: int, parts: int, part: int) -> tuple[int, int]:
    """The range of 0..count-1 that falls to one of `parts` parts, whose sizes differ by 1 at most.

    >>> [span(7, 3, part) for part in range(3)]
    [(0, 2), (2, 4), (4, 7)]
    """
    return count * part // parts, count * (part + 1) // parts


class SharedDropout(nn.Module):
    """Drops what one process would drop, had it all images of the part.

    Every process has the same random state, draws for all images, and applies its own rows.

    Attributes:
        part: which of the step's parts is being computed.
    """

    def __init__(self, dropout: nn.Module, shares: Shares) -> None:
        super().__init__()
        self.dropout, self.shares, self.part = dropout, shares, 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        first, count = self.shares.place(self.part)
        kept = x.new_ones((count, *x.shape[1:]))
        if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
            kept = kept.contiguous(memory_format=torch.channels_last)
        return x * self.dropout(kept)[first : first + len(x)]
