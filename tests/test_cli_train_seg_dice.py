"""train-seg --loss dice on tiny images: it learns, in parts too; what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CLASSES, tiny_scene
from typer.testing import CliRunner, Result

from wsss_cli.artifacts import LABEL, create, load_weights, open_artifact, open_dataset
from wsss_cli.cli import app
from wsss_cli.core.labels import IGNORE

ARGUMENTS = (
    "train-seg --labels labels.h5 --backbone tiny --backbone-weights random --freeze-stages 0 "
    "--workers 0 --crop 32 --batch-size 2 --lr 0.005 -q"
)


def wsss(command: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == expect, result.output
    return result


def train(options: str, expect: int = 0) -> Result:
    return wsss(f"{ARGUMENTS} {options}", expect)


@pytest.fixture(autouse=True)
def folder(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tiny_data.parent)
    monkeypatch.delenv("WSSS_DATA", raising=False)
    write_labels({f"a/{index}": tiny_scene(index)[1] for index in range(6)})
    return tiny_data.parent


def write_labels(labels: dict[str, np.ndarray]) -> None:
    ids = list(labels)
    with (
        open_dataset("data.h5") as data,
        create(
            "labels.h5", LABEL, classes=CLASSES, params={}, ids=ids, inputs=[data], force=True
        ) as out,
    ):
        for image_id, label in labels.items():
            out.put(image_id, label=label, present=np.zeros(0, np.uint16))


@pytest.mark.parametrize("options", ["--model unet", "--model unet --ce-weight 1"])
def test_it_learns(options: str) -> None:
    splits = "--split train --val-split train --val-every 25"
    train(f"--loss dice {options} --epochs 25 --rescale 1,1 {splits}")
    weights = load_weights("seg.pt", "wsss/seg")
    assert weights.history[-1]["loss"] < 0.6 * weights.history[0]["loss"]
    assert weights.history[-1]["val_miou"] > 0.5
    assert weights.params["loss"] == "dice"
    assert weights.params["ce_weight"] == ("--ce-weight" in options)
    assert "method" not in weights.config
    wsss("predict --scales 1 --no-flip --split train -q")
    with open_artifact("pred.h5", LABEL) as found:
        assert found["a/0"]["label"].shape == tiny_scene(0)[1].shape
    assert "mIoU" in wsss("eval pred.h5 --split train").stdout


@pytest.mark.parametrize("model", ["fcn", "deeplabv2", "fcn8s"])
def test_other_networks_train_by_it(model: str) -> None:
    train(f"--loss dice --model {model} --epochs 2 --val-every 0")
    weights = load_weights("seg.pt", "wsss/seg")
    assert weights.history[-1]["loss"] < weights.history[0]["loss"]
    assert all(t.isfinite().all() for t in weights.state_dict.values() if t.is_floating_point())


def test_splitting_a_batch_changes_nothing() -> None:
    """Images hold unlike numbers of labels, and one of them none."""
    labels = {f"a/{index}": tiny_scene(index)[1] for index in (0, 3, 4)}
    write_labels({**labels, "a/1": np.full((32, 48), IGNORE, np.uint8)})
    options = "--loss dice --ce-weight 0.5 --model unet --epochs 2 --batch-size 4 --val-every 0"
    train(options)
    train(f"{options} --accumulate 3 -o parts.pt")
    one, other = load_weights("seg.pt"), load_weights("parts.pt")
    assert [row["loss"] for row in one.history] == pytest.approx(
        [row["loss"] for row in other.history], rel=1e-4
    )
    for name, tensor in one.state_dict.items():
        assert torch.allclose(tensor, other.state_dict[name], rtol=1e-3, atol=1e-5), name


def test_labels_that_teach_nothing_change_nothing() -> None:
    write_labels({f"a/{index}": np.full((32, 48), IGNORE, np.uint8) for index in range(6)})
    train("--loss dice --model unet --epochs 2 --weight-decay 0 --val-every 0")
    assert [row["loss"] for row in load_weights("seg.pt").history] == [0, 0]


def test_the_defaults_are_those_of_cross_entropy() -> None:
    train("--loss dice --epochs 1 --val-every 0")
    train("--epochs 1 --val-every 0 -o ce.pt")
    dice, ce = load_weights("seg.pt").params, load_weights("ce.pt").params
    assert {name for name in dice if name not in ce} == {"ce_weight"}
    assert {name for name in ce if dice[name] != ce[name]} == {"loss"}


def test_a_one_layer_head_starts_as_a_probe() -> None:
    from wsss_cli.nets.backbones import build_backbone

    torch.manual_seed(0)
    torch.save(build_backbone("tiny").state_dict(), "features.pth")
    train("--loss dice --epochs 0 --backbone-weights features.pth --freeze-stages 5")
    assert load_weights("seg.pt").params["probe_decay"] == 0.3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--ce-weight 1", "--ce-weight: --loss ce has no such thing"),
        ("--loss sec --ce-weight 1", "--ce-weight: --loss sec has no such thing"),
        ("--loss dice --ce-weight -1", "--ce-weight"),
        ("--loss dice --grow-fg 0.5", "--grow-fg: --loss dice has no such thing"),
        ("--loss dice --gate 0.5", "--gate: --method labels has no such thing"),
    ],
)
def test_what_is_refused(options: str, said: str) -> None:
    assert said in train(options, expect=2).stderr
    assert not Path("seg.pt").exists()


def test_only_labels_have_losses() -> None:
    command = ARGUMENTS.replace("--labels labels.h5", "--method rrm --data data.h5")
    refused = wsss(f"{command} --loss dice", expect=2).stderr
    assert "--loss: --method rrm has no such thing" in refused
    refused = wsss(f"{command} --ce-weight 1", expect=2).stderr
    assert "--ce-weight: --method rrm has no such thing" in refused
