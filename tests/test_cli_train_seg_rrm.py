"""train-seg --method rrm on tiny images: from tags to a network; what is refused."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import CLASSES, colour_classifier, tiny_scene
from made import apart
from typer.testing import CliRunner, Result

from wsss_cli.artifacts import LABEL, load_weights, open_artifact, open_dataset, save_weights
from wsss_cli.cli import app
from wsss_cli.core.labels import IGNORE
from wsss_cli.methods.train_seg import rrm as _rrm
from wsss_cli.methods.train_seg.rrm.loss import ReliableLoss
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.training import lesson as training_job
from wsss_cli.training import segmenting as _segmenting
from wsss_cli.training.augment import Augment
from wsss_cli.training.tagged import tagged_crop

ARGUMENTS = (
    "--method rrm --backbone tiny --backbone-weights random --freeze-stages 0 --workers 0 "
    "--crop 48 --grid-stride 4 --batch-size 2 --model deeplabv1 --cam-scales 1,1.5"
)


def wsss(*arguments: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == expect, result.output
    return result


def train(*options: str, expect: int = 0) -> Result:
    return wsss("train-seg", *ARGUMENTS.split(), *options, expect=expect)


@pytest.fixture(autouse=True)
def folder(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tiny_data.parent)
    monkeypatch.delenv("WSSS_DATA", raising=False)
    return tiny_data.parent


@pytest.mark.trains
def test_tags_teach_and_then_what_is_mined_from_them(folder: Path) -> None:
    """Where objects are mined hangs on the start, with so few images."""
    train_on = "--crop 96 --long-side 96,96 --batch-size 4 --batchnorm train"
    options = f"{train_on} --epochs 16 --lr 0.005 --classify-lr 0.1 --val-every 16"
    splits = "--split train --val-split train --cam-scales 1 --energy-stride 8 -q"
    train(*options.split(), *splits.split(), "--supervision", "sup.h5")
    weights = load_weights("seg.pt", "wsss/seg")
    losses = [row["loss"] for row in weights.history]
    assert [row["epoch"] for row in weights.history] == list(range(1, 17))
    assert min(losses[:8]) < 0.6 * losses[0]
    assert losses[8] > losses[7]  # the first with labels
    assert min(losses[9:]) < 0.7 * losses[8]
    assert "val_miou" in weights.history[-1]
    assert weights.params["method"] == "rrm"
    assert weights.params["classify_epochs"] == 8
    assert weights.params["mining"]["crf"]["bilateral_sxy"] == 20
    assert "tag_head.weight" in weights.state_dict
    with open_artifact("sup-16.h5", LABEL) as mined, open_dataset("data.h5") as data:
        assert mined.ids == data.split("train")
        for image_id in mined.ids:
            item = mined[image_id]
            allowed = {0, IGNORE, *(data.tags(image_id) + 1)}
            assert set(np.unique(item["label"])) <= allowed
            assert np.array_equal(item["present"], data.tags(image_id))
    wsss("eval", "sup-16.h5", "--split", "train")
    wsss("predict", "--scales", "1", "--no-flip", "--crf", "rrm-test", "--workers", "0", "-q")
    with open_artifact("pred.h5", LABEL) as found:
        assert found["a/1"]["label"].shape == tiny_scene(1)[1].shape
        assert found["a/1"]["label"].max() < 4
    assert sorted(os.listdir()) == ["data.h5", "pred.h5", "seg.pt", "sup-16.h5"]


def test_it_goes_on_from_a_trained_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    colour_classifier()
    head = load_weights("cls.pt").state_dict["head.weight"]
    slow = ["--epochs", "2", "--lr", "1e-9", "--head-multiplier", "1"]
    said = train(*slow, "--backbone-weights", "cls.pt").stderr
    assert "goes on from the classifier cls.pt" in said
    assert "val mIoU" in said.splitlines()[1]  # from the first epoch on
    weights = load_weights("seg.pt")
    torch.testing.assert_close(weights.state_dict["tag_head.weight"], head, rtol=0, atol=1e-6)
    assert weights.params["classify_epochs"] == 0
    assert tuple(weights.params["factor"]) == (0.5, 1.0)
    assert weights.params["probe"] is False
    assert [row["epoch"] for row in weights.history] == [0, 1, 2]
    train(*slow, "--backbone-weights", "cls.pt", "--classify-first", "0.5", "-q", "-o", "o.pt")
    assert load_weights("o.pt").params["classify_epochs"] == 1


def test_the_other_head_starts_as_a_probe_of_what_is_mined() -> None:
    colour_classifier()
    start = ["--backbone-weights", "cls.pt", "--epochs", "1", "--lr", "1e-9", "-q"]
    train(*start, "--supervision", "sup.h5", "--val-split", "train")
    weights = load_weights("seg.pt")
    assert weights.params["probe_segments"] is True
    head = weights.state_dict["head.branches.0.0.weight"]
    centre = head[:, :, 1, 1].clone()
    head[:, :, 1, 1] = 0
    assert head.abs().max() < 1e-6  # no context yet
    with open_artifact("sup-1.h5", LABEL) as mined:
        found = {int(v) for i in mined.ids for v in np.unique(mined[i]["label"])} - {IGNORE}
    assert len(found) > 1
    told = {label for label in range(4) if centre[label].abs().max() > 1e-6}
    assert told <= found | {0}
    assert len(told) > 1
    train(*start, "--no-probe", "-o", "o.pt")
    assert load_weights("o.pt").params["probe_segments"] is False
    train(*start, "--model", "deeplabv3", "-o", "deep.pt")
    assert load_weights("deep.pt").params["probe_segments"] is False


def test_the_tags_head_starts_as_a_probe_of_pretrained_features() -> None:
    torch.manual_seed(0)
    torch.save(build_backbone("tiny").state_dict(), "features.pth")
    train("--epochs", "2", "--backbone-weights", "features.pth", "-q")
    weights = load_weights("seg.pt")
    assert [row["epoch"] for row in weights.history] == [0, 1, 2]
    assert weights.params["probe"] is True
    train("--epochs", "1", "--backbone-weights", "features.pth", "--no-probe", "-q", "-o", "o.pt")
    assert [row["epoch"] for row in load_weights("o.pt").history] == [1]


def test_an_interrupted_run_ends_in_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--epochs", "4", "--tag-dropout", "0.3"]
    train(*options, "-o", "whole.pt")
    prepare, calls = ReliableLoss.prepare, []

    def interrupting(self: ReliableLoss, batch: Any) -> Any:
        calls.append(1)
        if len(calls) == 6:  # of 8: amid the epochs that segment
            os.kill(os.getpid(), signal.SIGTERM)
        return prepare(self, batch)

    monkeypatch.setattr(ReliableLoss, "prepare", interrupting)
    train(*options, expect=130)
    assert "going on at step 6/8, epoch 4" in train(*options).stderr
    one, other = load_weights("whole.pt"), load_weights("seg.pt")
    assert one.history == other.history
    assert one.run == other.run
    assert all(torch.equal(t, other.state_dict[name]) for name, t in one.state_dict.items())


@pytest.mark.trains
def test_splitting_a_batch_changes_nothing() -> None:
    step = ["--epochs", "1", "--batch-size", "4", "--classify-first", "0", "-q"]
    step += ["--batchnorm", "frozen"]
    train(*step)
    train(*step, "--accumulate", "3", "-o", "parts.pt")
    train(*step, "--lr", "1e-12", "-o", "start.pt")
    assert apart("start.pt", "seg.pt", "parts.pt") < 0.01


def test_published_options_reach_what_they_are_of(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[Any] = []
    monkeypatch.setattr(training_job, "train", lambda job, *_: jobs.append(job))
    published = (
        "--classify-lr 0.01 --lr 0.0007 --flat-restart --tag-dropout 0.5 --alphas 4,24 "
        "--energy-stride 2 --energy-gradient exact --energy-weight 2e-7 --energy-sxy 90 "
        "--energy-srgb 12 --mine-top 0.3 --mine-bg 0.7 --mine-sure 0.9 --mine-floor 0.2 "
        "--rescale 0.7,1.3 --epochs 10 --crf-iterations 3"
    )
    train(*published.split())
    job = jobs[0]
    loss = job.loss.share.__self__
    schedule = job.schedule(100, 0)
    assert (schedule.turn, schedule.flat) == (50, 0.0007)
    assert schedule.factor(0) == pytest.approx(0.01 / 0.0007)
    assert job.model.dropout.p == 0.5
    assert (loss.mining.alpha_high, loss.mining.top, loss.mining.sure_bg) == (24, 0.3, 0.7)
    assert (loss.mining.sure, loss.mining.floor, loss.mining.crf.iterations) == (0.9, 0.2, 3)
    energy = loss.energy
    assert (energy.stride, energy.exact_gradient, energy.weight) == (2, True, 2e-7)
    assert (energy.sigma_xy, energy.sigma_rgb) == (90, 12)
    assert loss.alone == 5
    assert tuple(job.params["factor"]) == (0.7, 1.3)
    assert job.params["long_side"] is None


def test_an_image_its_colours_and_its_place(folder: Path) -> None:
    augment = Augment(crop=48, long_side=(40, 60))
    with open_dataset("data.h5") as data:
        for seed in range(6):
            sample = tagged_crop(data, augment, "a/3", np.random.default_rng(seed))
            assert sample["tags"].tolist() == [1, 1, 0]
            assert torch.equal(sample["image"], sample["pixels"])
            outside = sample["pixels"][:, ~sample["inside"]]
            assert (outside == outside[:, :1]).all()  # one colour
            rows, columns = sample["inside"].nonzero().T
            box = sample["inside"][rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            assert box.all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--labels", "a.h5"], "--labels: --method rrm has no such thing"),
        (["--loss", "dsrg"], "--loss: --method rrm has no such thing"),
        (["--grow-fg", "0.5"], "--grow-fg: --method rrm has no such thing"),
        (["--stairs", "4,0.1"], "--stairs: --method rrm has no such thing"),
        (["--method", "labels"], "--cam-scales: --method labels has no such thing"),
        (["--mine-top", "1.5"], "top must lie in 0..1"),
        (["--alphas", "4"], "--alphas 4: need LOW,HIGH"),
        (["--alphas", "32,4"], "need 0 < alpha low <= alpha high"),
        (["--crf", "none"], "--crf none: rrm needs one"),
        (["--crf", "tea"], "--crf tea: unknown"),
        (["--grid-stride", "1"], "--grid-stride 1: must lie in 2..16"),
        (["--grid-stride", "2", "--crop", "512"], "too many for a CRF"),
        (["--energy-stride", "0"], "--energy-stride 0: out of range"),
        (["--energy-weight", "-1"], "--energy-weight -1.0: out of range"),
        (["--energy-srgb", "nan"], "--energy-srgb nan: out of range"),
        (["--classify-first", "1"], "--classify-first 1.0: must be 0 or more, below 1"),
        (["--classify-lr", "0"], "--classify-lr 0.0: must be above 0"),
        (["--cam-scales", "1,x"], "--cam-scales 1,x: need numbers"),
        (["--epochs", "0"], "--epochs: must be at least 1"),
    ],
)
def test_what_is_refused(options: list[str], said: str) -> None:
    assert said in train(*options, expect=2).stderr


def test_it_is_validated_at_the_size_that_predict_looks_at(monkeypatch: pytest.MonkeyPatch) -> None:
    sides: list[int] = []
    whole = _segmenting.load_whole

    def noted(data: Any, side: int, *rest: Any) -> Any:
        sides.append(side)
        return whole(data, side, *rest)

    monkeypatch.setattr(_segmenting, "load_whole", noted)
    short = ["--epochs", "1", "--classify-first", "0", "-q", "--val-split", "train", "-o"]
    train(*short, "sides.pt", "--long-side", "24,24")
    assert load_weights("sides.pt").params["max_side"] == 24
    assert set(sides) == {24}
    sides.clear()
    train(*short, "own.pt")
    assert load_weights("own.pt").params["max_side"] == 1024
    assert set(sides) == {1024}


def test_a_head_that_has_learned_is_not_probed() -> None:
    fcn = ["--model", "fcn32s", "--epochs", "1", "-q", "--classify-first", "0", "--val-every", "0"]
    train(*fcn, "-o", "first.pt")
    tuned = [*fcn, "--lr", "1e-9", "--backbone-weights", "first.pt"]
    train(*tuned, "-o", "second.pt")
    train(*tuned, "--probe", "-o", "probed.pt")
    first, second, probed = (load_weights(f"{n}.pt") for n in ("first", "second", "probed"))
    assert second.params["probe_segments"] is False
    assert probed.params["probe_segments"] is True
    score = first.state_dict["head.score.weight"]
    torch.testing.assert_close(second.state_dict["head.score.weight"], score, rtol=0, atol=1e-6)
    assert not torch.allclose(probed.state_dict["head.score.weight"], score, atol=1e-6)


def test_classifiers_that_do_not_fit_are_refused() -> None:
    colour_classifier(["red", "green", "violet"])
    start = ["--backbone-weights", "cls.pt"]
    assert "knows other classes" in train(*start, expect=3).stderr
    weights = load_weights("cls.pt")
    state = {**weights.state_dict, "head.weight": torch.zeros(3, 5, 1, 1)}
    save_weights(
        "cls.pt",
        kind="wsss/cls",
        config=weights.config,
        classes=CLASSES,
        params={},
        seed=0,
        inputs=[],
        state_dict=state,
    )
    assert "does not stand on the backbone" in train(*start, expect=3).stderr
    learned = "--epochs 4 --classify-first 0"
    for option in (["--classify-lr", "0.5"], ["--flat-restart"]):
        refused = train(*learned.split(), *option, expect=2).stderr
        assert f"{option[0]}: in no epoch tags alone teach" in refused
    assert "no such file" in train("--data", "other.h5", expect=3).stderr


def test_the_last_epoch_segments_however_short_the_run() -> None:
    train("--epochs", "1", "-q")
    assert load_weights("seg.pt").params["classify_epochs"] == 0
    assert _rrm.CLASSIFY_FIRST == 0.5
