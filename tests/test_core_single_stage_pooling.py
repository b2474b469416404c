"""Class scores pooled from masks, against loops in float64, and what always holds."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from wsss_cli.core.single_stage_pooling import (
    Pooling,
    class_scores,
    fitted_logits,
    focal_penalty,
    with_background,
)
from wsss_cli.core.tags import NOT_SAID, tag_losses

PLAIN = Pooling()


def logits(seed: int = 0, scale: float = 2.0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return scale * torch.randn(2, 4, 3, 5, generator=rng, dtype=torch.float64)


def by_loops(x: Tensor, pooling: Pooling, seen: Tensor) -> Tensor:
    """Cell by cell."""
    batch, n, h, w = x.shape
    scores = torch.zeros(batch, n - 1, dtype=torch.float64)
    for b in range(batch):
        for c in range(1, n):
            top = bottom = 0.0
            cells = 0
            for i in range(h):
                for j in range(w):
                    if not seen[b, i, j]:
                        continue
                    powers = [math.exp(x[b, k, i, j]) for k in range(n)]
                    mask = powers[c] / sum(powers)
                    top, bottom, cells = top + mask * float(x[b, c, i, j]), bottom + mask, cells + 1
            mean = bottom / cells
            penalty = (1 - mean) ** pooling.power * math.log(pooling.offset + mean)
            scores[b, c - 1] = top / (1 + bottom) + penalty
    return scores


@pytest.mark.parametrize("pooling", [PLAIN, Pooling(1.5, 0.1), Pooling(0, 1)])
def test_scores_are_those_of_loops(pooling: Pooling) -> None:
    x = logits()
    seen = torch.rand(2, 3, 5, generator=torch.Generator().manual_seed(1)) < 0.7
    assert torch.allclose(class_scores(x, pooling, seen), by_loops(x, pooling, seen))
    assert torch.allclose(class_scores(x, pooling), by_loops(x, pooling, torch.ones_like(seen)))


def test_padding_counts_for_nothing() -> None:
    x = logits()
    seen = torch.ones(2, 3, 5, dtype=torch.bool)
    seen[:, :, 3:] = False
    changed = x.clone()
    changed[..., 3:] = 9
    inside = class_scores(x[..., :3], PLAIN)
    assert torch.allclose(class_scores(x, PLAIN, seen), inside)
    assert torch.allclose(class_scores(changed, PLAIN, seen), inside)
    assert torch.isfinite(class_scores(x, PLAIN, torch.zeros_like(seen))).all()
    with pytest.raises(ValueError, match="seen cells"):
        class_scores(x, PLAIN, seen[:, :2])


def test_gradients() -> None:
    x = logits(3).requires_grad_()
    seen = torch.rand(2, 3, 5, generator=torch.Generator().manual_seed(1)) < 0.7
    assert torch.autograd.gradcheck(lambda t: class_scores(t, PLAIN, seen), x)


@given(st.integers(0, 99), st.floats(0.1, 20))
def test_the_pool_is_bounded_by_the_highest_logit(seed: int, scale: float) -> None:
    x = logits(seed, scale)
    pooled = class_scores(x, PLAIN) - penalties(x)
    highest = x[:, 1:].flatten(2).amax(-1)
    lowest = x[:, 1:].flatten(2).amin(-1)
    assert (pooled <= highest.clamp(min=0) + 1e-9).all()
    assert (pooled >= lowest.clamp(max=0) - 1e-9).all()


def penalties(x: Tensor) -> Tensor:
    return focal_penalty(x.softmax(1)[:, 1:].mean((2, 3)), PLAIN)


def test_zero_logits_pool_to_zero() -> None:
    x = torch.zeros(1, 4, 3, 5, dtype=torch.float64)
    x[:, 0] = 1
    assert torch.equal(class_scores(x, PLAIN), penalties(x))


def test_penalties_published() -> None:
    sizes = torch.tensor([0, 0.01, 0.5, 0.99, 1, 1 + 1e-7])
    expected = [math.log(0.01), 0.99**3 * math.log(0.02), 0.125 * math.log(0.51), 0, 0, 0]
    assert torch.allclose(focal_penalty(sizes, PLAIN), torch.tensor(expected), atol=1e-6)


@pytest.mark.parametrize("arguments", [(-1, 0.1), (math.nan, 0.1), (1, 0), (1, math.inf)])
def test_pooling_that_makes_no_sense(arguments: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="focal penalty"):
        Pooling(*arguments)


def tagged_maps() -> tuple[Tensor, Tensor, Tensor]:
    """Maps (20, 3, 6, 7) with a blob of each present class, tags, and cells that are seen."""
    rng = torch.Generator().manual_seed(4)
    tags = torch.rand(20, 3, generator=rng) < 0.4
    maps = 8 * torch.randn(20, 3, 6, 7, generator=rng, dtype=torch.float64) - 5
    maps[:, :, 1:4, 2:5] += 8 * tags[:, :, None, None]
    seen = torch.ones(20, 6, 7, dtype=torch.bool)
    seen[::2, :, 5:] = False
    return maps, tags.double(), seen


@pytest.mark.parametrize("pooling", [PLAIN, Pooling(1.5, 0.1)])
def test_maps_cross_the_background_below_their_peaks_and_tell_tags(pooling: Pooling) -> None:
    maps, tags, seen = tagged_maps()
    scale, offset = fitted_logits(maps, tags, pooling, seen)
    peaks = [float(maps[b, c][seen[b]].max()) for b, c in tags.nonzero().tolist()]
    level = 0.3 * sorted(peaks)[(len(peaks) - 1) // 2]
    assert scale * level + offset == pytest.approx(1)
    hidden = tags.clone()
    hidden[tags[:, 0] == 0, 0] = NOT_SAID  # no peak of it counts
    assert (1 - fitted_logits(maps, hidden, pooling, seen)[1]) / fitted_logits(
        maps, hidden, pooling, seen
    )[0] == pytest.approx(level)

    def loss(scale: float) -> float:
        logits = with_background(scale * (maps - level) + 1)
        return float(tag_losses(class_scores(logits, pooling, seen), tags).mean())

    assert loss(scale) <= min(loss(a / 200) for a in range(1, 600))
    assert loss(scale) < min(loss(0.98 * scale), loss(1.02 * scale))


def test_a_fit_follows_the_unit_of_maps_and_leaves_out_what_is_not_seen() -> None:
    maps, tags, seen = tagged_maps()
    scale, offset = fitted_logits(maps, tags, PLAIN, seen)
    other = maps.masked_fill(~seen[:, None], 1e6)
    again = fitted_logits(40 * other, tags, PLAIN, seen)
    assert again == pytest.approx((scale / 40, offset), rel=1e-6)


def test_a_fit_without_spread_tags_or_sense() -> None:
    maps, tags, _ = tagged_maps()
    assert fitted_logits(torch.full_like(maps, 7), tags, PLAIN) == (1, -6)  # the background's 1
    scale, offset = fitted_logits(maps, torch.zeros_like(tags), PLAIN)
    assert scale * float(maps.max()) + offset == pytest.approx(1)
    assert scale * float(maps.std(correction=0)) == pytest.approx(1)
    scale, _ = fitted_logits(maps, 1 - tags, PLAIN)  # which the maps deny
    assert scale * float(maps.std(correction=0)) == pytest.approx(0.25)
    maps[0, 0, 0, 0] = math.inf
    with pytest.raises(ValueError, match="not finite"):
        fitted_logits(maps, tags, PLAIN)


def test_peaks_below_zero_are_crossed_below_themselves() -> None:
    maps, tags, seen = tagged_maps()
    maps -= float(maps.max()) + 3
    scale, offset = fitted_logits(maps, tags, PLAIN, seen)
    peaks = torch.stack([maps[b, c][seen[b]].max() for b, c in tags.nonzero().tolist()])
    mean = maps.movedim(1, -1)[seen].mean()
    level = float(mean + 0.3 * (peaks.median() - mean))
    assert scale * level + offset == pytest.approx(1)
    assert level < float(peaks.median())
