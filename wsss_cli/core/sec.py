"""The losses of SEC and DSRG, each a value per image, from probabilities on the training grid.

Throughout: B images, n labels (background first), a grid of (h, w) cells. `seen` marks the cells
that lie in the image and not in what pads it; the others have no effect.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .gwrp import decay_for, gwrp
from .tags import is_absent, is_present

FLOOR = 1e-4  # added to every probability, so that no logarithm runs away
RATIO = 20.0  # in DSRG's boundary loss, the largest factor between both distributions
DECAY_FG, DECAY_BG = 0.996, 0.999


def smoothed(logits: Tensor, dim: int = 1) -> Tensor:
    """Softmax over the labels, with `FLOOR` added to each and normalised again."""
    return floored(logits.softmax(dim), dim)


def floored(probabilities: Tensor, dim: int = 1) -> Tensor:
    """Distributions over the labels with `FLOOR` added to each, normalised again."""
    raised = probabilities + FLOOR
    return raised / raised.sum(dim, keepdim=True)


def seed_loss(f: Tensor, seeds: Tensor) -> Tensor:
    """Mean of -log f over an image's seeds; 0 where it has none.

    Args:
        f: (B, n, h, w) probabilities, above 0.
        seeds: (B, n, h, w) bool; a cell may be a seed of several labels.

    Returns:
        (B,).

    Source: SEC, equation 2.
    """
    seeds = seeds.to(f.dtype)
    return -(seeds * f.log()).sum((1, 2, 3)) / seeds.sum((1, 2, 3)).clamp(min=1)


def balanced_seed_loss(f: Tensor, seeds: Tensor) -> Tensor:
    """The seed loss of the background plus that of all classes together.

    Args, returns: as `seed_loss`.

    Source: DSRG (Huang et al., CVPR 2018), equation 1.
    """
    return seed_loss(f[:, :1], seeds[:, :1]) + seed_loss(f[:, 1:], seeds[:, 1:])


def expand_loss(
    f: Tensor,
    tags: Tensor,
    seen: Tensor,
    decay_fg: float = DECAY_FG,
    decay_bg: float = DECAY_BG,
) -> Tensor:
    """Have classes of the image cover some of it, others none, and the background much of it.

    -mean over present classes of log G(decay_fg) - mean over absent ones of log(1 - max f)
    - log G of the background (decay_bg), with G from `gwrp`; a mean over no class is 0.

    Args:
        f: (B, n, h, w) probabilities, above 0 and below 1.
        tags: (B, n - 1) of 1, 0 and NaN, see `core.tags`; NaN has no part in it.
        seen: (B, h, w) bool.
        decay_fg, decay_bg: on a 41x41 grid; on others of as long a reach (`decay_for`).

    Returns:
        (B,); 0 for an image without a cell.

    Source: SEC, equations 3 and 4, where an absent class's score is its maximum.
    """
    losses = []
    for scores, own, inside in zip(f, tags, seen, strict=True):
        cells = scores[:, inside]
        count = cells.shape[1]
        if not count:
            losses.append(scores.sum() * 0)
            continue
        pooled = gwrp(cells, decay_for(decay_fg, count))[1:].log()
        excluded = torch.log1p(-cells[1:].amax(1))
        losses.append(
            -_mean(pooled, is_present(own))
            - _mean(excluded, is_absent(own))
            - gwrp(cells[0], decay_for(decay_bg, count)).log()
        )
    return torch.stack(losses)


def constrain_loss(f: Tensor, q: Tensor, seen: Tensor) -> Tensor:
    """Mean over an image's cells of KL(q || f).

    Args:
        f: (B, n, h, w) probabilities, above 0.
        q: (B, n, h, w) probabilities above 0, such as `floored` ones of a CRF; no gradient.
        seen: (B, h, w) bool.

    Returns:
        (B,); 0 just where f = q.

    Source: SEC, equation 5; the CRF's own gradient is left out, as in its code.
    """
    q = q.detach()
    return _cell_mean((q * (q.log() - f.log())).sum(1), seen)


def boundary_loss(f: Tensor, q: Tensor, seen: Tensor) -> Tensor:
    """`constrain_loss` with q / f held within 1/20..20: what is further off gives no gradient.

    Source: DSRG, equation 2, with the clipping of its code.
    """
    q = q.detach()
    return _cell_mean((q * (q / f).clamp(1 / RATIO, RATIO).log()).sum(1), seen)


def _cell_mean(values: Tensor, seen: Tensor) -> Tensor:
    """(B,) means of (B, h, w) values over the cells that are seen."""
    inside = seen.to(values.dtype)
    return (values * inside).sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    return (values * chosen).sum() / chosen.sum().clamp(min=1)
