"""What the methods of train-cls share: the start of the head, samples, refusals, figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from wsss_cli.artifacts import open_dataset
from wsss_cli.cli import app
from wsss_cli.core.classifier_metrics import mean_ap
from wsss_cli.core.tags import NOT_SAID
from wsss_cli.methods.train_cls import CARDS
from wsss_cli.options.cards import due
from wsss_cli.training.classifying import (
    Classifying,
    if_probed,
    load_scaled,
    load_whole,
    probes_tags,
    tag_loss,
)

RNG = np.random.default_rng(0)


def options(**given: Any) -> dict[str, Any]:
    return {"weights": "imagenet", "probe": None, **given}


@pytest.mark.parametrize(
    ("given", "probed"),
    [
        (options(), True),
        (options(weights="random"), False),
        (options(weights="random", probe=True), True),
        (options(probe=False), False),
        (options(weights="cls.pt"), True),
    ],
)
def test_heads_start_as_a_probe_of_features_that_are_not_random(
    given: dict[str, Any], probed: bool
) -> None:
    assert probes_tags(given) is probed
    assert due(if_probed(3, 5), given) == (3 if probed else 5)
    assert str(if_probed(3, 5)) == "3 with a probe, else 5"


def test_layers_in_between_leave_no_usual_probe() -> None:
    assert not probes_tags(options(), lambda _: True)
    assert probes_tags(options(probe=True), lambda _: True)


def test_samples_hold_tags_and_whole_images(tiny_data: Path) -> None:
    with open_dataset(tiny_data) as data:
        two = data.ids[3]
        scaled = load_scaled(data, 24, two, RNG)
        assert scaled["image"].shape == (3, 16, 24)  # of 32 x 48
        assert scaled["tags"].tolist() == [1.0, 1.0, 0.0]
        assert load_whole(data, 24, two, RNG)["image"].shape == (3, 24, 24)


def test_parts_of_a_batch_add_up_to_its_loss() -> None:
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).double()
    tags = (logits > 0.3).double()
    tags[0, 1] = tags[3] = NOT_SAID
    counts = torch.tensor([5, 11])
    whole = tag_loss(logits, {"tags": tags}, counts)
    parts = [tag_loss(logits[p], {"tags": tags[p]}, counts) for p in ([0, 1], [2, 3, 4])]
    assert torch.allclose(sum(parts), whole)  # type: ignore[arg-type]
    p = logits.sigmoid()
    expected = -(tags * p.log() + (1 - tags) * (1 - p).log())[~tags.isnan()].mean()
    assert torch.allclose(whole, expected)


def test_a_lesson_figures_the_mean_average_precision() -> None:
    scores, tags = RNG.random((6, 3)), RNG.integers(0, 2, (6, 3))
    found = Classifying.figures(object.__new__(Classifying), scores, tags)
    assert found == {"val_map": mean_ap(scores, tags)}


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_decay_without_a_probe_is_refused(card: Any, tiny_data: Path) -> None:
    words = ["--method", card.name, "--no-probe", "--probe-decay", "0.5", "--data", str(tiny_data)]
    result = CliRunner().invoke(app, ["train-cls", *words])
    assert result.exit_code == 2
    assert "--probe-decay: there is no probe" in result.stderr


def test_all_methods_have_the_same_defaults_to_give() -> None:
    assert len({frozenset(card.usual) for card in CARDS}) == 1
