"""train-seg --loss ce: cross-entropy of labelled pixels, and the card's defaults."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from teaching import chosen, options, seg_task
from test_training_losses import random_labels

from wsss_cli.core.labels import IGNORE
from wsss_cli.errors import UsageError
from wsss_cli.methods.train_seg.ce import CARD, CrossEntropy, label_loss
from wsss_cli.options.segmenter import Head
from wsss_cli.training.labelled import LabelOptions
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


def test_defaults_are_those_of_seams_retraining() -> None:
    found, method = options("--labels l.h5"), chosen("")
    assert method.card is CARD
    usual = {"model": "deeplabv2", "epochs": 30, "batch_size": 8, "lr": 1e-3, "jitter": None}
    assert {name: found[name] for name in usual} == usual
    assert (found["weight_decay"], found["rescale"], found["long_side"]) == (1e-4, "0.5,1.5", None)
    assert method.options == LabelOptions(labels=Path("pseudo.h5"), probe_decay=0.3)
    assert options("--backbone mobilenet_v2")["lr"] == 1e-4


def test_pixels_by_hand() -> None:
    """Two labels of probability 1/4 and 3/4, and a pixel that teaches nothing."""
    logits = torch.tensor([0.0, np.log(3)]).view(1, 2, 1, 1).repeat(1, 1, 1, 3)
    labels = torch.tensor([[[0, 1, IGNORE]]], dtype=torch.uint8)
    loss = CrossEntropy(seg_task(Path()), LabelOptions()).loss()
    target, count = loss.prepare({"label": labels})
    assert count.tolist() == [2]
    expected = (np.log(4) + np.log(4 / 3)) / 2
    assert float(loss.share(logits, target, count)) == pytest.approx(expected, rel=1e-6)
    # of a batch of ten labelled pixels it is a fifth
    assert float(loss.share(logits, target, torch.tensor([10]))) == pytest.approx(expected / 5)


def test_the_auxiliary_weight_is_the_networks() -> None:
    task = seg_task(Path(), head=Head(model="unet"))
    loss = CrossEntropy(task, LabelOptions()).loss()
    labels = torch.zeros(1, 1, 1, dtype=torch.uint8)
    even = torch.zeros(1, 2, 1, 1)
    both = loss.share({"out": even, "aux": even}, labels, torch.tensor([1]))
    assert float(both) == pytest.approx(1.5 * np.log(2))


def test_what_is_recorded() -> None:
    assert CARD.lesson is CrossEntropy
    assert (CrossEntropy.name, CrossEntropy(seg_task(Path()), LabelOptions()).params()) == (
        "ce",
        {},
    )


def test_it_starts_as_a_probe_where_that_can_be() -> None:
    given = {"backbone": "resnet50", "weights": "imagenet", "probe": None}
    assert CARD.probes({**given, "model": "deeplabv2"})
    assert not CARD.probes({**given, "model": "unet"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("--grow-fg 0.5", "--grow-fg: --loss ce has no such thing"),
        ("--crf psa", "--crf: --loss ce has no such thing"),
    ],
)
def test_what_it_has_no_use_for(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        options(text)
