"""How often a training stage goes over its images, by its own options."""

from __future__ import annotations

import pytest

import wsss_cli.cli  # noqa: F401 - tells the chain its commands
from wsss_cli.planning.chain import STAGES, Stage
from wsss_cli.planning.recipe import recipe as _recipe


def stage(name: str) -> Stage:
    return next(stage for stage in STAGES if stage.name == name)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("", 1),
        ("--no-probe", 0),
        ("--backbone-weights random", 0),
        ("--model fcn8s", 1),
        ("--model unet", 0),
        ("--loss dsrg", 0),
        ("--loss dsrg --probe", 1),
        ("--method rrm --model unet", 1),
        ("--method single-stage", 0),
        ("--method single-stage --model deeplabv1", 1),
    ],
)
def test_a_probe_is_counted_where_train_seg_fits_one(flags: str, expected: int) -> None:
    assert _recipe(stage("train-seg"), flags)["probes"] == expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("", 1), ("--method oaa", 1), ("--method oaa --layers 3", 0), ("--no-probe", 0)],
)
def test_a_probe_is_counted_where_train_cls_fits_one(flags: str, expected: int) -> None:
    assert _recipe(stage("train-cls"), flags)["probes"] == expected


def test_epochs_are_those_due() -> None:
    cls = stage("train-cls")
    flags = {"": 3, "--no-probe": 5, "--backbone-weights random": 5, "--method oaa --layers 3": 15}
    assert {text: _recipe(cls, text)["epochs"] for text in flags} == flags
    assert _recipe(stage("train-seg"), "--method rrm")["epochs"] == 24


@pytest.mark.parametrize(
    ("flags", "validations", "parallel"),
    [
        ("--epochs 6 --val-every 4 --batch-size 8 --accumulate 2", 2, 4),
        ("--epochs 6 --val-every 6 --batch-size 9 --accumulate 2", 1, 5),
        ("--epochs 6 --val-every 0 --batch-size 3", 0, 3),
        ("--epochs 0 --val-every 1 --batch-size 1", 0, 1),
    ],
)
def test_validations_and_images_in_memory(flags: str, validations: int, parallel: int) -> None:
    found = _recipe(stage("train-seg"), flags)
    assert (found["validations"], found["parallel"]) == (validations, parallel)


def test_a_stage_that_validates_never() -> None:
    assert _recipe(stage("train-aff"), "--epochs 2 --batch-size 4 --accumulate 1") == {
        "epochs": 2,
        "validations": 0,
        "probes": 0,
        "parallel": 4,
    }
