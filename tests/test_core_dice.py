"""The soft Dice loss against loops in float64; its parts add up."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from wsss_cli.core.dice import EPSILON, dice_losses
from wsss_cli.core.labels import IGNORE
from wsss_cli.methods.train_seg.dice import count_images_and_pixels, overlap_loss
from wsss_cli.training.losses import count_pixels, pixel_cross_entropy

B, N, H, W = 4, 5, 3, 6


def problem(seed: int) -> tuple[Tensor, Tensor]:
    """Logits float64 and labels; the last image has none, labels 3 is nowhere."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.array([0, 1, 2, 4, IGNORE], np.uint8), (B, H, W))
    labels[-1] = IGNORE
    return torch.from_numpy(rng.normal(size=(B, N, H, W)) * 3), torch.from_numpy(labels)


def plain_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """Of one image, pixel by pixel."""
    found = []
    for label in range(N):
        overlap = total = size = 0.0
        for y, x in np.ndindex(H, W):
            if labels[y, x] == IGNORE:
                continue
            scores = np.exp(logits[:, y, x])
            p, g = scores[label] / scores.sum(), float(labels[y, x] == label)
            overlap, total, size = overlap + p * g, total + p + g, size + g
        if size:
            found.append(1 - (2 * overlap + EPSILON) / (total + EPSILON))
    return sum(found) / len(found) if found else 0.0


@given(st.integers(0, 1000))
def test_it_is_the_mean_over_the_labels_that_an_image_holds(seed: int) -> None:
    logits, labels = problem(seed)
    losses = dice_losses(logits.softmax(1), labels)
    expected = [plain_loss(z, y) for z, y in zip(logits.numpy(), labels.numpy(), strict=True)]
    np.testing.assert_allclose(losses.numpy(), expected, rtol=1e-10)
    assert losses[-1] == 0


def test_the_gradient_is_that_of_differences() -> None:
    logits, labels = problem(3)
    logits = logits[:, :, :2, :3].clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda z: dice_losses(z.softmax(1), labels[:, :2, :3]), (logits,)
    )


def test_ignored_pixels_have_no_effect_and_no_gradient() -> None:
    logits, labels = problem(5)
    logits.requires_grad_()
    loss = dice_losses(logits.softmax(1), labels).sum()
    loss.backward()
    ignored = (labels == IGNORE)[:, None].expand_as(logits)
    assert logits.grad is not None
    assert not logits.grad[ignored].any()
    assert logits.grad[~ignored].any()
    changed = torch.where(ignored, logits.detach() - 7, logits.detach())
    changed[:, 0] += torch.where(ignored[:, 0], 9.0, 0.0)
    assert dice_losses(changed.softmax(1), labels).sum() == loss


def test_a_label_counts_the_same_however_small() -> None:
    """One wrong pixel in a label of two costs more than in one of many."""
    labels = torch.zeros(1, 4, 8, dtype=torch.uint8)
    labels[0, 0, :2] = 1
    right = torch.nn.functional.one_hot(labels.long(), 2).movedim(-1, 1).double()
    assert float(dice_losses(right, labels)) == 0
    small, large = right.clone(), right.clone()
    small[0, :, 0, 0] = torch.tensor([1.0, 0.0])
    large[0, :, 3, 7] = torch.tensor([0.0, 1.0])
    one, other = (float(dice_losses(p, labels)) for p in (small, large))
    assert one == pytest.approx((1 / 62 + 1 / 4) / 2)
    assert other == pytest.approx((1 / 60 + 1 / 6) / 2)


@pytest.mark.parametrize("ce_weight", [0.0, 0.7])
def test_parts_of_a_batch_add_up(ce_weight: float) -> None:
    logits, labels = problem(8)
    outputs = {"out": logits, "aux": logits.flip(-1)}
    whole = overlap_loss(0.3, ce_weight, outputs, *count_images_and_pixels({"label": labels}))
    parts = [slice(0, 1), slice(1, 4)]
    prepared = [count_images_and_pixels({"label": labels[part]}) for part in parts]
    counts = prepared[0][1] + prepared[1][1]
    assert counts.tolist() == [3, int((labels != IGNORE).sum())]
    shares = [
        overlap_loss(0.3, ce_weight, {k: z[part] for k, z in outputs.items()}, own, counts)
        for part, (own, _) in zip(parts, prepared, strict=True)
    ]
    torch.testing.assert_close(sum(shares), whole)
    own = dice_losses(logits.softmax(1), labels).sum() / 3
    own = own + 0.3 * dice_losses(outputs["aux"].softmax(1), labels).sum() / 3
    entropies = [pixel_cross_entropy(z, *count_pixels({"label": labels})) for z in outputs.values()]
    own = own + ce_weight * (entropies[0] + 0.3 * entropies[1])
    torch.testing.assert_close(whole, own.reshape(()))


def test_a_batch_without_any_label_is_harmless() -> None:
    logits = torch.randn(2, N, H, W, requires_grad=True)
    nothing = torch.full((2, H, W), IGNORE, dtype=torch.uint8)
    loss = overlap_loss(0.0, 1.0, logits, *count_images_and_pixels({"label": nothing}))
    loss.backward()
    assert loss == 0
    assert logits.grad is not None
    assert not logits.grad.any()
