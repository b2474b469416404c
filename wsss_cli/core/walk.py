"""The random walk that spreads class scores along affinities, as repeated local averaging.

With W the matrix of a^beta between paired cells and 1 on its diagonal, D its row sums and
P = D^-1 W, the walk is P^steps applied to each class's scores. W is never formed: it is a stencil
of one plane per offset, and a step costs two multiply-adds per offset and cell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .pairs import Border, Offset, border_margin, pair_views

TRUNCATION = 1e-5  # share of the Chebyshev weights that may be left out; 256 steps then cost 70


def chebyshev_weights(steps: int, tolerance: float = TRUNCATION) -> list[float]:
    """Weights c_k with x^steps = sum_k c_k T_k(x) on [-1, 1], cut where little is left.

    Source: x^s = 2^(1-s) sum' C(s, (s-k)/2) T_k(x) over k of s's parity, the term k = 0 halved:
    the binomial expansion of cos(t)^s. The weights are a distribution over k whose spread is
    sqrt(s), so about sqrt(2 s ln(2 / tolerance)) terms are enough.

    Args:
        steps: s >= 0.
        tolerance: greatest sum of the weights left out.

    Returns:
        [c_0, .., c_degree], degree <= steps, rescaled to sum to 1 so that P^steps still keeps
        constants. Those of the wrong parity are 0.
    """
    total = 2**steps
    weights = [0.0] * (steps + 1)
    for k in range(steps % 2, steps + 1, 2):
        weights[k] = (1 if k == 0 else 2) * math.comb(steps, (steps - k) // 2) / total
    degree, kept = steps % 2, weights[steps % 2]
    while 1 - kept > tolerance and degree < steps:
        degree += 2
        kept += weights[degree]
    return [weight / kept for weight in weights[: degree + 1]]


class _Stencil:
    """S = D^-1/2 W D^-1/2 as a stencil over flat cells; symmetric, so half the planes serve.

    A neighbour at (dy, dx) is dy*w + dx cells further in the flat grid. Where that wraps into
    another row the plane holds 0, so each term is one multiply-add over whole, contiguous rows.
    """

    def __init__(
        self,
        affinity: Tensor,
        offsets: Sequence[Offset],
        beta: float,
        margin: int,
        valid: Tensor | None,
    ) -> None:
        h, w = affinity.shape[-2:]
        kept = [i for i, (dy, dx) in enumerate(offsets) if dy < h and abs(dx) < w]
        affinity, offsets = affinity[kept], [offsets[i] for i in kept]
        self.shifts = [dy * w + dx for dy, dx in offsets]
        planes = affinity.new_zeros((len(offsets), h, w))
        degree = affinity.new_ones((h, w))
        for plane, source, offset in zip(planes, affinity, offsets, strict=True):
            here, there = pair_views(degree, offset, margin)
            weight = pair_views(plane, offset, margin)[0]
            torch.pow(pair_views(source, offset, margin)[0], beta, out=weight)
            if valid is not None:
                one, other = pair_views(valid, offset, margin)
                weight *= one & other
            here += weight
            there += weight
        self.scale = degree.sqrt_()
        inverse = 1 / self.scale
        for plane, offset in zip(planes, offsets, strict=True):
            one, other = pair_views(inverse, offset, margin)
            pair_views(plane, offset, margin)[0].mul_(one).mul_(other)
        self.planes = planes.flatten(1)
        self.diagonal = inverse.square_().flatten()

    def add_to(self, out: Tensor, state: Tensor, factor: float = 1.0) -> None:
        """out += factor * S state, both (K, h*w); they must not overlap."""
        n = state.shape[-1]
        out.addcmul_(self.diagonal, state, value=factor)
        for plane, shift in zip(self.planes, self.shifts, strict=True):
            weight = plane[: n - shift]
            out[:, : n - shift].addcmul_(weight, state[:, shift:], value=factor)
            out[:, shift:].addcmul_(weight, state[:, : n - shift], value=factor)


@torch.no_grad()
def random_walk(
    scores: Tensor,
    affinity: Tensor,
    offsets: Sequence[Offset],
    *,
    beta: float,
    steps: int,
    border: Border = "full",
    valid: Tensor | None = None,
    chebyshev: bool = True,
    tolerance: float = TRUNCATION,
) -> Tensor:
    """Average each class's scores along affinities, `steps` times.

    Source: Ahn and Kwak, CVPR 2018, equations 3 to 5. P^steps is applied as a vector iteration,
    shortened by its Chebyshev expansion where that is cheaper.

    Args:
        scores: (K, h, w) float32 or float64; one map per class walked (absent ones stay 0, leave
            them out). Channels do not mix.
        affinity: (P, h, w) in [0, 1], same dtype and device; plane o at (y, x) is the pair of
            (y, x) with (y, x) + offsets[o]. Entries of pairs beyond the border are not read.
        offsets: the P offsets of a half plane, `half_disk_offsets`.
        beta: exponent of each affinity (not of the matrix).
        steps: number of averagings.
        border: "full", or "reference" for the published code's missing pairs.
        valid: (h, w) bool; False leaves a cell out of every pair, so it keeps its score and
            its neighbours do not see it.
        chebyshev: False takes every step.
        tolerance: greatest sum of Chebyshev weights left out.

    Returns:
        (K, h, w), each map within the range of its scores; cells without pairs keep theirs.

    Raises:
        ValueError: shapes that disagree, or steps or beta below 0.
    """
    if affinity.shape != (len(offsets), *scores.shape[-2:]) or scores.dim() != 3:
        raise ValueError(
            f"scores {tuple(scores.shape)} and affinity {tuple(affinity.shape)} do not fit"
            f" (K, h, w) and ({len(offsets)}, h, w)"
        )
    if steps < 0 or beta < 0:
        raise ValueError(f"steps {steps} and beta {beta} must be 0 or more")
    radius = 1 + max((max(dy, abs(dx)) for dy, dx in offsets), default=0)
    if steps == 0 or scores.numel() == 0:
        return scores.clone()
    stencil = _Stencil(affinity, offsets, beta, border_margin(radius, border), valid)
    state = (scores * stencil.scale).flatten(1)
    weights = chebyshev_weights(steps, tolerance) if chebyshev else []
    if 0 < len(weights) <= steps:
        state = _chebyshev(stencil, state, weights)
    else:
        state = _plain(stencil, state, steps)
    walked = state.view_as(scores) / stencil.scale
    # An average cannot leave the range of what it averages; a truncated series can, by a little.
    return walked.clamp_(scores.amin((1, 2), keepdim=True), scores.amax((1, 2), keepdim=True))


def _plain(stencil: _Stencil, state: Tensor, steps: int) -> Tensor:
    """S^steps state, one step at a time."""
    following = torch.empty_like(state)
    for _ in range(steps):
        following.zero_()
        stencil.add_to(following, state)
        state, following = following, state
    return state


def _chebyshev(stencil: _Stencil, state: Tensor, weights: list[float]) -> Tensor:
    """sum_k weights[k] T_k(S) state by T_(k+1) = 2 S T_k - T_(k-1)."""
    total = state * weights[0]
    previous, current = state, torch.zeros_like(state)
    stencil.add_to(current, state)
    for k in range(1, len(weights)):
        if weights[k]:
            total.add_(current, alpha=weights[k])
        if k + 1 < len(weights):
            previous.neg_()
            stencil.add_to(previous, current, 2.0)
            previous, current = current, previous
    return total
