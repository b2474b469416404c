"""train-seg --method single-stage on tiny images; what it predicts by; what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CLASSES, colour_classifier
from made import apart
from torch import Tensor
from torch.nn import functional as F
from typer.testing import CliRunner, Result

from wsss_cli.artifacts import LABEL, load_weights, open_artifact, open_dataset
from wsss_cli.cli import app
from wsss_cli.core import single_stage_labels as self_labels
from wsss_cli.core.images import to_input
from wsss_cli.core.pamr import pamr
from wsss_cli.core.probe import linear_probe
from wsss_cli.core.single_stage_pooling import Pooling, fitted_logits
from wsss_cli.methods.rebuild import rebuild_segmenter
from wsss_cli.methods.train_seg.single_stage import start as _start
from wsss_cli.nets import gated
from wsss_cli.training import loop
from wsss_cli.training import tagged as _tagged
from wsss_cli.training.augment import Augment
from wsss_cli.training.classifying import load_scaled

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
    monkeypatch.setattr(gated, "WIDTH", 32)  # of 256
    return tiny_data.parent


@pytest.mark.trains
def test_the_loss_falls() -> None:
    """How far masks are right hangs on the start here (docs/methods/single-stage.md)."""
    wsss(f"{TRAIN} --lr 0.05 --epochs 30 --split train --val-every 0 --crop 32")
    losses = [row["loss"] for row in load_weights("seg.pt").history]
    assert min(losses) < 0.8 * losses[0]


def test_predict_goes_by_the_rule_of_the_method() -> None:
    wsss(f"{TRAIN} --epochs 2 --split train --val-split train")
    weights = load_weights("seg.pt")
    assert 0 <= weights.history[-1]["val_miou"] <= 1
    assert weights.config["method"] == weights.params["method"] == "single-stage"
    assert weights.config["model"] == "gated"
    assert weights.params["rule"]["top_fg"] == 0.6
    assert weights.params["pooling"] == {"power": 3.0, "offset": 0.01}
    assert tuple(weights.params["area"]) == (0.9, 1.0)
    assert weights.params["max_side"] == 48  # what whole images are stretched to
    assert tuple(weights.params["jitter"]) == (0.3, 0.3, 0.3, 0.1)
    look = "predict --data data.h5 --split train -q --scales 1"
    wsss(f"{look},2")
    wsss(f"{look},2 --min-class 1 -o none.h5")
    wsss(f"{look} --min-class 0 --background-power 99 -o all.h5")
    wsss(f"{look} --restrict-to-tags --background-power 99 -o tags.h5")
    with open_artifact("pred.h5", LABEL) as found, open_artifact("none.h5", LABEL) as none:
        assert found.params["fusion"] == "mean of probabilities"
        assert found.params["min_class"] == 0.1
        assert none.params["min_class"] == 1
        assert found[found.ids[0]]["label"].shape == (32, 48)
        assert not any(none[i]["label"].any() for i in none.ids)
    with open_artifact("all.h5", LABEL) as every:
        assert all(every[i]["label"].all() for i in every.ids)
    with open_dataset("data.h5") as data, open_artifact("tags.h5", LABEL) as restricted:
        for image_id in restricted.ids:
            allowed = set((data.tags(image_id) + 1).tolist())  # hardly any background is left
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


@pytest.mark.trains
def test_splitting_a_batch_changes_nothing_but_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda x, *rest: x)
    step = f"{TRAIN} --epochs 1 --tag-epochs 0 --val-every 0 --batch-size 4 --batchnorm frozen"
    wsss(step)
    wsss(step, "--accumulate", "3", "-o", "parts.pt")
    wsss(step, "--lr", "1e-12", "-o", "start.pt")
    assert apart("start.pt", "seg.pt", "parts.pt") < 0.01


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


START = f"{TRAIN} --model deeplabv1 --split train --epochs 0 --val-every 0"


@pytest.fixture
def cls(folder: Path) -> str:
    """Weights of a classifier that tells the training images' colours, by a probe alone."""
    wsss(
        "train-cls --backbone tiny --backbone-weights random --batchnorm frozen --data data.h5 "
        "--split train --probe --epochs 0 --crop 48 --workers 0 --val-every 0 -q"
    )
    return "cls.pt"


def started(path: str) -> tuple[Tensor, Tensor]:
    """Weights (n_labels, D) and biases of a one-layer head that sees no context."""
    state = load_weights(path).state_dict
    weight = state["head.branches.0.0.weight"].clone()
    centre = weight[:, :, 1, 1].clone()
    weight[:, :, 1, 1] = 0
    assert not weight.any()
    return centre, state["head.branches.0.0.bias"]


