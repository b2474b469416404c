"""train-seg --loss ce: cross-entropy of labelled pixels, and the card's defaults."""

from __future__ import annotations

import torch
from test_training_losses import random_labels

from wsss_cli.core.labels import IGNORE
from wsss_cli.methods.train_seg.ce import label_loss
from wsss_cli.training.losses import count_pixels, pixel_cross_entropy


def test_a_crop_without_any_label_is_harmless() -> None:
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    nothing = torch.full((2, 4, 4), IGNORE, dtype=torch.uint8)
    loss = label_loss(0.5, {"out": logits, "aux": logits * 2}, *count_pixels({"label": nothing}))
    loss.backward()
    assert loss == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_the_auxiliary_loss_is_weighted() -> None:
    out, aux, labels = torch.randn(1, 8, 3, 3), torch.randn(1, 8, 3, 3), random_labels(2, 1, 3, 3)
    one, other = pixel_cross_entropy(out, labels), pixel_cross_entropy(aux, labels)
    both = label_loss(0.3, {"out": out, "aux": aux}, *count_pixels({"label": labels}))
    assert torch.isclose(both, one + 0.3 * other)
    assert label_loss(0.3, out, *count_pixels({"label": labels})) == one
