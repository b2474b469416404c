"""train-seg --method single-stage on tiny images; what it predicts by; what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CLASSES, colour_classifier
from typer.testing import CliRunner, Result

from wsss_cli.artifacts import LABEL, load_weights, open_artifact, open_dataset
from wsss_cli.cli import app
from wsss_cli.nets import segmentation_gated
from wsss_cli.stages import _tagged
from wsss_cli.training import loop
from wsss_cli.training.augment import Augment

TRAIN = (
    "train-seg --method single-stage --backbone tiny --backbone-weights random --freeze-stages 0 "
    "--batchnorm train --data data.h5 --workers 0 --crop 48 --batch-size 2 --lr 0.01 "
    "--tag-epochs 1 --head-multiplier 1 -q"
)


def wsss(command: str, *options: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, [*command.split(), *options])
    assert result.exit_code == expect, result.output
    return result


@pytest.fixture(autouse=True)
def folder(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tiny_data.parent)
    monkeypatch.delenv("WSSS_DATA", raising=False)
    monkeypatch.setattr(segmentation_gated, "WIDTH", 32)  # of 256
    return tiny_data.parent


def test_tags_alone_teach_masks_and_predict_uses_them() -> None:
    wsss(f"{TRAIN} --lr 0.05 --epochs 40 --split train --val-split train --val-every 40")
    weights = load_weights("seg.pt")
    assert weights.history[-1]["loss"] < 0.6 * weights.history[0]["loss"]
    assert weights.history[-1]["val_miou"] > 0.35
    assert weights.config["method"] == weights.params["method"] == "single-stage"
    assert weights.config["model"] == "gated"
    assert weights.params["rule"]["top_fg"] == 0.6
    assert weights.params["pooling"] == {"power": 3.0, "offset": 0.01}
    assert tuple(weights.params["area"]) == (0.9, 1.0)
    assert weights.params["max_side"] == 48  # what whole images are stretched to
    assert tuple(weights.params["jitter"]) == (0.3, 0.3, 0.3, 0.1)
    wsss("predict --data data.h5 --split train --scales 1,2 -q")
    wsss("predict --data data.h5 --split train --scales 1,2 -q --min-class 1 -o none.h5")
    wsss("predict --data data.h5 --split train --scales 1 -q --restrict-to-tags -o tags.h5")
    with open_artifact("pred.h5", LABEL) as found, open_artifact("none.h5", LABEL) as none:
        assert found.params["fusion"] == "mean of probabilities"
        assert found.params["min_class"] == 0.1
        assert none.params["min_class"] == 1
        assert any(found[i]["label"].any() for i in found.ids)
        assert not any(none[i]["label"].any() for i in none.ids)
        assert found[found.ids[0]]["label"].shape == (32, 48)
    with open_dataset("data.h5") as data, open_artifact("tags.h5", LABEL) as restricted:
        for image_id in restricted.ids:
            allowed = {0, *(data.tags(image_id) + 1).tolist()}
            assert set(np.unique(restricted[image_id]["label"])) <= allowed
    assert "mIoU" in wsss("eval pred.h5 --split train").stdout


def test_an_interrupted_run_goes_on_to_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    command = f"{TRAIN} --epochs 3 --val-every 0"
    wsss(command, "-o", "whole.pt")
    take, steps = loop.train_step, []

    def stopping(*arguments: object) -> float:
        steps.append(1)
        if len(steps) == 4:  # within the second epoch, whose masks teach
            raise KeyboardInterrupt
        return take(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "train_step", stopping)
    wsss(command, "--checkpoint-every", "0", expect=130)
    monkeypatch.setattr(loop, "train_step", take)
    assert Path("seg.pt.partial").exists()
    wsss(command)
    whole, parts = load_weights("whole.pt").state_dict, load_weights("seg.pt").state_dict
    assert all(torch.equal(t, parts[name]) for name, t in whole.items())


def test_splitting_a_batch_changes_nothing_but_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda x, *rest: x)
    command = f"{TRAIN} --epochs 2 --val-every 0 --batch-size 4 --batchnorm frozen"
    wsss(command)
    wsss(command, "--accumulate", "3", "-o", "parts.pt")
    one, other = load_weights("seg.pt").state_dict, load_weights("parts.pt").state_dict
    assert all(torch.allclose(t, other[k], rtol=1e-3, atol=1e-5) for k, t in one.items())


def test_padding_is_told_from_the_image() -> None:
    with open_dataset("data.h5") as data:
        plain = Augment(crop=64, long_side=(48, 48))
        sample = _tagged.tagged_crop(data, plain, "a/3", np.random.default_rng(0))
        assert sample["inside"].sum() == 32 * 48
        assert sample["tags"].tolist() == [1, 1, 0]
        around = sample["image"].flatten(1)[:, ~sample["inside"].flatten()]
        assert (around == around[:, :1]).all()
    wsss(TRAIN, "--epochs", "1", "--long-side", "40,48", "--crop", "64")
    params = load_weights("seg.pt").params
    assert "area" not in params
    assert params["max_side"] == 48


def test_a_head_of_one_layer_goes_on_from_a_classifier_s_maps() -> None:
    colour_classifier()
    command = f"{TRAIN[:-3]} --model deeplabv1 --backbone-weights cls.pt --epochs 1 --val-every 1"
    said = wsss(f"{command} --lr 1e-9 --val-split train --split train").stderr
    assert "goes on from the classifier cls.pt" in said
    assert "epoch 0/1, val mIoU" in said
    weights = load_weights("seg.pt")
    assert weights.params["probe"] is True
    assert "gate" not in weights.config
    own = load_weights("cls.pt").state_dict["head.weight"].flatten(1)
    head = weights.state_dict["head.branches.0.0.weight"]
    centre = head[1:, :, 1, 1]
    scale = float((centre * own).sum() / own.square().sum())
    assert scale > 0
    torch.testing.assert_close(centre, scale * own, rtol=1e-3, atol=1e-5)
    biases = weights.state_dict["head.branches.0.0.bias"][1:]
    torch.testing.assert_close(biases, biases[:1].expand(3), rtol=1e-4, atol=1e-5)
    wsss("predict --data data.h5 --split train --scales 1 -q")
    wsss(f"{command} --no-probe -q -o random.pt")
    assert load_weights("random.pt").params["probe"] is False


def test_without_a_classifier_a_linear_probe_of_tags_takes_its_place() -> None:
    command = f"{TRAIN} --model deeplabv1 --probe --lr 1e-9 --epochs 1 --split train --val-every 0"
    wsss(command)
    head = load_weights("seg.pt").state_dict["head.branches.0.0.weight"][1:, :, 1, 1]
    assert (head.abs().sum(1) > 0).all()
    torch.manual_seed(0)
    wsss(f"{command} --no-probe -o random.pt")
    other = load_weights("random.pt").state_dict["head.branches.0.0.weight"]
    assert not torch.allclose(other[1:, :, 1, 1], head)


def test_other_settings() -> None:
    wsss(
        f"{TRAIN} --epochs 2 --tag-epochs 0 --gate 0 --focal-power 2 --focal-offset 0.1 "
        "--mask-weight 0.5 --sure-fg 0.5 --sure-bg 0.5 --sure-least 0.1 --pamr-iterations 2 "
        "--head-norm batch --area 0.5,0.9 --output-stride 8 --stairs 2,0.1"
    )
    weights = load_weights("seg.pt")
    assert weights.config["gate"] == 0
    assert weights.config["focal_power"] == 2
    assert weights.params["rule"]["iterations"] == 2
    assert weights.params["stairs"] == "2,0.1"
    assert len(weights.classes) == len(CLASSES)
    wsss("predict --data data.h5 --split val --scales 1 --no-flip -q --background-power 1")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--model unet", "--model unet: --method single-stage trains one of gated, deeplabv1, dee"),
        ("--model deeplabv1 --gate 0.2", "--gate: --model deeplabv1 has no gate"),
        ("--probe", "--probe: the head of gated on tiny has several layers"),
        ("--probe-decay 2", "--probe-decay: --method single-stage has no such thing"),
        ("--labels seeds.h5", "--labels: --method single-stage has no such thing"),
        ("--loss sec", "--loss: --method single-stage has no such thing"),
        ("--aux-weight 0.5", "--aux-weight: --method single-stage has no such thing"),
        ("--stairs 4", "--stairs 4: need N,RATIO"),
        ("--gate 1", "--gate 1.0: must be 0 or more, below 1"),
        ("--focal-offset 0", "the focal penalty's offset must be above 0"),
        ("--sure-fg 2", "must lie in 0..1"),
        ("--area 0.5,2", "no part is larger than the image"),
        ("--area 0.5", "--area 0.5: need LO,HI"),
        ("--area 0.5,1 --rescale 1,1", "--area: goes with neither"),
        ("--rescale 1,1 --long-side 9,9", "give one of them"),
        ("--method labels --gate 0.2", "--gate: --method labels has no such thing"),
        ("--method rrm --gate 0.2", "--gate: --method rrm has no such thing"),
    ],
)
def test_what_is_refused(options: str, said: str) -> None:
    command = TRAIN if "--method" not in options else TRAIN.replace("--tag-epochs 1", "")
    assert said in wsss(f"{command} {options}", expect=2).stderr
    assert sorted(os.listdir()) == ["data.h5"]


def test_without_data_and_with_other_weights() -> None:
    assert "missing.h5" in wsss(f"{TRAIN} --data missing.h5", expect=3).stderr
    labels = "train-seg --labels pred.h5 --data data.h5 --backbone tiny --backbone-weights random"
    wsss(f"{TRAIN} --epochs 1")
    wsss("predict --data data.h5 --split train --scales 1 -q")
    wsss(f"{labels} --crop 48 --epochs 1 --model gated -q -o labels.pt --val-every 0")
    told = "predict --data data.h5 -w labels.pt -o p.h5 --restrict-to-tags --min-class 0.3"
    assert "--min-class: with --restrict-to-tags" in wsss(told, expect=2).stderr
    refused = wsss("predict --data data.h5 -w labels.pt -o p.h5 --min-class 0.3", expect=2)
    assert "--min-class: labels.pt is not of `train-seg --method single-stage`" in refused.stderr
    wsss("predict --data data.h5 -w labels.pt -o p.h5 --scales 1 -q")
