"""Tags of three values, and their loss against plain loops."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from wsss_cli.core.tags import NOT_SAID, is_absent, is_present, is_said, tag_losses

PACKAGE = Path(__file__).resolve().parent.parent / "wsss_cli"


def problem(
    images: int, classes: int, hidden: float, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    scores = 3 * torch.randn(images, classes, generator=rng, dtype=torch.float64)
    tags = (torch.rand(images, classes, generator=rng) < 0.3).float()
    unsaid = torch.rand(images, classes, generator=rng) < hidden
    return scores, tags.masked_fill(unsaid, NOT_SAID)


def test_a_tag_has_one_of_three_values() -> None:
    tags = torch.tensor([1.0, 0.0, NOT_SAID])
    assert is_present(tags).tolist() == [True, False, False]
    assert is_absent(tags).tolist() == [False, True, False]
    assert is_said(tags).tolist() == [True, True, False]


@pytest.mark.parametrize("hidden", [0.0, 0.5])
def test_the_loss_is_the_mean_over_what_is_said(hidden: float) -> None:
    scores, tags = problem(7, 4, hidden)
    terms = [
        math.log1p(math.exp(-score if tag else score))
        for score, tag in zip(scores.flatten().tolist(), tags.flatten().tolist(), strict=True)
        if not math.isnan(tag)
    ]
    assert len(terms) == 28 if not hidden else 8 < len(terms) < 20
    assert float(tag_losses(scores, tags).mean()) == pytest.approx(sum(terms) / len(terms))


def test_where_all_is_said_it_is_torchs_own_bit_by_bit() -> None:
    scores, tags = (tensor.float() for tensor in problem(9, 5, 0.0))
    own, theirs = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    found = tag_losses(own, tags, torch.tensor([9, 45])).mean()
    expected = F.multilabel_soft_margin_loss(theirs, tags)
    found.backward()
    expected.backward()
    assert torch.equal(found, expected)
    assert own.grad is not None
    assert theirs.grad is not None
    assert torch.equal(own.grad, theirs.grad)
    rows = F.multilabel_soft_margin_loss(scores, tags, reduction="none")
    assert torch.equal(tag_losses(scores, tags), rows)


def test_what_is_not_said_has_no_gradient_however_large_its_score() -> None:
    scores, tags = problem(6, 4, 0.4, seed=1)
    scores[tags.isnan()] = 1e30
    scores.requires_grad_()
    tag_losses(scores, tags).mean().backward()
    assert scores.grad is not None
    assert torch.equal(scores.grad != 0, is_said(tags))


def test_parts_of_a_batch_add_up() -> None:
    scores, tags = problem(6, 4, 0.5, seed=2)
    tags[3] = NOT_SAID
    whole = tag_losses(scores, tags)
    assert whole[3] == 0
    counts = torch.tensor([6, int(is_said(tags).sum())])
    parts = [tag_losses(scores[p], tags[p], counts) for p in (slice(2), slice(2, 6))]
    assert torch.equal(torch.cat(parts), whole)
    nothing = tag_losses(scores, torch.full_like(tags, NOT_SAID))
    assert (nothing == 0).all()


def test_training_with_hidden_tags_ends_where_what_is_said_alone_leads() -> None:
    """Gradient descent on the loss, beside one on a loop over what is said, in float64."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 3))
    tags = torch.tensor(x @ rng.normal(size=(3, 2)) + rng.normal(size=(30, 2)) > 0).double()
    tags[torch.tensor(rng.random((30, 2)) < 0.5)] = NOT_SAID
    weight = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    own = np.zeros((2, 3))
    said = [(n, c) for n, c in np.ndindex(30, 2) if not math.isnan(tags[n, c])]
    for _ in range(60):
        (slope,) = torch.autograd.grad(
            tag_losses(torch.tensor(x) @ weight.T, tags).mean(), [weight]
        )
        with torch.no_grad():
            weight -= 2 * slope
        step = np.zeros((2, 3))
        for n, c in said:
            step[c] += (1 / (1 + np.exp(-x[n] @ own[c])) - float(tags[n, c])) * x[n] / len(said)
        own -= 2 * step
    assert np.abs(own).max() > 0.5
    np.testing.assert_allclose(weight.detach().numpy(), own, rtol=1e-9)


def test_no_other_module_compares_scores_with_tags() -> None:
    """A loss of its own would take what is not said for something else."""
    losses = re.compile(r"multilabel_soft_margin_loss|multilabel_margin_loss|BCEWithLogits")
    found = [path.name for path in PACKAGE.rglob("*.py") if losses.search(path.read_text("utf-8"))]
    assert found == ["tags.py"]
