"""train-aff: both methods from seeds to weights; their losses against the core's."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import CLASSES, tiny_scene
from typer.testing import CliRunner, Result

from wsss_cli.artifacts import LABEL, Weights, create, load_weights, open_dataset
from wsss_cli.cli import app
from wsss_cli.core.affinity import affinity_loss_psa, boundary_loss_irn
from wsss_cli.core.images import to_input
from wsss_cli.core.labels import IGNORE
from wsss_cli.methods.rebuild import rebuild_affinity
from wsss_cli.methods.train_aff import irn, psa
from wsss_cli.training import affinities, lesson
from wsss_cli.training.losses import nearest_labels, vote_labels

ARGUMENTS = "--backbone tiny --backbone-weights random --crop 32 --freeze-stages 0 --workers 0"
SHORT = [*ARGUMENTS.split(), "--epochs", "2", "--batch-size", "2", "--radius", "3"]


def train(*options: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, ["train-aff", *SHORT, *options])
    assert result.exit_code == expect, result.output
    assert result.stdout == ""
    return result


def talk(result: Result) -> list[str]:
    """What was said, without the counts that a slow machine shows in between."""
    return [line for line in result.stderr.splitlines() if not re.search(r": \d+/\d+$", line)]


@pytest.fixture(autouse=True)
def folder(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's own folder: data.h5, and seeds.h5 that are its masks, unsure at the borders."""
    monkeypatch.chdir(tiny_data.parent)
    monkeypatch.delenv("WSSS_DATA", raising=False)
    with (
        open_dataset(tiny_data) as data,
        create("seeds.h5", LABEL, classes=CLASSES, params={}, ids=data.ids, inputs=[data]) as out,
    ):
        for index, image_id in enumerate(data.ids):
            seeds = tiny_scene(index)[1]
            seeds[:, ::7] = IGNORE
            out.put(image_id, label=seeds, present=data.tags(image_id))
    return tiny_data.parent


def same(one: Weights, other: Weights) -> bool:
    states = one.state_dict, other.state_dict
    return one.history == other.history and all(
        torch.equal(tensor, states[1][name]) for name, tensor in states[0].items()
    )


@pytest.mark.parametrize("method", ["psa", "irn"])
def test_seeds_become_weights(method: str) -> None:
    lines = talk(train("--method", method))
    assert "epoch 1/2: loss " in lines[0]
    assert lines[-1] == "train-aff: 4 images, 2 epochs -> aff.pt"
    weights = load_weights("aff.pt", "wsss/aff")
    assert weights.config["method"] == method
    assert weights.params["radius"] == 3
    assert weights.classes == CLASSES
    model = rebuild_affinity(weights.config, weights.state_dict)
    outputs = model(torch.zeros(1, 3, 33, 50))
    if method == "psa":
        assert weights.config["output_stride"] == 8
        assert outputs.shape == (1, 448, 5, 7)
    else:
        assert weights.config["output_stride"] == 16
        assert [tuple(out.shape) for out in outputs] == [(1, 1, 9, 13), (1, 2, 9, 13)]
    assert sorted(os.listdir()) == ["aff.pt", "data.h5", "seeds.h5"]


def test_the_defaults_are_those_of_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[Any] = []
    monkeypatch.setattr(lesson, "train", lambda job, recipe, *_: jobs.append((job, recipe)))
    bare = ["train-aff", "--backbone", "tiny", "--backbone-weights", "random"]
    for method in ("psa", "irn"):
        assert CliRunner().invoke(app, [*bare, "--method", method]).exit_code == 0
    psa, irn = (job.params for job, _ in jobs)
    names = ("radius", "output_stride", "dilated", "crop", "factor")
    assert [psa[name] for name in names] == [5, 8, True, 448, None]
    assert [irn[name] for name in names] == [10, 16, False, 512, (0.5, 1.5)]
    rates = [{group["name"]: group["lr"] for group in job.groups(recipe)} for job, recipe in jobs]
    assert rates[0]["new weight"] == pytest.approx(10 * rates[0]["pretrained weight"])
    edge, displacement = rates[1]["pretrained weight"], rates[1]["new weight"]
    assert displacement == pytest.approx(10 * edge)
    assert len(rates[1]) == 4
    assert rates[1]["pretrained bias"] == edge  # IRN does not double biases