def seen_by_backbone(path: str, side: float) -> tuple[list[Tensor], Tensor]:
    """The last maps (D, h, w) of the training images, and their tags."""
    weights = load_weights(path)
    net = rebuild_segmenter(weights.config, len(CLASSES) + 1, weights.state_dict)
    with open_dataset("data.h5") as data, torch.no_grad():
        rng = np.random.default_rng(0)
        samples = [load_scaled(data, side, image_id, rng) for image_id in data.split("train")]
        images = [to_input(sample["image"].permute(1, 2, 0).numpy()) for sample in samples]
        maps = [net.backbone(image[None])[-1][0] for image in images]
        return maps, torch.stack([sample["tags"] for sample in samples])


def expected_start(path: str, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Of class maps by such weights (C, D) without bias."""
    features, tags = seen_by_backbone(path, 48)
    maps = torch.stack([torch.einsum("cd,dhw->chw", weight, one) for one in features])
    scale, offset = fitted_logits(maps, tags, Pooling())
    assert scale * float(maps.std()) > 0.3  # no flat maps
    bias = torch.tensor([1.0, *[offset] * len(weight)])
    return F.pad(scale * weight, (0, 0, 1, 0)), bias


def test_a_head_of_one_layer_goes_on_from_a_classifier_s_maps(cls: str) -> None:
    command = f"{START.replace(' -q', '')} --backbone-weights {cls}"
    said = wsss(f"{command} --val-split train --val-every 1").stderr
    assert "goes on from the classifier cls.pt" in said
    assert "epoch 0/0, val mIoU" in said
    weights = load_weights("seg.pt")
    assert weights.params["starts_from_maps"] is True
    assert "gate" not in weights.config
    head = load_weights(cls).state_dict["head.weight"].flatten(1)
    for found, expected in zip(started("seg.pt"), expected_start("seg.pt", head), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)
    wsss("predict --data data.h5 --split train --scales 1 -q")
    assert wsss(f"{command} -q -o quiet.pt").stderr == ""


def test_a_probe_of_tags_takes_the_place_of_a_classifier(cls: str) -> None:
    wsss(f"{START} --backbone-weights {cls} --probe")
    features, tags = seen_by_backbone("seg.pt", 1.25 * 48)
    probe = linear_probe(torch.stack([one.mean((1, 2)) for one in features]), tags, 0.1)
    for found, expected in zip(started("seg.pt"), expected_start("seg.pt", probe), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)
    colour_classifier()  # of no use to the next, as the first is to random weights
    refused = wsss(f"{START} --no-probe -o none.pt", expect=2).stderr
    assert "--epochs: must be at least 1" in refused
    wsss(f"{TRAIN} --no-probe --model deeplabv2 --epochs 1 -o none.pt")
    assert load_weights("none.pt").params["starts_from_maps"] is False


def test_two_layers_share_the_maps_and_a_stride_of_16_is_refined_at_4(
    cls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = f"{TRAIN} --model deeplabv2 --output-stride 16 --backbone-weights {cls}"
    wsss(f"{command} --epochs 0 --split train --val-every 0")
    state = load_weights("seg.pt").state_dict
    branches = [state[f"head.branches.{n}.0.weight"][:, :, 1, 1] for n in range(4)]
    head = load_weights(cls).state_dict["head.weight"].flatten(1)
    weight, _ = expected_start("seg.pt", head)
    torch.testing.assert_close(sum(branches), weight, rtol=1e-3, atol=1e-5)
    refined = []

    def seen(image: Tensor, masks: Tensor, **options: object) -> Tensor:
        refined.append((image.shape[-2:], masks.shape[-2:]))
        return pamr(image, masks, **options)

    monkeypatch.setattr(self_labels, "pamr", seen)
    wsss(f"{command} --tag-epochs 0 --epochs 1 --split train --val-every 0 -o one.pt")
    assert refined == [((12, 12), (12, 12))] * 2  # of crops of 48
    changed = load_weights("one.pt").state_dict["head.branches.3.0.weight"]
    assert not torch.equal(changed, state["head.branches.3.0.weight"])


def test_classifiers_that_do_not_fit_are_refused() -> None:
    colour_classifier(["red", "green", "violet"])
    said = wsss(f"{START} --backbone-weights cls.pt", expect=3).stderr
    assert "cls.pt: knows other classes than the data set's" in said
    wsss(f"{START} --backbone-weights cls.pt --probe")


def test_maps_of_several_sizes_lie_side_by_side() -> None:
    one, other = torch.rand(2, 3, 5), torch.rand(2, 4, 2)
    maps, seen = _start.padded([one, other])
    assert torch.equal(maps[0, :, :3], one)
    assert torch.equal(maps[1, :, :, :2], other)
    assert seen.sum((1, 2)).tolist() == [15, 8]
    assert not maps.movedim(1, -1)[~seen].any()
    assert maps.shape == (2, 2, 4, 5)


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
