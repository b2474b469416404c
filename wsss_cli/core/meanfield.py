"""Fully connected CRF in torch, for grids of a few thousand cells: no lattice, no truncation.

`core.crf` approximates the sums over all pairs of pixels, since images have too many. A training
grid has few: 41 x 41 cells make a matrix of 11 MB, which both kernels share, and a step of mean
field is one product with it. That is the exact update on any device, with the same bytes each
time. It takes some 30 milliseconds an image on one core and next to nothing on a GPU; pydensecrf
takes 10, on one core whatever the machine, holds the interpreter meanwhile, and would have every
batch leave the GPU.

Source: Kraehenbuehl and Koltun, NIPS 2011; the update that `core.crf` states.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .crf import CrfParams

MAX_CELLS = 12_000  # the matrix then takes 0.6 GB, and as much again while it is made
LOWEST = -60.0  # exponent: 1e-26 is nothing, and what underflows takes ten times as long


def mean_field(
    image: Tensor, logits: Tensor, params: CrfParams, seen: Tensor | None = None
) -> Tensor:
    """Refine the labels of cells by the colours of all others.

    Args:
        image: (3, h, w) uint8 colours of the cells.
        logits: (n, h, w) float, negative energies: log-probabilities, say.
        params: kernels, standard deviations in cells; iterations.
        seen: (h, w) bool: cells that there are; None for all. Others get softmax(logits) and
            count for nothing.

    Returns:
        (n, h, w) probabilities, without a gradient.

    Raises:
        ValueError: shapes that do not agree, or more than `MAX_CELLS` cells.
    """
    return mean_field_each(image, logits[None], params, seen)[0]


def mean_field_each(
    image: Tensor, logits: Tensor, params: CrfParams, seen: Tensor | None = None
) -> Tensor:
    """`mean_field` from several starts, which share the kernels.

    Args:
        logits: (m, n, h, w), of m starts.

    Returns:
        (m, n, h, w), each what `mean_field` gives.

    Raises:
        ValueError: as `mean_field`.
    """
    if image.shape[-2:] != logits.shape[-2:]:
        raise ValueError(f"logits {tuple(logits.shape[1:])}: an image {tuple(image.shape)}")
    logits = logits.detach()
    refined = logits.softmax(1)
    inside = torch.ones_like(logits[0, 0], dtype=torch.bool) if seen is None else seen
    unary = logits[:, :, inside]
    if unary.shape[2] > MAX_CELLS:
        raise ValueError(f"{unary.shape[2]} cells: {MAX_CELLS} at most")
    weights = _weights(inside.nonzero().to(logits), image[:, inside].T.to(logits), params)
    if weights is None:
        return refined
    q = unary.softmax(1)
    for _ in range(params.iterations):
        q = (unary + (q.flatten(0, 1) @ weights).view_as(q)).softmax(1)
    refined[:, :, inside] = q
    return refined


def _weights(places: Tensor, colours: Tensor, params: CrfParams) -> Tensor | None:
    """(N, N): what a cell adds to each other's labels; None where nothing does.

    Args:
        places: (N, 2) row and column.
        colours: (N, 3), 0..255; whole numbers, as rows and columns are.
    """
    space, colour = _squared_distances(places), _squared_distances(colours)
    total = None
    for exponent, compat in (
        (space / -(2 * params.gaussian_sxy**2), params.gaussian_compat),
        (
            colour.div_(-2 * params.bilateral_srgb**2).sub_(
                space, alpha=1 / (2 * params.bilateral_sxy**2)
            ),
            params.bilateral_compat,
        ),
    ):
        if compat > 0:
            kernel = exponent.clamp_(min=LOWEST).exp_()
            scale = (kernel.sum(1) + 1e-20).rsqrt()
            kernel.mul_(compat * scale[:, None]).mul_(scale)
            total = kernel if total is None else total.add_(kernel)
    return total


def _squared_distances(points: Tensor) -> Tensor:
    """(N, N) from (N, d) whole numbers: as products, which float32 holds without rounding."""
    squares = (points * points).sum(1, keepdim=True)
    one = torch.ones_like(squares)
    return torch.cat([-2 * points, squares, one], 1) @ torch.cat([points, one, squares], 1).T
