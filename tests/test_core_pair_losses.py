"""The pair losses' functions of autograd, worked by hand on grids of two and three cells.

What they give on whole grids is compared with gathers in test_core_affinity.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from wsss_cli.core.labels import IGNORE
from wsss_cli.core.pair_losses import (
    EPSILON,
    AffinityLossFunction,
    BoundaryLossFunction,
    count_pairs,
)


def row(*labels: int) -> Tensor:
    return torch.tensor([[labels]], dtype=torch.uint8)


def test_pairs_are_counted_by_kind() -> None:
    labels = torch.tensor([[[0, 0, 3], [3, IGNORE, 3]]], dtype=torch.uint8)
    # right: 00, 03 | down: 03, 33 ; those with 255 are none
    assert count_pairs(labels, [(0, 1), (1, 0)], 0).tolist() == [1, 1, 2]
    assert count_pairs(labels, [(1, -1)], 0).tolist() == [0, 0, 1]  # (0, 1) with (1, 0)
    assert count_pairs(torch.cat([labels, labels]), [(0, 1)], 0).tolist() == [2, 0, 2]
    assert count_pairs(labels, [(0, 1)], 1).tolist() == [0, 0, 1]  # the middle of the upper row
    assert count_pairs(labels, [], 0).tolist() == [0, 0, 0]


def affinity_losses(
    features: Tensor, labels: Tensor, radius: int = 2
) -> tuple[Tensor, list[float], list[int]]:
    offsets = [(0, 1), (1, -1), (1, 0), (1, 1)]
    counts = count_pairs(labels, offsets, 0)
    total, *parts = AffinityLossFunction.apply(features, labels, counts, radius, 0)
    return total, [part.item() for part in parts], counts.tolist()


def test_features_of_two_cells_alike() -> None:
    features = torch.tensor([[[[1.0, 3.0]], [[2.0, 2.5]]]], dtype=torch.float64)
    features.requires_grad_()
    total, parts, counts = affinity_losses(features, row(4, 4))
    a = math.exp(-(2.0 + 0.5) / 2)
    assert counts == [0, 1, 0]
    loss = -math.log(a + EPSILON) / (1 + EPSILON)
    assert parts == pytest.approx([0, loss, 0])
    assert total.item() == pytest.approx(loss / 4)
    total.backward()
    # d loss / d |difference| = a / (a + e) / 2 channels; the first cell is below the second
    slope = a / (a + EPSILON) / 2 / (1 + EPSILON) / 4
    expected = [[[[-slope, slope]], [[-slope, slope]]]]
    torch.testing.assert_close(features.grad, torch.tensor(expected, dtype=torch.float64))


def test_features_of_two_cells_unlike() -> None:
    features = torch.tensor([[[[3.0, 1.0]]]], dtype=torch.float64, requires_grad=True)
    total, parts, counts = affinity_losses(features, row(0, 4))
    a = math.exp(-2.0)
    assert counts == [0, 0, 1]
    loss = -math.log(1 + EPSILON - a) / (1 + EPSILON)
    assert parts == pytest.approx([0, 0, loss])
    (3 * total).backward()
    slope = 3 * -a / (1 + EPSILON - a) / (1 + EPSILON) / 2  # apart is better
    assert features.grad is not None
    assert features.grad.flatten().tolist() == pytest.approx([slope, -slope])


def test_features_that_want_no_gradient() -> None:
    total, parts, _ = affinity_losses(torch.zeros(1, 2, 1, 2), row(0, 0))
    assert not total.requires_grad
    assert parts[0] == pytest.approx(-math.log(1 + EPSILON), abs=1e-7)


def boundary_losses(
    boundary: Tensor, displacement: Tensor, labels: Tensor, radius: int
) -> tuple[Tensor, ...]:
    right = [(0, dx) for dx in range(1, radius)]
    counts = count_pairs(labels, right, 0)
    return BoundaryLossFunction.apply(boundary, displacement, labels, counts, radius, 0)


def test_a_boundary_between_unlike_cells_learns_at_its_peak_alone() -> None:
    boundary = torch.tensor([[[0.1, 0.7, 0.2]]], dtype=torch.float64, requires_grad=True)
    still = torch.zeros(1, 2, 1, 3, dtype=torch.float64)
    positive, negative, *_ = boundary_losses(boundary, still, row(0, IGNORE, 1), 3)
    a = 1 - 0.7  # of the one pair, whose path is all three cells
    assert positive.item() == 0
    assert negative.item() == pytest.approx(-math.log(1 + EPSILON - a) / (1 + EPSILON))
    negative.backward()
    assert boundary.grad is not None
    slope = -1 / (1 + EPSILON - a) / (1 + EPSILON)
    assert boundary.grad.flatten().tolist() == pytest.approx([0, slope, 0])


def test_boundaries_within_a_class_and_in_the_background_share_the_positive_loss() -> None:
    boundary = torch.tensor([[[0.2, 0.6]], [[0.1, 0.3]]], dtype=torch.float64)
    boundary.requires_grad_()
    still = torch.zeros(2, 2, 1, 2, dtype=torch.float64)
    labels = torch.cat([row(0, 0), row(5, 5)])
    positive, negative, foreground, background = boundary_losses(boundary, still, labels, 2)
    parts = [-math.log(1 - peak + EPSILON) / 2 / (1 + EPSILON) for peak in (0.6, 0.3)]
    assert positive.item() == pytest.approx(sum(parts))
    assert negative.item() == 0
    assert background.item() == 0
    # one pair of one class, one cell apart: |0 - 1| and |0 - 0| over the two directions
    assert foreground.item() == pytest.approx(1 / (2 + EPSILON))
    positive.backward()
    slopes = [1 / (1 - peak + EPSILON) / 2 / (1 + EPSILON) for peak in (0.6, 0.3)]
    assert boundary.grad is not None
    assert boundary.grad.flatten().tolist() == pytest.approx([0, slopes[0], 0, slopes[1]])


def test_displacements_by_hand() -> None:
    displacement = torch.zeros(1, 2, 1, 2, dtype=torch.float64)
    displacement[0, :, 0, 0] = torch.tensor([0.25, 3.0])
    displacement.requires_grad_()
    flat = torch.zeros(1, 1, 2, dtype=torch.float64)
    *_, foreground, background = boundary_losses(flat, displacement, row(2, 2), 2)
    # D(i) - D(j) = (0.25, 3), where the other cell lies (0, 1) away
    assert foreground.item() == pytest.approx((0.25 + 2.0) / (2 + EPSILON))
    assert background.item() == 0
    foreground.backward()
    slope = 1 / (2 + EPSILON)
    expected = torch.tensor([[[[slope, -slope]], [[slope, -slope]]]], dtype=torch.float64)
    torch.testing.assert_close(displacement.grad, expected)

    displacement.grad = None
    *_, foreground, background = boundary_losses(flat, displacement, row(0, 0), 2)
    assert foreground.item() == 0
    assert background.item() == pytest.approx(3.25 / (2 + EPSILON))  # no centre: all alike
