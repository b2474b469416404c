"""Deep seeded region growing: seeds spread to what the network is sure of and they touch."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .labels import BACKGROUND

GROW_FG, GROW_BG = 0.85, 0.99  # published with a CRF's scores; 0.5 and 0.7 with the network's own
NEIGHBOURS = np.ones((3, 3), bool)  # cells that touch at a corner are neighbours
NONE = -1


def grow_seeds(
    scores: np.ndarray,
    seeds: np.ndarray,
    allowed: np.ndarray,
    fg: float = GROW_FG,
    bg: float = GROW_BG,
    seen: np.ndarray | None = None,
) -> np.ndarray:
    """Grow each label's seeds over the connected cells that bear it.

    A cell bears the label that scores highest of those allowed, where that score exceeds `fg`, and
    for background `bg` too; else the label whose seed it is (of several, the last); else none.
    Every connected region of a label that holds one of its seeds becomes its seed altogether,
    except cells that are seeds of exactly one other label.

    Args:
        scores: (n, h, w) float, background first.
        seeds: (n, h, w) bool; a cell may be a seed of several labels.
        allowed: (n,) bool, labels that may be borne for their score.
        fg, bg: thresholds; above 1 nothing grows but along other seeds.
        seen: (h, w) bool, cells that count; None for all.

    Returns:
        (n, h, w) bool: the seeds and what was added, none of it of a label that is not allowed.
        Growing it again with the same scores adds nothing.

    Raises:
        ValueError: shapes that do not agree.

    Source: DSRG (Huang et al., CVPR 2018), section 3.3, with its code's rules on ties.
    """
    if seeds.shape != scores.shape or allowed.shape != scores.shape[:1]:
        raise ValueError(f"seeds {seeds.shape}, allowed {allowed.shape}: scores {scores.shape}")
    seeds = seeds.astype(bool)
    borne = _borne(scores, seeds, allowed, fg, bg)
    if seen is not None:
        borne[~seen] = NONE
    others = seeds.sum(axis=0)
    grown = seeds.copy()
    for label in np.flatnonzero(seeds.any(axis=(1, 2)) & allowed):
        regions, count = ndimage.label(borne == label, NEIGHBOURS)
        holds = np.zeros(count + 1, bool)
        holds[regions[seeds[label]]] = True
        holds[0] = False
        grown[label] |= holds[regions] & (others - seeds[label] != 1)
    return grown


def _borne(
    scores: np.ndarray, seeds: np.ndarray, allowed: np.ndarray, fg: float, bg: float
) -> np.ndarray:
    """(h, w) int64: the label that each cell bears, or NONE."""
    last = len(seeds) - 1 - seeds[::-1].argmax(axis=0)
    borne = np.where(seeds.any(axis=0), last, NONE)
    if not allowed.any():
        return borne
    masked = np.where(allowed[:, None, None], scores, -np.inf)
    best, highest = masked.argmax(axis=0), masked.max(axis=0)
    sure = (highest > fg) & ((best != BACKGROUND) | (highest > bg))
    return np.where(sure, best, borne)
