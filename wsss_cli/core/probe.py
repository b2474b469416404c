"""A linear probe: the best linear classifier on features that stay as they are."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .tags import is_said

MAX_ITERATIONS = 300
MIN_SPREAD = 1e-3  # of the mean spread: a feature that hardly varies must not be blown up


def linear_probe(features: Tensor, tags: Tensor, decay: float) -> Tensor:
    """Weights of a classifier without bias, fitted to pooled features by logistic regression.

    Features are centred and divided by their standard deviation, each by its own; minimised is

        mean over the tags that are said of the binary cross-entropy of z = V x'
        + decay / (2 C) * sum V^2,

    which is convex with one minimum. There is no intercept: with one, the rare classes' large
    negative intercepts would have to go into the maps of a classifier that has no bias. Returned
    are the weights for the features as they were, V / deviation; that leaves out the constant
    that centring adds to each class's score, which ranks neither images nor map cells. For a class
    of which some images say nothing, features are centred over the others.

    As decay grows, the weights tend to the difference of class means over each feature's
    variance, which few images determine better than the free minimum; see docs/results-appendix.md.

    Args:
        features: (N, D) floating, N >= 1.
        tags: (N, C) of 1, 0 and NaN, see `core.tags`.
        decay: above 0.

    Returns:
        (C, D) float32. A class that no image has, or every image, has zeros, as has one of which
        nothing is said; of images those count that say something of it.

    Raises:
        ValueError: shapes that do not fit, no image, numbers that are not finite, or no decay.

    Source: linear probing before fine-tuning is from Kumar et al., ICLR 2022 (LP-FT).
    """
    if features.ndim != 2 or tags.ndim != 2 or len(features) != len(tags) or not len(tags):
        raise ValueError(f"features {tuple(features.shape)} and tags {tuple(tags.shape)}")
    if not decay > 0:
        raise ValueError(f"decay {decay}: must be above 0")
    x, y = features.detach().double(), tags.to(features.device).double()
    x, _, spread = _standardised(x)
    said = is_said(y)
    y, known = y.masked_fill(~said, 0), said.double()
    share = y.numel() / max(1, int(said.sum()))
    counts = known.sum(dim=0)
    centre = known.T @ x / counts.clamp(min=1)[:, None]
    centre[counts == len(x)] = 0  # as it is, but for rounding
    weight = x.new_zeros(y.shape[1], x.shape[1], requires_grad=True)

    def loss() -> Tensor:
        scores = x @ weight.T - (centre * weight).sum(dim=1)
        fit = F.binary_cross_entropy_with_logits(scores, y, weight=known) * share
        return fit + decay / (2 * y.shape[1]) * weight.pow(2).sum()

    minimise([weight], loss)
    return (weight.detach() / spread).float()


def pixel_probe(
    features: Tensor, labels: Tensor, n_labels: int, decay: float
) -> tuple[Tensor, Tensor]:
    """Weights and biases of a classifier of cells, fitted to their features by softmax regression.

    With features standardised as in `linear_probe`, x', minimised is

        mean over cells of the cross-entropy of z = V x' + b  +  decay / (2 L) * sum V^2

    over the L labels that some cell has. Returned are the weights and biases for the features as
    they were.

    Args:
        features: (N, D) floating, N >= 1; computed in their precision.
        labels: (N,) integers in 0..n_labels-1.
        n_labels: of all labels.
        decay: above 0.

    Returns:
        (n_labels, D) and (n_labels,), float32. A label that no cell has gets zero weights and the
        least of the others' biases.

    Raises:
        ValueError: shapes that do not fit, no cell, labels out of range, numbers that are not
            finite, or no decay.
    """
    if features.ndim != 2 or labels.shape != features.shape[:1] or not len(labels):
        raise ValueError(f"features {tuple(features.shape)} and labels {tuple(labels.shape)}")
    if int(labels.min()) < 0 or int(labels.max()) >= n_labels:
        raise ValueError(f"labels are not in 0..{n_labels - 1}")
    if not decay > 0:
        raise ValueError(f"decay {decay}: must be above 0")
    x, mean, spread = _standardised(features.detach())
    held, target = labels.to(features.device).long().unique(return_inverse=True)
    weight = x.new_zeros(len(held), x.shape[1], requires_grad=True)
    bias = x.new_zeros(len(held), requires_grad=True)

    def loss() -> Tensor:
        fit = F.cross_entropy(x @ weight.T + bias, target)
        return fit + decay / (2 * len(held)) * weight.pow(2).sum()

    minimise([weight, bias], loss)
    found = weight.detach() / spread
    offset = bias.detach() - found @ mean
    weights = x.new_zeros(n_labels, x.shape[1])
    biases = offset.min().expand(n_labels).clone()
    weights[held], biases[held] = found, offset
    return weights.float(), biases.float()


def _standardised(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features (N, D) centred and over their spread, their means, and that spread.

    Raises:
        ValueError: numbers that are not finite.
    """
    if not bool(x.isfinite().all()):
        raise ValueError("features are not finite")
    mean = x.mean(dim=0)
    x = x - mean
    spread = x.pow(2).mean(dim=0).sqrt()
    spread = spread.clamp_min(MIN_SPREAD * float(spread.mean())).clamp_min(1e-12)
    return x / spread, mean, spread


def minimise(parameters: list[Tensor], loss: Callable[[], Tensor]) -> None:
    """Bring parameters, in place, to where a smooth loss is least near them."""
    optimizer = torch.optim.LBFGS(
        parameters,
        max_iter=MAX_ITERATIONS,
        tolerance_grad=1e-9,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(closure)
