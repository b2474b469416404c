"""Fully connected CRF in torch, for grids of a few thousand cells: no lattice, no truncation.

`core.crf` approximates the sums over all pairs of pixels, since images have too many. A training
grid has few: 41 x 41 cells make a matrix of 11 MB, which both kernels share, and a step of mean
field is one product with it. That is the exact update on any device, with the same bytes each
time; it takes tens of milliseconds on one core, uses all of them, and costs a GPU nothing, whereas
pydensecrf would hold the interpreter and have every batch leave the GPU.

Source: Kraehenbuehl and Koltun, NIPS 2011; the update that `core.crf` states.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .crf import CrfParams

MAX_CELLS = 12_000  # the matrix then takes 0.6 GB, and as much again while it is made


def mean_field(
    image: Tensor, logits: Tensor, params: CrfParams, seen: Tensor | None = None
) -> Tensor:
    """Refine the labels of cells by the colours of all others.

    Args:
        image: (3, h, w) colours 0..255 of the cells.
        logits: (n, h, w) float, negative energies: log-probabilities, say.
        params: kernels, standard deviations in cells; iterations.
        seen: (h, w) bool: cells that there are; None for all. Others get softmax(logits) and
            count for nothing.

    Returns:
        (n, h, w) probabilities, without a gradient.

    Raises:
        ValueError: shapes that do not agree, or more than `MAX_CELLS` cells.
    """
    if image.shape[-2:] != logits.shape[-2:]:
        raise ValueError(f"logits {tuple(logits.shape)}: an image {tuple(image.shape)}")
    logits = logits.detach()
    refined = logits.softmax(0)
    inside = torch.ones_like(logits[0], dtype=torch.bool) if seen is None else seen
    unary = logits[:, inside]
    if unary.shape[1] > MAX_CELLS:
        raise ValueError(f"{unary.shape[1]} cells: {MAX_CELLS} at most")
    weights = _weights(inside.nonzero().to(logits), image[:, inside].T.to(logits), params)
    if weights is None:
        return refined
    q = unary.softmax(0)
    for _ in range(params.iterations):
        q = (unary + q @ weights).softmax(0)
    refined[:, inside] = q
    return refined


def _weights(places: Tensor, colours: Tensor, params: CrfParams) -> Tensor | None:
    """(N, N): what a cell adds to each other's labels; None where nothing does.

    Args:
        places: (N, 2) row and column.
        colours: (N, 3).
    """
    both = torch.cat([places / params.bilateral_sxy, colours / params.bilateral_srgb], 1)
    total = None
    for features, compat in (
        (places / params.gaussian_sxy, params.gaussian_compat),
        (both, params.bilateral_compat),
    ):
        if compat > 0:
            kernel = compat * _normalised(features)
            total = kernel if total is None else total.add_(kernel)
    return total


def _normalised(features: Tensor) -> Tensor:
    """exp(-|f_i - f_j|^2 / 2) over the roots of both its row sums; the diagonal included."""
    # through products of features, near neighbours' distances would be lost in rounding
    distances = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    kernel = distances.square_().mul_(-0.5).exp_()
    scale = (kernel.sum(1) + 1e-20).rsqrt()
    return kernel.mul_(scale[:, None]).mul_(scale)
