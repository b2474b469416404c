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
from .walk_defaults import PUBLISHED_STEPS

MAX_STEPS = 1 << 16  # the expansion of more costs more than the walk of a whole grid
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
        constants; the sum is within 2 * tolerance of x^s. Those of the wrong parity are 0.
    """
    k, pairs = steps % 2, steps // 2
    weights = [0.0] * k + [math.comb(steps, pairs) / 2**steps * (1 + k)]
    left = 1 - weights[-1]
    while left > tolerance and k < steps:
        weight = weights[-1] * pairs / (steps - pairs + 1) * (1 if k else 2)
        weights += [0.0, weight]
        left -= weight
        k, pairs = k + 2, pairs - 1
    return [weight / (1 - left) for weight in weights]


def steps_for(cells: int, published: int, steps: int = PUBLISHED_STEPS) -> int:
    """Steps that spread scores over the same share of an image on a grid of another size.

    A step moves a score by a few cells, whatever the image; t steps move it by sqrt(t) times as
    many, where nothing stands in its way. The published 256 = 2^8 steps reach some 37 cells, a
    third of the width of a 500x375 image at stride 4, but beyond the ends of a 96-pixel one, where
    they leave nothing of a map but its mean. The same share of any grid is reached by steps in
    proportion to its cells. Their logarithm is rounded, as the published code counts in powers of
    two: images of 0.71 to 1.41 times the published size keep the published steps.

    Args:
        cells: of the grid.
        published: cells of the grid that `steps` were published for.

    Returns:
        A power of two, 1 at least and MAX_STEPS at most.

    >>> steps_for(94 * 125, 94 * 125), steps_for(125 * 125, 94 * 125), steps_for(24 * 24, 94 * 125)
    (256, 256, 16)
    """
    exponent = round(math.log2(steps * max(cells, 1) / published))
    return min(2 ** max(exponent, 0), MAX_STEPS)


def _normalised_planes(
    affinity: list[Tensor],
    offsets: list[Offset],
    beta: float,
    margin: int,
    valid: Tensor | None,
    like: Tensor,
) -> tuple[Tensor, Tensor]:
    """Planes (P, h, w) of D^-1/2 W D^-1/2 off its diagonal, 0 where there is no pair; and D^1/2."""
    planes = like.new_zeros((len(offsets), *like.shape[-2:]))
    degree = like.new_zeros(like.shape[-2:])
    for plane, source, offset in zip(planes, affinity, offsets, strict=True):
        weight = pair_views(plane, offset, margin)[0]
        torch.pow(pair_views(source, offset, margin)[0].to(like.dtype), beta, out=weight)
        if valid is not None:
            one, other = pair_views(valid, offset, margin)
            weight *= one & other
        here, there = pair_views(degree, offset, margin)
        here += weight
        there += weight
    scale = degree.add_(1).sqrt_()
    inverse = 1 / scale
    for plane, offset in zip(planes, offsets, strict=True):
        one, other = pair_views(inverse, offset)
        pair_views(plane, offset)[0].mul_(one).mul_(other)
    return planes, scale


class _Stencil:
    """S = D^-1/2 W D^-1/2 as a stencil over flat cells; symmetric, so half the planes serve.

    A neighbour at (dy, dx) is dy*w + dx cells further in the flat grid. Where that wraps into
    another row the plane holds 0, so a term is a multiply-add over whole, contiguous rows. Two
    copies of the state and of the sums let one operation serve a pair in both directions:
    sums[0] of the sources takes from the destinations, sums[1] the reverse.

    Float32 needs care. A cell with weak links changes by less than a rounding error of its score
    per link, yet visibly in 256 steps, so neighbours are summed before the cell itself is added,
    in D as in `apply`; and the diagonal is what makes each row of P sum to 1. Without these the
    walk along boundaries was off by up to 7e-4, with them by 1e-5.
    """

    def __init__(self, planes: Tensor, scale: Tensor, offsets: Sequence[Offset], k: int) -> None:
        """For states of (k, h*w)."""
        n, w = scale.numel(), scale.shape[1]
        self.copies, self.sums = planes.new_empty((2, k, n)), planes.new_empty((2, k, n))
        self.terms = []
        for plane, (dy, dx) in zip(planes.flatten(1), offsets, strict=True):
            shift, pairs = dy * w + dx, n - dy * w - dx
            to = self.sums.as_strided((2, k, pairs), (k * n + shift, n, 1))
            neighbours = self.copies.as_strided((2, k, pairs), (k * n - shift, n, 1), shift)
            self.terms.append((to, plane[:pairs], neighbours))
        self.diagonal = scale.new_zeros(n)
        fixed = scale.flatten().expand(k, n)
        self.diagonal = 1 - (self.apply(fixed, torch.empty_like(fixed)) / fixed)[0]

    def apply(self, state: Tensor, out: Tensor) -> Tensor:
        """out = S state, both (k, h*w) and apart."""
        self.copies.copy_(state)
        self.sums.zero_()
        for to, weight, neighbours in self.terms:
            to.addcmul_(weight, neighbours)
        return torch.add(self.sums[0], self.sums[1], out=out).addcmul_(self.diagonal, state)


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

    Source: Ahn and Kwak, CVPR 2018 (AffinityNet). P^steps is applied as a vector iteration,
    shortened by its Chebyshev expansion where that is cheaper.

    Args:
        scores: (K, h, w) float; one map per class walked (absent ones stay 0, leave them out).
            Channels do not mix.
        affinity: (P, h, w) in [0, 1], on the same device; plane o at (y, x) is the pair of
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
        (K, h, w) float64 for float64 scores, else float32; each map within the range of its
        scores. Cells without pairs keep theirs.

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
    scores = scores if scores.dtype == torch.float64 else scores.float()
    if steps == 0 or scores.numel() == 0:
        return scores.clone()
    radius = 1 + max((max(dy, abs(dx)) for dy, dx in offsets), default=0)
    k, h, w = scores.shape
    near = [i for i, (dy, dx) in enumerate(offsets) if dy < h and abs(dx) < w]
    margin = border_margin(radius, border)
    affinities, offsets = [affinity[i] for i in near], [offsets[i] for i in near]
    planes, scale = _normalised_planes(affinities, offsets, beta, margin, valid, scores)
    # Constants are fixed points: walking the deviations from one spares its rounding errors.
    share = scale.square()
    mean = (scores * (share / share.sum())).sum((1, 2), keepdim=True)
    state = ((scores - mean) * scale).flatten(1)
    stencil = _Stencil(planes, scale, offsets, k)
    weights = chebyshev_weights(steps, tolerance)
    shorter = chebyshev and len(weights) <= steps
    state = _chebyshev(stencil, state, weights) if shorter else _plain(stencil, state, steps)
    walked = state.view_as(scores).div_(scale).add_(mean)
    # An average cannot leave the range of what it averages; a truncated series can, by a little.
    return walked.clamp_(scores.amin((1, 2), keepdim=True), scores.amax((1, 2), keepdim=True))


def _plain(stencil: _Stencil, state: Tensor, steps: int) -> Tensor:
    """S^steps state, one step at a time."""
    following = torch.empty_like(state)
    for _ in range(steps):
        state, following = stencil.apply(state, following), state
    return state


def _chebyshev(stencil: _Stencil, state: Tensor, weights: list[float]) -> Tensor:
    """sum_k weights[k] T_k(S) state by T_(k+1) = 2 S T_k - T_(k-1)."""
    total = state * weights[0]
    previous, current, following = state, torch.empty_like(state), torch.empty_like(state)
    stencil.apply(previous, current)
    for k in range(1, len(weights)):
        if weights[k]:
            total.add_(current, alpha=weights[k])
        if k + 1 < len(weights):
            stencil.apply(current, following).mul_(2).sub_(previous)
            previous, current, following = current, following, previous
    return total
