"""Losses of seeds from options: defaults by terms, what contradicts, what weights record."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import masks_of, write_labels
from teaching import seg_task

from wsss_cli.core.crf import PRESETS
from wsss_cli.errors import UsageError
from wsss_cli.options.cards import due
from wsss_cli.options.training import Crops
from wsss_cli.training.seeded import SeededLoss
from wsss_cli.training.seeds import (
    Scores,
    Seeding,
    SeedOptions,
    Unary,
    probes_if_asked,
    seeded_loss,
    usual_of,
)
from wsss_cli.training.supervision import Supervision
from wsss_cli.training.team import Team


class Method(Seeding):
    name = "method"


def loss(crop: int = 320, aux: float = 0.0, **options: Any) -> SeededLoss:
    return seeded_loss(SeedOptions(**options), crop, aux)


def test_what_has_no_part_in_the_loss_has_no_default() -> None:
    usual = usual_of("seed,expand", grow=False, lr=0.5)
    assert (usual["terms"], usual["grow"], usual["lr"], usual["crf"]) == (
        *("seed,expand", False, 0.5),
        "sec-train",
    )
    growing = {"grow": True, "terms": "seed", "crf": "psa"}
    still = {"grow": False, "terms": "seed, expand", "crf": "psa"}
    expected = {
        "grow_fg": (0.85, None),
        "grow_bg": (0.99, None),
        "grow_scores": (Scores.crf, None),
        "decay_fg": (None, 0.996),
        "decay_bg": (None, 0.999),
    }
    found = {name: (due(usual[name], growing), due(usual[name], still)) for name in expected}
    assert found == expected
    assert due(usual["grow_scores"], {**growing, "crf": "none"}) is None
    assert [str(usual[name]) for name in expected] == [
        *("0.85", "0.99", "crf, where there is one", "0.996", "0.999")
    ]


def test_a_probe_only_if_asked_for() -> None:
    assert not probes_if_asked({"probe": None, "weights": "imagenet"})
    assert probes_if_asked({"probe": True, "weights": "imagenet"})


def test_options_become_a_loss() -> None:
    assert loss() == SeededLoss(("seed",), False)
    found = loss(
        terms=" balanced, boundary ,expand",
        grow=True,
        grow_fg=0.5,
        grow_bg=0.75,
        grow_scores=Scores.network,
        decay_fg=0.0,
        decay_bg=1.0,
        unary=Unary.prob,
        crf="psa",
        crf_iterations=3,
        grid_stride=4,
        aux=0.25,
    )
    assert found == SeededLoss(
        ("balanced", "boundary", "expand"),
        True,
        *(0.5, 0.75, "network", 0.0, 1.0),
        crf=replace(PRESETS["psa"], iterations=3),
        unary="prob",
        stride=4,
        aux_weight=0.25,
    )
    assert type(found.grow_scores) is str


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"terms": "seed,hope"}, "--terms seed,hope: need names of seed, balanced, expand, const"),
        ({"terms": "seed,seed"}, "--terms seed,seed: need names"),
        ({"terms": ""}, "--terms : need names"),
        ({"terms": "seed,constrain,boundary"}, "--terms boundary: needs a CRF"),
        ({"grow": True, "grow_scores": Scores.crf}, "--grow-scores crf: needs a CRF"),
        ({"grow_fg": 0.5}, "--grow-fg: nothing grows"),
        ({"grow_scores": Scores.network}, "--grow-scores: nothing grows"),
        ({"decay_bg": 0.5}, "--decay-bg: no term is expand"),
        ({"terms": "expand", "decay_fg": 1.5}, "--decay-fg 1.5: must lie in 0..1"),
        ({"terms": "expand", "decay_bg": -0.1}, "--decay-bg -0.1: must lie in 0..1"),
        ({"grow": True, "grow_bg": float("nan")}, "--grow-bg nan: must lie in 0..1"),
        ({"grow": True, "grow_fg": -1.0}, "--grow-fg -1.0: must lie in 0..1"),
        ({"grid_stride": 3}, "--grid-stride 3: must lie in 4..16"),
        ({"grid_stride": 17}, "--grid-stride 17: must lie in 4..16"),
        ({"crf": "tea"}, "--crf tea: unknown"),
    ],
)
def test_losses_that_cannot_be(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        loss(**options)
    assert str(caught.value).startswith(said)


def test_cells_are_not_too_many_for_a_crf() -> None:
    loss(crop=16 * 109, grid_stride=16)  # 11,881 cells
    with pytest.raises(UsageError, match="--grid-stride 16: 110x110 cells are too many"):
        loss(crop=16 * 110, grid_stride=16)


def test_a_method_refuses_at_once_and_records_its_loss(tiny_data: Path) -> None:
    labels = write_labels(tiny_data.with_name("seeds.h5"), tiny_data, masks_of(tiny_data))
    options = SeedOptions(terms="seed,expand", labels=labels, grid_stride=4)
    method = Method(seg_task(tiny_data.parent), options)
    assert method.seeded == SeededLoss(("seed", "expand"), False, stride=4)
    assert method.decay is None  # no probe unless asked for
    assert method.params()["terms"] == ("seed", "expand")
    assert method.params()["crf"] is None
    with ExitStack() as files:
        job = method.job(Team(), files)
        assert (job.params["loss"], job.params["stride"]) == ("method", 4)
        assert job.after is None
        assert job.loss.share == method.seeded.share
        sample = job.load("a/3", np.random.default_rng(0))
        assert sample["label"].shape == (8, 8)
    with pytest.raises(UsageError, match="--terms hope: need names"):
        Method(seg_task(tiny_data.parent), SeedOptions(terms="hope"))


def test_supervision_is_written_where_it_is_asked_for(tiny_data: Path) -> None:
    labels = write_labels(tiny_data.with_name("seeds.h5"), tiny_data, masks_of(tiny_data))
    path = tiny_data.with_name("sup.h5")
    options = SeedOptions(labels=labels, supervision=path, grid_stride=4)
    with ExitStack() as files:
        task = seg_task(tiny_data.parent, val_every=1, crops=Crops(crop=48, max_side=None))
        after = Method(task, options).job(Team(), files).after
        assert isinstance(after, Supervision)
        assert (after.path, after.stride, after.params["side"]) == (path, 4, 48)
        with pytest.raises(UsageError, match="--val-every 0 leaves no epoch"):
            Method(seg_task(tiny_data.parent), options).job(Team(), files)
