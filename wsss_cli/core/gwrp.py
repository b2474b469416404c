"""Global weighted rank pooling: one score for a map, between its mean and its maximum."""

from __future__ import annotations

import torch
from torch import Tensor

CELLS = 41 * 41  # of the grid that SEC states its decays for


def gwrp(maps: Tensor, decay: float) -> Tensor:
    """Weighted mean of values by rank: the j-th largest of N weighs decay ** j, j = 0..N-1.

    Args:
        maps: (..., N) float, N at least 1.
        decay: 0 gives the maximum, 1 the mean.

    Returns:
        (...), of the same dtype; never falls as decay falls.

    Raises:
        ValueError: a decay outside [0, 1], or no values.

    Source: SEC (Kolesnikov and Lampert, ECCV 2016), section 3.2.

    >>> gwrp(torch.tensor([0.0, 1.0, 0.5]), 0.5)
    tensor(0.7143)
    """
    if not 0 <= decay <= 1:
        raise ValueError(f"a decay of {decay}: must lie in 0..1")
    if maps.shape[-1] == 0:
        raise ValueError("no values to pool")
    ranks = torch.arange(maps.shape[-1], device=maps.device, dtype=maps.dtype)
    weights = decay**ranks  # 0 ** 0 is 1
    return (maps.sort(dim=-1, descending=True).values * weights).sum(-1) / weights.sum()


def decay_for(decay: float, cells: int) -> float:
    """The decay on `cells` cells that reaches as large a share of them as `decay` on `CELLS`.

    >>> decay_for(0.996, CELLS)
    0.996
    """
    return decay ** (CELLS / cells)
