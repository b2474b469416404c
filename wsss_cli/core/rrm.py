"""Reliable cells: where the maps of an image's classes and two CRFs agree on a label.

Source: RRM (Zhang et al., AAAI 2020) and its code, which works on pixels; here on cells of a grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .cam import background_score, normalise
from .crf import CLIP, PRESETS, CrfParams
from .labels import BACKGROUND, IGNORE
from .meanfield import mean_field_each


@dataclass(frozen=True)
class Mining:
    """How sure is sure.

    Attributes:
        alpha_low: of a background score that is large, so that what is left is objects.
        alpha_high: of one that is small, so that what it wins is background.
        top: the share of a class's cells that are taken, strongest first.
        floor: of the maps of cells that count among a class's.
        sure_bg: background score, of alpha_high, above which background is sure of the maps.
        sure: probability, after the CRFs, from which a cell is sure of these.
        crf: in cells of the grid.
    """

    alpha_low: float = 4.0
    alpha_high: float = 32.0
    top: float = 0.4
    floor: float = 0.1
    sure_bg: float = 0.8
    sure: float = 0.8
    crf: CrfParams = PRESETS["rrm-train"]

    def __post_init__(self) -> None:
        if not 0 < self.alpha_low <= self.alpha_high < float("inf"):
            raise ValueError("need 0 < alpha low <= alpha high")
        for name in ("top", "floor", "sure_bg", "sure"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name.replace('_', ' ')} must lie in 0..1")


def reliable_labels(
    cam: Tensor, image: Tensor, labels: Tensor, mining: Mining, seen: Tensor | None = None
) -> Tensor:
    """The labels of reliable cells.

    The CRF with the high alpha says what is background, the one with the low alpha where the
    objects are; where both claim a cell, it is background. Kept is what the maps are sure of
    (`sure_of_maps`) and these CRFs are too.

    Args:
        cam: (K, h, w) maps of the classes present, before they are normalised; K may be 0, and all
            is background then.
        image: (3, h, w) uint8, the cells' colours.
        labels: (K,) uint8, those of the classes, rising.
        mining: how sure is sure.
        seen: (h, w) bool, cells that there are; None for all.

    Returns:
        (h, w) uint8 labels, IGNORE where unreliable and where there is no cell.

    Raises:
        ValueError: shapes that do not agree, or more cells than `mean_field` takes.
    """
    if len(cam) != len(labels) or cam.shape[-2:] != image.shape[-2:]:
        raise ValueError(
            f"maps {tuple(cam.shape)}, labels {tuple(labels.shape)}, image {tuple(image.shape)}"
        )
    inside = torch.ones_like(image[0], dtype=torch.bool) if seen is None else seen
    cam = normalise(cam.detach() * inside)
    alphas = (mining.alpha_low, mining.alpha_high)
    starts = [torch.cat([background_score(cam, alpha)[None], cam]) for alpha in alphas]
    low, high = mean_field_each(image, torch.stack(starts).clamp(CLIP, 1).log(), mining.crf, inside)
    winner = low.argmax(0)
    background = high.argmax(0) == BACKGROUND
    probability = torch.cat([high[:1], low[1:]]).amax(0)
    kept = sure_of_maps(cam, starts[1][0], winner, mining, inside) & inside
    kept &= (probability >= mining.sure) & (background | (winner != BACKGROUND))
    names = torch.cat([labels.new_zeros(1), labels])  # background first
    found = names[winner.masked_fill(background, BACKGROUND)]
    return torch.where(kept, found, found.new_full((), IGNORE))


def sure_of_maps(
    cam: Tensor, background: Tensor, winner: Tensor, mining: Mining, seen: Tensor
) -> Tensor:
    """Where the maps alone are sure.

    Of the cells that a class wins against background and the others, with a map above
    `mining.floor`: those above the value that parts the strongest `mining.top` of them from the
    rest. Of the cells that background wins: those above `mining.sure_bg`. Only labels that the CRF
    left anywhere count. A class that is left nowhere, or has no cell above the floor, has none
    (the published code stops with an error then).

    Args:
        cam: (K, h, w) in 0..1.
        background: (h, w) its score, of alpha_high.
        winner: (h, w) int64, 0 or k + 1: the labels that the CRF with the low alpha left.
        mining: how sure is sure.
        seen: (h, w) bool.

    Returns:
        (h, w) bool.
    """
    strongest = torch.cat([background[None], cam]).argmax(0)
    sure = torch.zeros_like(seen)
    for number in torch.unique(winner[seen]).tolist():
        own = (strongest == number) & seen
        if number == BACKGROUND:
            sure |= own & (background > mining.sure_bg)
            continue
        values = cam[number - 1]
        ranked = values[own & (values > mining.floor)].sort().values
        if len(ranked):
            place = min(int(len(ranked) * (1 - mining.top)), len(ranked) - 1)
            sure |= own & (values > ranked[place])
    return sure
