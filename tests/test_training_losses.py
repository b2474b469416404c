"""Losses and label grids against brute force."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss_cli.core.grid import grid_size
from wsss_cli.core.labels import IGNORE
from wsss_cli.training.classifying import tag_loss
from wsss_cli.training.losses import nearest_labels, pixel_cross_entropy, vote_labels


def random_labels(seed: int, *shape: int) -> torch.Tensor:
    values = np.array([0, 1, 3, 7, IGNORE], np.uint8)
    return torch.from_numpy(np.random.default_rng(seed).choice(values, shape))


def test_cross_entropy_is_the_mean_over_labelled_pixels() -> None:
    logits = torch.randn(2, 8, 5, 6, generator=torch.Generator().manual_seed(0))
    labels = random_labels(0, 2, 5, 6)
    terms = []
    for b, y, x in np.ndindex(2, 5, 6):
        if labels[b, y, x] != IGNORE:
            scores = logits[b, :, y, x].double().numpy()
            terms.append(np.log(np.exp(scores).sum()) - scores[labels[b, y, x]])
    assert math.isclose(pixel_cross_entropy(logits, labels), np.mean(terms), rel_tol=1e-6)


def test_ignored_pixels_have_no_effect_and_no_gradient() -> None:
    logits = torch.randn(1, 8, 4, 4, requires_grad=True)
    labels = random_labels(1, 1, 4, 4)
    pixel_cross_entropy(logits, labels).backward()
    assert logits.grad is not None
    ignored = (labels == IGNORE)[:, None].expand_as(logits)
    assert (logits.grad[ignored] == 0).all()
    assert (logits.grad[~ignored] != 0).all()
    changed = torch.where(ignored, logits.detach() + 100, logits.detach())
    assert pixel_cross_entropy(changed, labels) == pixel_cross_entropy(logits, labels)


def test_tag_loss_is_binary_cross_entropy() -> None:
    tags = (torch.rand(4, 5) < 0.3).float()
    batch, counts = {"tags": tags}, torch.tensor([4, 20])
    assert torch.isclose(tag_loss(torch.zeros(4, 5), batch, counts), torch.tensor(math.log(2)))
    logits = torch.randn(4, 5)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, tags)
    assert torch.isclose(tag_loss(logits, batch, counts), expected)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 21), st.integers(1, 21), st.integers(1, 8), st.integers(0, 1000))
def test_votes_count_every_block(height: int, width: int, stride: int, seed: int) -> None:
    labels = random_labels(seed, 2, height, width)
    found = vote_labels(labels, stride)
    assert found.shape == (2, *grid_size(height, width, stride))
    assert found.dtype == torch.uint8
    for b, y, x in np.ndindex(*found.shape):
        block = labels[b, y * stride : (y + 1) * stride, x * stride : (x + 1) * stride]
        counts = np.bincount(block.flatten().numpy(), minlength=256)
        counts[IGNORE] += stride * stride - block.numel()  # what overhangs
        assert found[b, y, x] == counts.argmax()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 21), st.integers(1, 21), st.integers(1, 8), st.integers(0, 1000))
def test_nearest_labels_sit_at_cell_centres(
    height: int, width: int, stride: int, seed: int
) -> None:
    labels = random_labels(seed, 2, height, width)
    found = nearest_labels(labels, stride)
    assert found.shape == (2, *grid_size(height, width, stride))
    for y, x in np.ndindex(*found.shape[1:]):
        row = min(height - 1, y * stride + (stride - 1) // 2)
        column = min(width - 1, x * stride + (stride - 1) // 2)
        assert torch.equal(found[:, y, x], labels[:, row, column])
