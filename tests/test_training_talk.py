"""What a training says, line by line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wsss_cli.training import talk as module
from wsss_cli.training.data import Plan
from wsss_cli.training.talk import Talk, best_epoch

PLAN = Plan(count=6, batch_size=3, epochs=3, seed=0)  # 2 steps an epoch, 6 in all


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Holds the time, in seconds."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def talk(quiet: bool = False) -> Talk:
    return Talk("train-cls", Path("cls.pt"), 6, PLAN, quiet)


def test_the_highest_figure_of_the_first_kind_and_of_equals_the_last() -> None:
    rows: list[dict[str, Any]] = [
        {"epoch": 1, "val_miou": 0.5, "val_pixel_accuracy": 0.9},
        {"epoch": 2, "val_miou": 0.6, "val_pixel_accuracy": 0.1},
        {"epoch": 3},
        {"epoch": 4, "val_miou": 0.6, "val_pixel_accuracy": 0.5},
        {"epoch": 5, "val_miou": None},
    ]
    assert best_epoch(rows) is rows[3]
    assert best_epoch([{"epoch": 1, "val_map": 0.1, "val_miou": 0.9}, *rows]) is not rows[3]
    assert best_epoch([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "val_map": None}]) is None
    assert best_epoch([]) is None


def test_a_run_from_its_start(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with talk() as it:
        clock[0] = 7.0  # what came before the first step is no epoch's
        it.start(0)
        it.step(1, 0.5)
        clock[0] = 19.0
        it.epoch({"epoch": 1, "loss": 0.125, "val_map": 0.5})
        clock[0] = 22.4
        it.epoch({"epoch": 2, "loss": 0.1, "val_miou": None, "val_pixel_accuracy": 0.75})
        it.epoch({"epoch": 3})
    said, err = capsys.readouterr()
    assert said == ""
    assert err.splitlines() == [
        "train-cls: epoch 1/3: loss 0.1250, val mAP 0.500 (12 s)",
        "train-cls: epoch 2/3: loss 0.1000, val mIoU undefined, pixel accuracy 0.750 (3 s)",
        "train-cls: epoch 3/3 (0 s)",
    ]


@pytest.mark.parametrize(("step", "epoch"), [(1, 1), (2, 2), (3, 2), (6, 3)])
def test_a_run_taken_up(step: int, epoch: int, capsys: pytest.CaptureFixture[str]) -> None:
    with talk() as it:
        it.start(step)
    assert capsys.readouterr().err == f"train-cls: going on at step {step}/6, epoch {epoch}\n"


def test_an_interrupted_run_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), talk():
        raise KeyboardInterrupt
    said = "train-cls: interrupted; the same command goes on from cls.pt.partial\n"
    assert capsys.readouterr().err == said
    with pytest.raises(ValueError, match="x"), talk():
        raise ValueError("x")
    assert capsys.readouterr().err == ""


def test_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"epoch": 1, "val_miou": 0.25}, {"epoch": 2, "val_miou": 0.5}, {"epoch": 3}]
    talk().end(rows)
    assert capsys.readouterr().err.splitlines() == [
        "train-cls: 6 images, 3 epochs -> cls.pt",
        "train-cls: the last epoch's weights are kept; val mIoU was highest, 0.500, after epoch 2",
    ]
    for last_is_best in ([*rows[:2], {"epoch": 3, "val_miou": 0.5}], [{"epoch": 3}]):
        talk().end(last_is_best)
        assert capsys.readouterr().err == "train-cls: 6 images, 3 epochs -> cls.pt\n"


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    it = talk(quiet=True)
    with pytest.raises(KeyboardInterrupt), it:
        raise KeyboardInterrupt
    it.start(3)
    it.step(4, 0.5)
    it.epoch({"epoch": 2, "loss": 0.5})
    it.end([{"epoch": 3}])
    assert capsys.readouterr() == ("", "")
