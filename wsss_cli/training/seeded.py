"""The losses of SEC and DSRG, which train a network from seeds on a grid of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.crf import CrfParams
from ..core.dsrg import GROW_BG, GROW_FG, grow_seeds
from ..core.labels import IGNORE
from ..core.meanfield import mean_field
from ..core.sec import (
    DECAY_BG,
    DECAY_FG,
    balanced_seed_loss,
    boundary_loss,
    constrain_loss,
    expand_loss,
    floored,
    seed_loss,
    smoothed,
)
from ..core.tags import is_present
from .data import Sample

TERMS = ("seed", "balanced", "expand", "constrain", "boundary")
OF_CRF = ("constrain", "boundary")  # compare the network with its CRF
UNARIES = ("log", "prob")
SCORES = ("crf", "network")


@dataclass(frozen=True)
class SeededLoss:
    """A sum of terms, each a mean over images, so that parts of a batch add up to the whole.

    A batch is {"label": (B, h, w) uint8 seeds, IGNORE for none; "seen": (B, h, w) bool, cells of
    the image and not of its padding; "tags": (B, C) of 1, 0 and NaN, see `core.tags`; "thumb":
    (B, 3, h, w) uint8, the cells' colours}. Seeds grow of classes present alone.

    Attributes:
        terms: of TERMS.
        grow: have the seeds grow in each step, from what they were at first.
        grow_fg, grow_bg: see `core.dsrg.grow_seeds`.
        grow_scores: by whose scores: the CRF's, or the network's own.
        decay_fg, decay_bg: see `core.sec.expand_loss`.
        crf: in cells of the grid; None for none.
        unary: the CRF starts from the 'log' of probabilities, or from the probabilities ('prob'),
            as DSRG's published code does, which leaves nearly everything to the colours.
        stride: pixels per cell.
        aux_weight: of the auxiliary head, which learns from the main one's targets.
    """

    terms: tuple[str, ...]
    grow: bool
    grow_fg: float = GROW_FG
    grow_bg: float = GROW_BG
    grow_scores: str = SCORES[0]
    decay_fg: float = DECAY_FG
    decay_bg: float = DECAY_BG
    crf: CrfParams | None = None
    unary: str = UNARIES[0]
    stride: int = 8
    aux_weight: float = 0.0

    @property
    def needs_crf(self) -> bool:
        """Whether there is a CRF, and growing or a term goes by it."""
        grows = self.grow and self.grow_scores == "crf"
        return self.crf is not None and (grows or not set(OF_CRF).isdisjoint(self.terms))

    def share(self, outputs: Tensor | dict[str, Tensor], batch: Sample, count: Tensor) -> Tensor:
        """A part's share of the loss, as `training.losses.Loss` has it; with `count_images`.

        Args:
            outputs: (B, C + 1, H, W) logits at the size of the crops; or "out" and "aux".
        """
        heads = outputs if isinstance(outputs, dict) else {"out": outputs}
        f = smoothed(to_cells(heads["out"], self.stride))
        targets = self.targets(f, batch)
        total = self.losses(f, batch, *targets)
        if "aux" in heads:
            aux = smoothed(to_cells(heads["aux"], self.stride))
            total = total + self.aux_weight * self.losses(aux, batch, *targets)
        return total.sum() / count.clamp(min=1)

    def targets(self, f: Tensor, batch: Sample) -> tuple[Tensor, Tensor | None]:
        """(B, n, h, w) bool seeds, grown where asked for; and the CRF's probabilities, if any."""
        f = f.detach()
        labels = torch.arange(f.shape[1], device=f.device)[:, None, None]
        seeds = batch["label"][:, None] == labels
        q = self._refined(f, batch) if self.needs_crf else None
        if self.grow:
            scores = f if q is None or self.grow_scores == "network" else q
            seeds = self._grown(scores, seeds, batch)
        return seeds, None if q is None else floored(q)

    def losses(self, f: Tensor, batch: Sample, seeds: Tensor, q: Tensor | None) -> Tensor:
        """(B,) sums of the terms."""
        seen = batch["seen"]
        total = f.new_zeros(len(f))
        for term in self.terms:
            if term == "seed":
                total = total + seed_loss(f, seeds)
            elif term == "balanced":
                total = total + balanced_seed_loss(f, seeds)
            elif term == "expand":
                tags = batch["tags"]
                total = total + expand_loss(f, tags, seen, self.decay_fg, self.decay_bg)
            else:
                assert q is not None
                compare = constrain_loss if term == "constrain" else boundary_loss
                total = total + compare(f, q, seen)
        return total

    def supervision(self, logits: Tensor, batch: Sample) -> Tensor:
        """(B, h, w) uint8 labels of the seeds that these logits lead to, IGNORE for none."""
        seeds, _ = self.targets(smoothed(to_cells(logits, self.stride)), batch)
        labels = seeds.to(torch.uint8).argmax(1).to(torch.uint8)
        return labels.masked_fill(~seeds.any(1), IGNORE)

    def _refined(self, f: Tensor, batch: Sample) -> Tensor:
        assert self.crf is not None
        logits = f.log() if self.unary == "log" else f
        images = zip(batch["thumb"], logits, batch["seen"], strict=True)
        return torch.stack([mean_field(image, z, self.crf, seen) for image, z, seen in images])

    def _grown(self, scores: Tensor, seeds: Tensor, batch: Sample) -> Tensor:
        arrays: list[Any] = [t.cpu().numpy() for t in (scores, seeds, batch["seen"])]
        allowed = F.pad(is_present(batch["tags"]), (1, 0), value=True).cpu().numpy()
        grown = [
            torch.from_numpy(grow_seeds(one, own, may, self.grow_fg, self.grow_bg, seen))
            for one, own, seen, may in zip(*arrays, allowed, strict=True)
        ]
        return torch.stack(grown).to(seeds.device)


def to_cells(values: Tensor, stride: int) -> Tensor:
    """Means over cells of stride x stride pixels; those that overhang, over the pixels they have.

    Args:
        values: (B, n, H, W) float.

    Returns:
        (B, n, ceil(H / stride), ceil(W / stride)).
    """
    return F.avg_pool2d(values, stride, ceil_mode=True, count_include_pad=False)


def thumbnail(image: Tensor, stride: int) -> Tensor:
    """(3, h, w) uint8 mean colours of the cells of an image (3, H, W) uint8."""
    return to_cells(image[None].float(), stride)[0].round().to(torch.uint8)
