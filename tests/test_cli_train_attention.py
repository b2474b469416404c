"""train-cls --method oaa and iam: accumulated maps, resuming, and maps learned from them."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from wsss_cli.artifacts import CAM, LABEL, create, load_weights, open_artifact, open_dataset
from wsss_cli.cli import app
from wsss_cli.methods.rebuild import rebuild_classifier
from wsss_cli.methods.train_cls import oaa
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.oaa import AttentionNet, MapsOf
from wsss_cli.options.cards import due
from wsss_cli.training import loop

TINY = "--backbone tiny --backbone-weights random --crop 48 --freeze-stages 0 --workers 0"
SHORT = [*TINY.split(), "--epochs", "3", "--batch-size", "3", "--layers", "1", "-q"]
OAA = ["train-cls", "--method", "oaa", *SHORT]
IAM = ["train-cls", "--method", "iam", *SHORT]


@pytest.fixture(autouse=True)
def folder(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_data.parent)
    monkeypatch.delenv("WSSS_DATA", raising=False)


def command(*arguments: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == expect, result.output
    return result


def contents(path: str) -> dict[str, np.ndarray]:
    with open_artifact(path, CAM) as cam:
        return {image_id: cam[image_id]["cam"] for image_id in cam.ids}


def same(one: str, other: str) -> bool:
    first, second = contents(one), contents(other)
    equal = all(np.array_equal(first[image_id], second[image_id]) for image_id in first)
    return equal and first.keys() == second.keys()


def test_it_writes_the_maps_it_saw_beside_the_weights() -> None:
    command(*OAA)
    weights = load_weights("cls.pt", "wsss/cls")
    assert {"method": "oaa", "layers": 1}.items() <= weights.config.items()
    wanted = {"lr": 1e-3, "weight_decay": 5e-4, "gate": True, "long_side": (48, 48)}
    assert {name: weights.params[name] for name in wanted} == wanted
    with open_artifact("cls.cam.h5", CAM) as cam, open_dataset("data.h5") as data:
        assert cam.ids == sorted(data.split("train"))  # none left out, though batches leave one
        assert cam.params["stride"] == 8
        assert cam.params["attention_from"] == 1
        for image_id in cam.ids:
            item = cam[image_id]
            assert item["classes"].tolist() == data.tags(image_id).tolist()
            assert item["cam"].shape == (len(item["classes"]), 4, 6)
            assert item["cam"].dtype == np.uint8
            assert all(top in (0, 255) for top in item["cam"].max((1, 2)))
        assert sum(int(cam[image_id]["cam"].max()) for image_id in cam.ids) > 0
    assert sorted(os.listdir()) == ["cls.cam.h5", "cls.pt", "data.h5"]
    command("make-cam", "-q")
    command("make-seeds", "--cam", "cls.cam.h5", "-q")
    with open_artifact("seeds.h5", LABEL) as seeds:
        assert len(seeds) == 4


@pytest.mark.parametrize("moment", [1, 2])
def test_interrupted_it_ends_in_the_same_maps(moment: int, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--attention-drop", "0.5", "--no-gate"]
    command(*OAA, *options, "-o", "whole.pt")
    step, calls = loop.train_step, []

    def interrupting(*values: Any) -> float:
        calls.append(1)
        if len(calls) == moment:
            os.kill(os.getpid(), signal.SIGINT)
        return step(*values)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", interrupting)
        command(*OAA, *options, "-o", "parts.pt", expect=130)
    assert not Path("parts.cam.h5").exists()
    command(*OAA, *options, "-o", "parts.pt", "--workers", "1")
    assert same("whole.cam.h5", "parts.cam.h5")
    one, other = load_weights("whole.pt"), load_weights("parts.pt")
    assert all(torch.equal(t, other.state_dict[name]) for name, t in one.state_dict.items())
    command(*OAA, "--no-gate", "-o", "shown.pt")
    shown = load_weights("shown.pt").state_dict
    assert any(not torch.equal(t, shown[name]) for name, t in one.state_dict.items())


def test_maps_that_stand_there_are_not_replaced() -> None:
    Path("mine.h5").write_text("mine")
    said = command(*OAA, "--maps", "mine.h5", expect=2).stderr
    assert "mine.h5: exists already" in said
    assert Path("mine.h5").read_text() == "mine"
    command(*OAA, "--maps", "mine.h5", "--force", "--subtract-min")
    assert all(maps.min() == 0 for maps in contents("mine.h5").values() if maps.size)
    same = command(*OAA, "--maps", "cls.pt", "--force", expect=2).stderr
    assert "cls.pt: named by --maps and by --out" in same


def test_what_accumulates_nothing_is_refused_before_training() -> None:
    refused = command(*OAA, "--attention-from", "9", "--epochs", "2", expect=2).stderr
    assert "--attention-from 9: no map of 2 epochs counts" in refused
    refused = command(*OAA, "--maps", "data.h5", "--force", expect=2).stderr
    assert "data.h5: is an input" in refused
    assert not list(Path().glob("*.pt*"))


@pytest.mark.parametrize(
    ("method", "option"),
    [
        ("cam", "--er-weight 5"),
        ("cam", "--no-gate"),
        ("cam", "--layers 3"),
        ("cam", "--maps zz.h5"),
        ("seam", "--attention-drop 0.5"),
        ("seam", "--subtract-min"),
        ("oaa", "--pair-scale 0.5"),
        ("iam --targets x.h5", "--attention-stride 3"),
        ("iam --targets x.h5", "--no-suppress"),
    ],
)
def test_options_of_another_method_are_refused(method: str, option: str) -> None:
    words = ["--method", *method.split(), *option.split()]
    refused = command("train-cls", *TINY.split(), *words, expect=2).stderr
    name = option.split()[0].replace("--no-", "--")
    assert f"{name}: --method {method.split()[0]} has no such thing" in refused


@pytest.mark.trains
def test_the_maps_are_learned_and_drawn() -> None:
    command(*OAA, "-o", "oaa.pt")
    learn = ["--targets", "oaa.cam.h5", "--epochs", "10", "--lr", "0.01"]
    command(*IAM, *learn, "-o", "iam.pt")
    weights = load_weights("iam.pt", "wsss/cls")
    losses = [row["loss"] for row in weights.history]
    assert min(losses) < 0.9 * losses[0]
    assert [source["kind"] for source in weights.inputs] == ["wsss/dataset", "wsss/cam"]
    model = rebuild_classifier(weights.config, 3, weights.state_dict)
    assert isinstance(model, AttentionNet)
    x = torch.rand(1, 3, 40, 40)
    assert torch.equal(model(x), model.cam_logits(x).amax((2, 3)))
    command("make-cam", "-w", "iam.pt", "-q")
    command("make-cam", "-w", "iam.pt", "--tags", "predicted", "--force", "-q")


def test_what_does_not_go_together_is_refused() -> None:
    assert "--targets go together" in command(*IAM, expect=2).stderr
    assert "--targets go together" in command(*OAA, "--targets", "x.h5", expect=2).stderr
    assert "--probe: needs --layers 0" in command(*OAA, "--probe", expect=2).stderr
    command(*OAA, "--layers", "0", "--probe", "--epochs", "0", "-o", "probe.pt")
    assert any(maps.any() for maps in contents("probe.cam.h5").values())
    with open_artifact("probe.cam.h5", CAM) as cam:
        items = {image_id: cam[image_id] for image_id in cam.ids}
    for name, classes, side in (("other.h5", ["a", "b", "c"], 4), ("small.h5", None, 3)):
        with create(
            name,
            CAM,
            classes=classes or ["red", "green", "blue"],
            params={"stride": 8},
            ids=list(items),
        ) as out:
            for image_id, item in items.items():
                size = np.array([8 * side, 48], np.int32)
                out.put(image_id, **{**item, "cam": item["cam"][:, :side], "size": size})
    said = command(*IAM, "--targets", "other.h5", "--data", "data.h5", expect=3).stderr
    assert "maps of other classes" in said
    said = command(*IAM, "--targets", "small.h5", "--data", "data.h5", expect=3).stderr
    assert "is 32x48 in data.h5, but 24x48 in small.h5" in said
    said = command(*IAM, "--targets", "probe.cam.h5", "--split", "val", expect=3).stderr
    assert "has maps of none of the 2 training images" in said


def test_extra_layers_and_their_maps() -> None:
    model = AttentionNet(build_backbone("tiny", 8, True), 3, layers=2).eval()
    assert [tuple(m.weight.shape[2:]) for m in model.extra if hasattr(m, "weight")] == [(3, 3)] * 2
    x = torch.rand(2, 3, 32, 40)
    maps, logits = model.seen(x, torch.tensor([2, 0]))
    every = MapsOf(model)(x)
    assert torch.allclose(maps, every[:, [2, 0]])
    assert torch.allclose(logits, model(x)[:, [2, 0]], atol=1e-6)
    assert set(model.train()(x)) == {"logits", "maps"}


@pytest.mark.parametrize(("layers", "wanted"), [(0, (5, 16, 3e-3, 500)), (3, (15, 5, 1e-3, 320))])
def test_the_published_schedule_goes_with_the_published_layers(
    layers: int, wanted: tuple[float, ...]
) -> None:
    usual = oaa.CARD.usual
    names = ("epochs", "batch_size", "lr", "crop")
    assert tuple(due(usual[name], {"layers": layers}) for name in names) == wanted
