"""The losses of SEC and DSRG against loops in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from plain import plain_gwrp
from torch import Tensor

from wsss_cli.core.sec import (
    balanced_seed_loss,
    boundary_loss,
    constrain_loss,
    expand_loss,
    floored,
    seed_loss,
    smoothed,
)
from wsss_cli.core.tags import NOT_SAID

B, N, H, W = 2, 4, 3, 5


def problem(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Logits, seeds, present, seen, q; float64."""
    rng = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(B, N, H, W, generator=rng, dtype=torch.float64)
    seeds = torch.rand(B, N, H, W, generator=rng) < 0.2
    present = torch.tensor([[True, False, True], [False, True, False]])
    seen = torch.rand(B, H, W, generator=rng) < 0.8
    q = (2 * torch.randn(B, N, H, W, generator=rng, dtype=torch.float64)).softmax(1)
    return logits, seeds, present, seen, floored(q)


def plain_probabilities(logits: np.ndarray) -> np.ndarray:
    f = np.empty_like(logits)
    for b, y, x in np.ndindex(B, H, W):
        powers = [math.exp(v) for v in logits[b, :, y, x]]
        raised = [power / sum(powers) + 1e-4 for power in powers]
        f[b, :, y, x] = [value / sum(raised) for value in raised]
    return f


def test_probabilities() -> None:
    logits = problem()[0]
    f = smoothed(logits)
    np.testing.assert_allclose(f, plain_probabilities(logits.numpy()), rtol=1e-12)
    assert smoothed(1000 * logits.float()).min() > 9e-5


@pytest.mark.parametrize("seed", range(5))
def test_every_loss_against_loops(seed: int) -> None:
    logits, seeds, present, seen, q = problem(seed)
    f = smoothed(logits)
    terms: dict[str, list[float]] = {"seed": [], "balanced": [], "expand": [], "kl": [], "edge": []}
    for b in range(B):
        bg, fg, kl, edge = [], [], [], []
        for y, x in np.ndindex(H, W):
            for c in range(N):
                if seeds[b, c, y, x]:
                    (fg if c else bg).append(-math.log(f[b, c, y, x]))
            if seen[b, y, x]:
                ratios = [float(q[b, c, y, x] / f[b, c, y, x]) for c in range(N)]
                share = [float(v) for v in q[b, :, y, x]]
                kl.append(sum(p * math.log(r) for p, r in zip(share, ratios, strict=True)))
                held = [min(20.0, max(0.05, r)) for r in ratios]
                edge.append(sum(p * math.log(r) for p, r in zip(share, held, strict=True)))
        terms["seed"].append(sum(bg + fg) / max(1, len(bg + fg)))
        terms["balanced"].append(sum(bg) / max(1, len(bg)) + sum(fg) / max(1, len(fg)))
        terms["kl"].append(sum(kl) / len(kl))
        terms["edge"].append(sum(edge) / len(edge))
        maps = [f[b, c][seen[b]].tolist() for c in range(N)]
        d_fg, d_bg = (d ** (1681 / len(maps[0])) for d in (0.996, 0.999))
        held_in = [-math.log(plain_gwrp(maps[c], d_fg)) for c in range(1, N) if present[b, c - 1]]
        out = [-math.log(1 - max(maps[c])) for c in range(1, N) if not present[b, c - 1]]
        ground = -math.log(plain_gwrp(maps[0], d_bg))
        terms["expand"].append(sum(held_in) / len(held_in) + sum(out) / len(out) + ground)
    found = {
        "seed": seed_loss(f, seeds),
        "balanced": balanced_seed_loss(f, seeds),
        "expand": expand_loss(f, present, seen),
        "kl": constrain_loss(f, q, seen),
        "edge": boundary_loss(f, q, seen),
    }
    for name, values in found.items():
        np.testing.assert_allclose(values, terms[name], rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", ["seed", "balanced", "expand", "kl", "edge"])
def test_gradients(name: str) -> None:
    logits, seeds, present, seen, q = problem(3)
    losses = {
        "seed": lambda z: seed_loss(smoothed(z), seeds),
        "balanced": lambda z: balanced_seed_loss(smoothed(z), seeds),
        "expand": lambda z: expand_loss(smoothed(z), present, seen),
        "kl": lambda z: constrain_loss(smoothed(z), q, seen),
        "edge": lambda z: boundary_loss(smoothed(z), q, seen),
    }
    assert torch.autograd.gradcheck(losses[name], (logits.requires_grad_(),))


def test_losses_vanish_where_all_is_right() -> None:
    logits, seeds, _, seen, q = problem(1)
    f = smoothed(logits)
    assert constrain_loss(f, f, seen).abs().max() < 1e-12
    assert boundary_loss(f, f, seen).abs().max() < 1e-12
    assert (constrain_loss(f, q, seen) > 1e-3).all()
    none = torch.zeros_like(seeds)
    for loss in (seed_loss, balanced_seed_loss):
        assert (loss(f, none) == 0).all()
    sure = torch.zeros_like(seeds)
    sure[:, 1] = True
    assert seed_loss(smoothed(1e3 * sure.double()), sure).max() < 1e-3


def test_padding_has_no_effect_and_no_gradient() -> None:
    logits, _, present, _, q = problem(2)
    seen = torch.ones(B, H, W, dtype=torch.bool)
    seen[:, -1] = False
    logits.requires_grad_()
    other = logits.detach().clone()
    other[:, :, -1] += 5
    for loss in (
        lambda f: expand_loss(f, present, seen),
        lambda f: constrain_loss(f, q, seen),
        lambda f: boundary_loss(f, q, seen),
    ):
        assert torch.equal(loss(smoothed(logits)), loss(smoothed(other)))
        (gradient,) = torch.autograd.grad(loss(smoothed(logits)).sum(), logits)
        assert (gradient[:, :, -1] == 0).all()
        assert (gradient[:, :, 0] != 0).any()
    nothing = torch.zeros_like(seen)
    assert (expand_loss(smoothed(logits), present, nothing) == 0).all()
    assert (constrain_loss(smoothed(logits), q, nothing) == 0).all()


def test_images_without_classes_or_with_all_of_them() -> None:
    (
        logits,
        *_,
    ) = problem(4)
    f, seen = smoothed(logits), torch.ones(B, H, W, dtype=torch.bool)
    tags = torch.tensor([1.0, 0.0] + [NOT_SAID] * (N - 3)).expand(B, -1)
    some = f.clone().requires_grad_()
    expand_loss(some, tags, seen).sum().backward()
    used = (some.grad != 0).flatten(2).any(2)  # of the background, present and absent classes
    assert used.tolist() == [[True] * 3 + [False] * (N - 3)] * B
    nobody = expand_loss(f, torch.zeros(B, N - 1, dtype=torch.bool), seen)
    everyone = expand_loss(f, torch.ones(B, N - 1, dtype=torch.bool), seen)
    assert nobody.isfinite().all()
    assert everyone.isfinite().all()
    saturated = smoothed(1e4 * torch.ones(B, N, H, W).cumsum(1))  # an absent class, everywhere
    assert expand_loss(saturated, torch.zeros(B, N - 1, dtype=torch.bool), seen).isfinite().all()
