"""The options of training: numbers that make no recipe, crops, and what a network starts from."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
import torch
from torch import nn

from wsss_cli.errors import UsageError, WsssError
from wsss_cli.nets.norms import FixedBatchNorm2d
from wsss_cli.options.training import BatchNorm, Body, Crops, Recipe, interval
from wsss_cli.training.scaling import augmentation

RECIPE = Recipe(epochs=3, batch_size=4, lr=0.5)
BODY = Body(backbone="tiny", weights="random", output_stride=8, dilated=True, freeze_stages=0)


@pytest.mark.parametrize(
    ("name", "values", "need"),
    [
        ("epochs", (0, -1), "at least 1"),
        ("batch_size", (0,), "at least 1"),
        ("lr", (0.0, -0.1), "above 0"),
        ("head_multiplier", (0.0,), "above 0"),
        ("momentum", (-0.1, 1.0), "0 or more, below 1"),
        ("weight_decay", (-1e-9,), "at least 0"),
        ("warmup", (-1,), "at least 0"),
        ("accumulate", (0, 5), "1 to --batch-size"),
        ("clip_grad", (0.0, -1.0), "above 0"),
    ],
)
def test_numbers_that_make_no_recipe(name: str, values: tuple[float, ...], need: str) -> None:
    for value in values:
        with pytest.raises(UsageError) as caught:
            dataclasses.replace(RECIPE, **{name: value}).check()
        assert str(caught.value) == f"--{name.replace('_', '-')}: must be {need}"


def test_the_ends_of_what_makes_one() -> None:
    RECIPE.check()
    ends = {"momentum": 0.0, "weight_decay": 0.0, "warmup": 0, "accumulate": 4, "clip_grad": 1e-9}
    dataclasses.replace(RECIPE, **ends).check()
    dataclasses.replace(RECIPE, epochs=0).check(fewest=0)
    with pytest.raises(UsageError, match="--epochs: must be at least 0"):
        dataclasses.replace(RECIPE, epochs=-1).check(fewest=0)
    with pytest.raises(UsageError, match="--epochs: must be at least 5"):
        RECIPE.check(fewest=5)


def test_a_range() -> None:
    assert interval("--rescale", None) is None
    assert interval("--rescale", "0.5,1.5") == (0.5, 1.5)
    assert interval("--rescale", "2, 2") == (2.0, 2.0)
    for text in ("1", "1,2,3", "a,b", "", "1,inf", "1,nan", "-1,2"):
        with pytest.raises(UsageError) as caught:
            interval("--rescale", text)
        assert str(caught.value) == f"--rescale {text}: need LO,HI"
    for text in ("0,1", "2,1"):
        with pytest.raises(UsageError) as caught:
            interval("--rescale", text)
        assert str(caught.value) == f"--rescale {text}: need 0 < LO <= HI"


def test_crops_become_an_augmentation() -> None:
    augment = augmentation(
        Crops(crop=64, long_side="320,640", max_side=None, jitter="0.3,0.3,0.2,0.5")
    )
    assert (augment.crop, augment.long_side, augment.factor) == (64, (320.0, 640.0), None)
    assert (augment.max_side, augment.jitter) == (0, (0.3, 0.3, 0.2, 0.5))
    plain = augmentation(Crops(rescale="0.5,1.5"))
    assert (plain.crop, plain.factor, plain.jitter) == (320, (0.5, 1.5), None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"jitter": "0,0,0,0.6"}, "--jitter 0,0,0,0.6: the hue turns by 0.5 at most"),
        ({"jitter": "0.1,0.1"}, "--jitter 0.1,0.1: need B,C,S,H"),
        ({"jitter": "0.1,0.1,-1,0"}, "--jitter 0.1,0.1,-1,0: need B,C,S,H"),
        ({"long_side": "big"}, "--long-side big: need LO,HI"),
        ({"rescale": "0,2"}, "--rescale 0,2: need 0 < LO <= HI"),
    ],
)
def test_crops_that_cannot_be(options: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        augmentation(Crops(**options))
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("batchnorm", "fixed", "trains"),
    [
        (BatchNorm.frozen, True, False),
        (BatchNorm.affine, True, True),
        (BatchNorm.train, False, True),
    ],
)
def test_a_backbone_as_asked_for(batchnorm: BatchNorm, fixed: bool, trains: bool) -> None:
    body = dataclasses.replace(BODY, batchnorm=batchnorm, freeze_stages=1)
    backbone = body.build().train()
    assert backbone.config == {"name": "tiny", "output_stride": 8, "dilated": True}
    assert backbone.frozen_stages == 1
    assert not backbone.stem[0].weight.requires_grad
    norm = backbone.stage4.norm1
    assert isinstance(norm, FixedBatchNorm2d) is fixed
    assert norm.training is not fixed
    assert norm.weight.requires_grad is trains
    assert backbone.stage4.conv1.weight.requires_grad


def test_what_the_architecture_is_known_by() -> None:
    assert BODY.config() == {"backbone": "tiny", "output_stride": 8, "dilated": True}
    assert BODY.params() == {
        **BODY.config(),
        "weights": "random",
        "freeze_stages": 0,
        "batchnorm": "frozen",
    }
    assert type(BODY.params()["batchnorm"]) is str


def test_a_file_of_weights_is_known_by_its_contents(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    path, other = tmp_path / "net.pth", tmp_path / "one" / "net.pth"
    state = BODY.build().state_dict()
    torch.save({name: torch.full_like(value, 2) for name, value in state.items()}, path)
    other.write_bytes(path.read_bytes())
    body = dataclasses.replace(BODY, weights=str(path), batchnorm=BatchNorm.train)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert body.params()["weights"] == f"net.pth sha256:{digest}"
    assert dataclasses.replace(body, weights=str(other)).params() == body.params()
    convs = [m for m in body.build().modules() if isinstance(m, nn.Conv2d)]
    assert convs
    assert all((conv.weight == 2).all() for conv in convs)
    other.write_bytes(b"changed")
    assert dataclasses.replace(body, weights=str(other)).params() != body.params()


def test_a_file_of_weights_that_is_not_there(tmp_path: Path) -> None:
    body = dataclasses.replace(BODY, weights=str(tmp_path / "none.pth"))
    with pytest.raises(WsssError) as caught:
        body.params()
    assert str(caught.value).startswith(f"{tmp_path / 'none.pth'}: cannot be read (No such file")
    assert caught.value.hint == "--backbone-weights takes imagenet, random or a file"
