"""A linear probe: the best linear classifier on features that stay as they are."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_ITERATIONS = 300
MIN_SPREAD = 1e-3  # of the mean spread: a feature that hardly varies must not be blown up


def linear_probe(features: Tensor, tags: Tensor, decay: float) -> Tensor:
    """Weights of a classifier without bias, fitted to pooled features by logistic regression.

    Features are centred and divided by their standard deviation, each by its own; minimised is

        mean over images and classes of the binary cross-entropy of z = V x'
        + decay / (2 C) * sum V^2,

    which is convex with one minimum. There is no intercept: with one, the rare classes' large
    negative intercepts would have to go into the maps of a classifier that has no bias. Returned
    are the weights for the features as they were, V / deviation; that leaves out the constant
    that centring adds to each class's score, which ranks neither images nor map cells.

    As decay grows, the weights tend to the difference of class means over each feature's
    variance, which few images determine better than the free minimum; see docs/results.md.

    Args:
        features: (N, D) floating, N >= 1.
        tags: (N, C) of 0 and 1.
        decay: above 0.

    Returns:
        (C, D) float32. A class that no image has, or every image, has zeros.

    Raises:
        ValueError: shapes that do not fit, no image, numbers that are not finite, or no decay.

    Source: linear probing before fine-tuning is from Kumar et al., ICLR 2022 (LP-FT).
    """
    if features.ndim != 2 or tags.ndim != 2 or len(features) != len(tags) or not len(tags):
        raise ValueError(f"features {tuple(features.shape)} and tags {tuple(tags.shape)}")
    if not decay > 0:
        raise ValueError(f"decay {decay}: must be above 0")
    x, y = features.detach().double(), tags.to(features.device).double()
    if not bool(x.isfinite().all()):
        raise ValueError("features are not finite")
    x = x - x.mean(dim=0)
    spread = x.pow(2).mean(dim=0).sqrt()
    spread = spread.clamp_min(MIN_SPREAD * float(spread.mean())).clamp_min(1e-12)
    weight = _minimum(x / spread, y, decay) / spread
    return weight.float()


def _minimum(x: Tensor, y: Tensor, decay: float) -> Tensor:
    """(C, D) float64, where the regularised loss is least."""
    weight = x.new_zeros(y.shape[1], x.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight],
        max_iter=MAX_ITERATIONS,
        tolerance_grad=1e-9,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(x @ weight.T, y)
        loss = loss + decay / (2 * y.shape[1]) * weight.pow(2).sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    return weight.detach()