def test_only_irns_heads_train(folder: Path) -> None:
    train("--method", "irn", "--epochs", "1", "-o", "one.pt", "-q")
    train("--method", "irn", "--epochs", "2", "-o", "two.pt", "-q")
    one, two = load_weights("one.pt").state_dict, load_weights("two.pt").state_dict
    changed = {name.split(".")[0] for name in one if not torch.equal(one[name], two[name])}
    assert changed == {"edge", "displacement"}


def test_losses_take_labels_on_their_grids() -> None:
    labels = torch.from_numpy(np.stack([tiny_scene(i)[1] for i in (0, 3)]))
    features = torch.randn(2, 6, 4, 6)
    votes = torch.zeros(2, 4, 6, dtype=torch.uint8)
    for b, y, x in np.ndindex(2, 4, 6):
        block = labels[b, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8]
        votes[b, y, x] = int(np.bincount(block.flatten().numpy()).argmax())
    targets = affinities.count_cells(vote_labels, 8, 3, {"label": labels})
    found = psa.affinity_loss(3, features, *targets)
    assert found == affinity_loss_psa(features, votes, 3).total
    edge, displacement = torch.randn(2, 1, 8, 12), torch.randn(2, 2, 8, 12)
    targets = affinities.count_cells(nearest_labels, 4, 3, {"label": labels})
    found = irn.boundary_loss(3, (edge, displacement), *targets)
    nearest = labels[:, 1::4, 1::4]
    assert found == boundary_loss_irn(edge.sigmoid(), displacement, nearest, 3).total


def test_mean_displacement_is_that_of_whole_training_images(folder: Path) -> None:
    train("--method", "irn", "-q")
    weights = load_weights("aff.pt")
    model = rebuild_affinity(weights.config, weights.state_dict)
    means = []
    with open_dataset("data.h5") as data, torch.inference_mode():
        for image_id in data.split("train"):
            means.append(model(to_input(data.image(image_id))[None])[1].mean(dim=(0, 2, 3)))
    mean = weights.state_dict["displacement.mean_shift.running_mean"]
    assert mean.abs().min() > 0
    assert torch.stack(means).mean(0).abs().max() < 1e-4 * max(1.0, float(mean.abs().max()))


@pytest.mark.parametrize("method", ["psa", "irn"])
@pytest.mark.parametrize("moment", ["step", "end"])
def test_an_interrupted_run_ends_in_the_same_weights(
    method: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    train("--method", method, "-o", "whole.pt", "--workers", "1", "-q")
    name = {"psa": "affinity_loss", "irn": "boundary_loss"}[method]
    if moment == "end":
        name = "load_whole" if method == "irn" else name
    module = {"psa": psa, "irn": irn}[method]
    original, calls = getattr(module, name), []

    def interrupting(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == (2 if name == "load_whole" else 4 if moment == "end" else 3):
            os.kill(os.getpid(), signal.SIGINT)
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, interrupting)
        train("--method", method, expect=130)
    assert not Path("aff.pt").exists()
    assert "going on at step" in train("--method", method).stderr
    assert same(load_weights("aff.pt"), load_weights("whole.pt"))
    assert not Path("aff.pt.partial").exists()


def test_other_files_are_refused(folder: Path) -> None:
    assert "holds wsss/dataset, not wsss/label" in train("--seeds", "data.h5", expect=3).stderr
    assert "'both' is not" in train("--method", "both", expect=2).stderr
    assert "12 is not one of 8, 16, 32" in train("--output-stride", "12", expect=2).stderr
    assert "need 0 < LO <= HI" in train("--rescale", "0,1", expect=2).stderr
    assert sorted(os.listdir()) == ["data.h5", "seeds.h5"]
