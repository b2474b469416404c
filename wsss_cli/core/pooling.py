"""One score for a map of cells: its mean, its maximum, or something in between."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

POOLS = ("gap", "max", "lse")
SHARPNESS = 5.0  # of lse, as in its paper


def pooled(maps: Tensor, pool: str = "gap", sharpness: float = SHARPNESS) -> Tensor:
    """A score for each map, from all of its cells.

    - gap, the mean (CAM; Zhou et al., CVPR 2016): every cell counts alike.
    - max (Oquab et al., CVPR 2015): the strongest cell alone counts, and learns.
    - lse, log-sum-exp (Pinheiro and Collobert, CVPR 2015), with r = `sharpness`:

          log(mean of exp(r x)) / r

      which lies between the two: the mean as r goes to 0, the maximum as r grows, at most
      log(h w) / r below it. A cell's gradient is its softmax of r x, so that the gradients of a
      map's cells add up to 1.

    Args:
        maps: (..., h, w) floating, h and w at least 1.
        pool: one of POOLS.
        sharpness: above 0.

    Returns:
        (...), of the same dtype.

    Raises:
        ValueError: no such pool, or a sharpness that is not above 0.

    >>> import torch
    >>> maps = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    >>> [round(float(pooled(maps, pool)), 4) for pool in POOLS]  # log((3 + e ** 5) / 4) / 5
    [0.25, 1.0, 0.7267]
    """
    check_pool(pool, sharpness)
    if pool == "max":
        return maps.amax(dim=(-2, -1))
    if pool == "lse":
        cells = maps.shape[-2] * maps.shape[-1]
        return ((sharpness * maps).logsumexp(dim=(-2, -1)) - math.log(cells)) / sharpness
    return maps.mean(dim=(-2, -1))


def check_pool(pool: str, sharpness: float) -> None:
    """Raise ValueError for what `pooled` cannot do."""
    if pool not in POOLS:
        raise ValueError(f"unknown pool {pool!r}; there are {', '.join(POOLS)}")
    if not 0 < sharpness < math.inf:
        raise ValueError(f"a sharpness of {sharpness}: must be above 0")
