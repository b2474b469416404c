"""A run: what it is known by, how it computes, what it does after each epoch, what it leaves."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dying import deaths
from torch import Tensor, nn

from wsss_cli.artifacts import load_weights
from wsss_cli.artifacts.standing import is_begun, partial_path
from wsss_cli.artifacts.weights import weights_run
from wsss_cli.errors import UsageError
from wsss_cli.machine.devices import TrainPrecision
from wsss_cli.options.training import Recipe, Setting
from wsss_cli.training import job as module
from wsss_cli.training.compute import Compute
from wsss_cli.training.job import Job, begin, train
from wsss_cli.training.losses import Loss, count_images
from wsss_cli.training.schedule import Schedule
from wsss_cli.training.taught import Measure
from wsss_cli.training.team import Team

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=3, batch_size=2, lr=0.5, momentum=0.0, weight_decay=0.0)
SETTING = Setting(device="cpu", workers=0, quiet=True, seed=5)


def load(image_id: str, rng: np.random.Generator) -> dict[str, Tensor]:
    return {"image": torch.full((3, 2, 2), float(image_id))}


def share(outputs: Tensor, batch: dict[str, Tensor], counts: Tensor) -> Tensor:
    return outputs.sum() / counts[0]


class Scale(nn.Module):
    """An image's first value times one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0, 0, 0] * self.weight


def job(out: Path, **options: Any) -> Job:
    """Of four images, 0 to 3: the gradient of a step is the mean of its two."""
    return Job(
        **{
            "name": "train-cls",
            "kind": "wsss/cls",
            "out": out,
            "model": Scale(),
            "config": {"width": 1},
            "params": {"split": "train"},
            "classes": ["red"],
            "inputs": [],
            "ids": ["0", "1", "2", "3"],
            "load": load,
            "loss": Loss(count_images, share),
            "schedule": lambda total, warmup: Schedule(total, warmup),
            "grouping": {"bias_doubling": False},
            **options,
        }
    )


def test_a_run_from_start_to_weights(tmp_path: Path) -> None:
    told: list[Any] = []
    out = tmp_path / "cls.pt"

    def start(model: Scale, compute: Compute) -> None:
        told.append("start")
        model.weight.data.fill_(20.0)

    def finish(model: Scale, compute: Compute) -> None:
        told.append("finish")
        model.weight.data += 100

    history = train(
        job(
            out,
            start=start,
            measure=Measure(
                "tags",
                ["9"],
                lambda model, compute: {"val_map": model.weight.item(), "val_miou": math.nan},
            ),
            after=lambda model, compute, epoch: told.append(epoch),
            finish=finish,
            val_every=2,
        ),
        dataclasses.replace(RECIPE, head_multiplier=1.0),
        SETTING,
        Team(),
    )
    # each epoch goes through 0..3 in two steps, whose means add up to 3: half of it is 1.5
    assert told == ["start", 0, 2, 3, "finish"]
    assert [row["epoch"] for row in history] == [0, 1, 2, 3]
    assert ["loss" in row for row in history] == [False, True, True, True]
    figures = [{k: v for k, v in row.items() if k not in ("epoch", "loss")} for row in history]
    assert figures.pop(1) == {}
    assert figures == [{"val_map": v, "val_miou": None} for v in (20.0, 17.0, 15.5)]
    weights = load_weights(out, "wsss/cls")
    assert weights.state_dict["weight"].item() == 115.5
    assert weights.history == history
    assert weights.config == {"width": 1}
    assert weights.seed == 5
    assert weights.params["split"] == "train"
    assert (weights.params["lr"], weights.params["precision"]) == (0.5, "f32")
    assert list(tmp_path.iterdir()) == [out]  # no state, no lock


def test_what_changes_the_numbers_is_in_the_run_and_nothing_else(tmp_path: Path) -> None:
    def run(recipe: Recipe = RECIPE, seed: int = 5, precision: str = "f32", **changes: Any) -> str:
        one = job(tmp_path / "x.pt")
        one = dataclasses.replace(one, **changes)
        return weights_run(**module._identity(one, recipe, seed, precision))

    same = run()
    assert run(out=tmp_path / "y.pt", val_every=7, config={}, name="other") == same
    others = [
        run(dataclasses.replace(RECIPE, lr=0.25)),
        run(seed=6),
        run(precision="bf16"),
        run(params={"split": None}),
        run(classes=["green"]),
        run(ids=["0", "1"]),
        run(kind="wsss/aff"),
    ]
    assert same not in others
    assert len(set(others)) == len(others)


def test_groups_and_optimizer_are_those_of_recipe_and_method(tmp_path: Path) -> None:
    model = nn.Linear(2, 1)
    recipe = Recipe(epochs=1, batch_size=1, lr=0.5, head_multiplier=4, momentum=0.75)
    one = job(tmp_path / "x.pt", model=model, grouping={"pretrained": [], "bias_decay": True})
    table = [(g["name"], g["lr"], g["weight_decay"]) for g in one.groups(recipe)]
    assert table == [("new weight", 2.0, 1e-4), ("new bias", 4.0, 1e-4)]
    for nesterov, momentum, expected in (
        (False, 0.75, False),
        (True, 0.75, True),
        (True, 0.0, False),  # which there is no other way of taking
    ):
        one = job(tmp_path / "x.pt", model=model, nesterov=nesterov)
        found = one.optimizer(dataclasses.replace(recipe, momentum=momentum))
        assert {g["nesterov"] for g in found.param_groups} == {expected}
        assert {g["momentum"] for g in found.param_groups} == {momentum}


