"""Dense energy: labels that change where colours do not, over all pairs of cells of a grid.

The kernel is never held whole: a tile of rows at a time, and each pair once, since it is symmetric.
That is exact on any device, where published code approximates the sums on a lattice, on the CPU.

Source: regularised losses (Tang et al., ECCV 2018), with the gate of RRM (Zhang et al., AAAI 2020).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .labels import IGNORE

SIGMA_XY = 100.0  # pixels of the image
SIGMA_RGB = 15.0  # levels of 0..255
WEIGHT = 1e-7  # at a grid of stride 2
TILE = 1 << 22  # pairs at a time
LOWEST = -60.0  # exponent: 1e-26 is nothing, and what underflows takes ten times as long


def bilateral_filter(values: Tensor, features: Tensor) -> Tensor:
    """Sums over all cells, each weighted by its nearness: sum_j exp(-|f_i - f_j|^2 / 2) v_j.

    The sums are not normalised, and a cell counts for itself.

    Args:
        values: (n, N) floating; may need a gradient, which is the same filter of the gradient.
        features: (N, d) places and colours, over their standard deviations; no gradient.

    Returns:
        (n, N). In float32, kernel values are off by 1e-4 of themselves at most.

    Raises:
        ValueError: shapes that do not agree.
    """
    if values.ndim != 2 or features.ndim != 2 or values.shape[1] != len(features):
        raise ValueError(f"values {tuple(values.shape)} and features {tuple(features.shape)}")
    filtered = _Filter.apply(values, features.detach().to(values))
    assert isinstance(filtered, Tensor)
    return filtered


class _Filter(torch.autograd.Function):
    """A product with a symmetric matrix, whose transpose is itself."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, features: Tensor) -> Tensor:
        ctx.save_for_backward(features)
        return _filtered(values, features)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (features,) = ctx.saved_tensors
        return _filtered(grad, features), None


def _filtered(values: Tensor, features: Tensor) -> Tensor:
    count = len(features)
    centred = features - features.mean(0)  # shorter vectors, smaller rounding
    half = centred.square().sum(1, keepdim=True) / -2
    one = torch.ones_like(half)
    left, right = torch.cat([centred, half, one], 1), torch.cat([centred, one, half], 1)
    given, result = values.T.contiguous(), values.new_zeros(count, len(values))
    rows = max(1, TILE // max(1, count))
    for start in range(0, count, rows):
        stop = min(start + rows, count)
        kernel = (left[start:stop] @ right[start:].T).clamp_(min=LOWEST).exp_()
        result[start:stop] += kernel @ given[start:]
        result[stop:] += kernel[:, stop - start :].T @ given[start:stop]
    return result.T


def features_of(image: Tensor, inside: Tensor, sigma_xy: float, sigma_rgb: float) -> Tensor:
    """(N, 5) float32 places and colours of the cells inside, over their standard deviations.

    Args:
        image: (3, h, w) uint8 or float, colours of the cells, 0..255.
        inside: (h, w) bool, N of them true.
        sigma_xy: in cells.
        sigma_rgb: in levels.
    """
    places = inside.nonzero().float() / sigma_xy
    return torch.cat([places, image[:, inside].T.float() / sigma_rgb], 1)


def soft_gate(probabilities: Tensor, labels: Tensor) -> Tensor:
    """How much of the energy each cell bears: all where it has no label, else what it is unsure of.

    Args:
        probabilities: (n, N).
        labels: (N,) uint8, IGNORE for none.

    Returns:
        (N,) in 0..1, 1 - max_k p_k where there is a label. No gradient.
    """
    unsure = (1 - probabilities.detach().amax(0)).clamp(min=0)
    return torch.where(labels == IGNORE, torch.ones_like(unsure), unsure)


def dense_energy(
    probabilities: Tensor,
    image: Tensor,
    labels: Tensor,
    seen: Tensor,
    *,
    sigma_xy: float,
    sigma_rgb: float = SIGMA_RGB,
    exact_gradient: bool = False,
) -> Tensor:
    """The gated dense energy of one image, E = - sum_k sum_i g_i p_ki sum_j w_ij p_kj.

    Up to a constant it is what neighbours of unlike labels cost, so it is negative, and grows with
    the square of the number of cells. g is `soft_gate`.

    Args:
        probabilities: (n, h, w), floating.
        image: (3, h, w), the cells' colours.
        labels: (h, w) uint8, IGNORE for none.
        seen: (h, w) bool; other cells take no part.
        sigma_xy: in cells.
        sigma_rgb: in levels of 0..255.
        exact_gradient: that of E with g held fixed, - g_i (W p)_i - (W (g p))_i. Otherwise the
            published code's, - 2 g_i (W p)_i: a cell that is sure is not drawn to its neighbours,
            though they are to it. Both are the same where g is constant.

    Returns:
        0-dim, of the probabilities' type.

    Source: the loss of RRM (Zhang et al., AAAI 2020) and its code.
    """
    p = probabilities[:, seen]
    gate = soft_gate(p, labels[seen])
    features = features_of(image, seen, sigma_xy, sigma_rgb)
    if exact_gradient:
        return -(gate * p * bilateral_filter(p, features)).sum()
    drawn = gate * bilateral_filter(p.detach(), features)
    return -((2 * p - p.detach()) * drawn).sum()


def matched_weight(weight: float, stride: int) -> float:
    """The weight at another grid than that of stride 2, such that losses stay as large.

    Pairs grow with the fourth power of the grid's side.

    >>> matched_weight(1e-7, 4)
    1.6e-06
    """
    return weight * (stride / 2) ** 4
