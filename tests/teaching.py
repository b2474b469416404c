"""What tests of train-seg's methods share: a task on tiny data, a method as it is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import wsss_cli.cli  # noqa: F401  # tells planning of the commands
from wsss_cli.options.cards import Chosen
from wsss_cli.options.segmenter import Head
from wsss_cli.options.training import Body, Crops, Recipe, Setting
from wsss_cli.planning.chain import PROGRAM, STAGES, settled
from wsss_cli.training.segmenting import Task

STAGE = next(stage for stage in STAGES if stage.name == "train-seg")


def options(text: str) -> dict[str, Any]:
    """All of train-seg's options, their defaults settled."""
    return settled(STAGE, text)


def chosen(text: str) -> Chosen:
    """The method and its own options, their defaults settled."""
    found: Chosen = PROGRAM["train-seg"].select.chosen(options(text))
    return found


def seg_task(folder: Path, **changes: Any) -> Task:
    """A task of a DeepLab v1 on the tiny backbone."""
    told: dict[str, Any] = {
        "out": folder / "seg.pt",
        "data": None,
        "split": None,
        "val_split": None,
        "val_every": 0,
        "head": Head(model="deeplabv1"),
        "body": Body(backbone="tiny", weights="random", freeze_stages=0),
        "recipe": Recipe(epochs=1, batch_size=2, lr=0.01),
        "crops": Crops(crop=32, max_side=None),
        "setting": Setting(device="cpu", keep_pixels=0.0, quiet=True),
    }
    return Task(**{**told, **changes})