def test_figures_come_every_so_many_epochs_and_at_the_end(tmp_path: Path) -> None:
    def epochs(every: int, last: int) -> list[int]:
        one = job(
            tmp_path / "x.pt",
            val_every=every,
            measure=Measure("tags", [], lambda model, compute: {"f": 1.0}),
        )
        figures = module._measure_each(one, last, Compute(CPU))
        if figures is None:
            return []
        return [epoch for epoch in range(1, last + 1) if figures(one.model, epoch)]

    assert epochs(1, 3) == [1, 2, 3]
    assert epochs(2, 5) == [2, 4, 5]
    assert epochs(9, 4) == [4]
    assert epochs(0, 4) == []
    assert module._measure_each(job(tmp_path / "x.pt"), 3, Compute(CPU)) is None
    assert module._start_once(job(tmp_path / "x.pt"), Compute(CPU)) is None


def test_a_beginning_refuses_what_would_fail_late(tmp_path: Path) -> None:
    out = tmp_path / "cls.pt"
    with begin(out, RECIPE, SETTING) as team:
        first = torch.rand(1)
        assert (team.rank, team.world, team.device) == (0, 1, CPU)
    with begin(out, RECIPE, SETTING):
        assert torch.equal(torch.rand(1), first)  # the seed decides
    cases: list[tuple[Recipe, Setting, int, str]] = [
        (RECIPE, SETTING, 4, "--epochs: must be at least 4"),
        (dataclasses.replace(RECIPE, lr=0), SETTING, 1, "--lr: must be above 0"),
        (
            RECIPE,
            dataclasses.replace(SETTING, precision=TrainPrecision.fp16),
            1,
            "--precision fp16: needs a CUDA device",
        ),
        (RECIPE, dataclasses.replace(SETTING, device="abacus"), 1, "--device abacus: unknown"),
    ]
    for recipe, setting, fewest, said in cases:
        with pytest.raises(UsageError, match=said), begin(out, recipe, setting, fewest):
            pass
    out.write_bytes(b"")
    with pytest.raises(UsageError, match="exists already"), begin(out, RECIPE, SETTING):
        pass
    with begin(out, RECIPE, dataclasses.replace(SETTING, force=True)):
        pass


def taught(out: Path, recipe: Recipe = RECIPE, force: bool = False) -> float:
    """Train from wherever the last attempt was stopped; the weight that comes of it."""
    setting = dataclasses.replace(SETTING, force=force)
    with begin(out, recipe, setting) as team:
        train(job(out), recipe, setting, team)
    return float(load_weights(out, "wsss/cls").state_dict["weight"])


def test_killed_at_any_step_it_ends_in_the_same_weights_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    once = dataclasses.replace(RECIPE, epochs=1)
    whole = taught(tmp_path / "whole.pt", once)
    (tmp_path / "out").mkdir()
    out, seen = tmp_path / "out" / "cls.pt", set()
    for point in deaths(lambda: taught(out, once)):
        placed, begun = out.exists(), is_begun(out)
        if placed and not begun:
            with pytest.raises(UsageError, match="exists already"):
                taught(out, once)
        else:
            assert taught(out, once) == whole, point
        said = "an earlier attempt of this command has finished it" in capsys.readouterr().err
        assert said == (placed and begun), point
        assert [path.name for path in out.parent.iterdir()] == ["cls.pt"], point
        seen.add((placed, begun))
        out.unlink()
    assert {(False, True), (True, True), (True, False)} <= seen


def test_weights_of_another_run_are_not_taken_for_its_own(tmp_path: Path) -> None:
    out, other = tmp_path / "cls.pt", dataclasses.replace(RECIPE, lr=0.25)
    first = taught(out)
    lock = tmp_path / "cls.pt.partial.lock"
    lock.touch()
    with pytest.raises(UsageError, match=r"cls\.pt: exists already"):
        taught(out, other)
    assert load_weights(out).state_dict["weight"].item() == first
    lock.touch()
    before = out.read_bytes()
    assert taught(out) == first  # its own: nothing is done
    assert out.read_bytes() == before
    assert not lock.exists()
    assert taught(out, other, force=True) != first


def test_anothers_unfinished_training_beside_its_own_weights_is_kept(tmp_path: Path) -> None:
    out, other = tmp_path / "cls.pt", dataclasses.replace(RECIPE, lr=0.25)
    taught(out)

    def stop(model: nn.Module, compute: Compute, epoch: int) -> None:
        raise KeyboardInterrupt

    forced = dataclasses.replace(SETTING, force=True)
    with pytest.raises(KeyboardInterrupt), begin(out, other, forced) as team:
        train(job(out, after=stop), other, forced, team)
    kept = partial_path(out).read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        taught(out)
    assert partial_path(out).read_bytes() == kept
    taught(out, other, force=True)
    assert list(tmp_path.iterdir()) == [out]
