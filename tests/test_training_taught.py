"""What teaches a network, as its method's card says it in one line."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made import masks_of, write_labels, wsss
from torch import nn

from wsss_cli.artifacts import LABEL, create, ledger, load_weights, open_artifact, open_dataset
from wsss_cli.artifacts.supervision import CHOSEN, LEARNED, MASKS, TAGS, Taught, read_entries
from wsss_cli.nets.backbones import build_backbone, load_backbone_weights
from wsss_cli.options.cards import Chosen, NoOptions
from wsss_cli.options.training import Recipe, Setting
from wsss_cli.training.compute import Compute
from wsss_cli.training.job import Job
from wsss_cli.training.lesson import TrainingCard, teach
from wsss_cli.training.losses import Loss, count_images
from wsss_cli.training.schedule import Schedule
from wsss_cli.training.taught import Measure
from wsss_cli.training.team import Team

RECIPE = Recipe(epochs=1, batch_size=2, lr=0.5)
SETTING = Setting(device="cpu", workers=0, quiet=True)


class Brightness(nn.Module):
    """One weight, and a backbone that it has no use for."""

    def __init__(self, weights: Path | str) -> None:
        super().__init__()
        self.backbone = build_backbone("tiny")
        load_backbone_weights(self.backbone, weights)
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 0, 0, 0] * self.weight


@dataclass(frozen=True)
class Task:
    """What the made-up command is told."""

    out: Path
    data: Path
    val_every: int = 1
    weights: Path | str = "random"
    beside: Path | None = None


def load(image_id: str, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    return {"image": torch.full((3, 2, 2), 0.5)}


def share(outputs: torch.Tensor, batch: Any, counts: torch.Tensor) -> torch.Tensor:
    return outputs.sum() / counts[0]


def write_beside(path: Path, data: Any, model: nn.Module, compute: Compute, epoch: int) -> None:
    """A file that a training writes while it is under way."""
    with create(
        path, LABEL, classes=data.classes, params={}, inputs=[data], ids=["a/0"], force=True
    ) as out:
        if out.todo:
            item = np.zeros(data.size("a/0"), np.uint8)
            out.put("a/0", label=item, present=np.zeros(0, np.uint16))


@dataclass(frozen=True)
class Lesson:
    """Of three images, validated on the masks of two."""

    task: Task
    options: Any
    fewest_epochs: int = 1

    def job(self, team: Team, files: ExitStack) -> Job:
        data, beside = files.enter_context(open_dataset(self.task.data)), self.task.beside
        return Job(
            name="train-dots",
            kind="wsss/seg",
            out=self.task.out,
            model=Brightness(self.task.weights),
            config={},
            params={},
            classes=data.classes,
            inputs=[data],
            ids=data.ids[:3],
            load=load,
            loss=Loss(count_images, share),
            grouping={"bias_doubling": False},
            schedule=lambda total, warmup: Schedule(total, warmup),
            measure=Measure(MASKS, data.ids[4:], lambda model, compute: {"val": 1.0}),
            val_every=self.task.val_every,
            after=None if beside is None else partial(write_beside, beside, data),
        )


CARD = TrainingCard(
    name="dots",
    said="from tags and masks",
    lesson=Lesson,
    network=lambda config, outputs: Brightness("random"),
    learns=(TAGS, MASKS),
)


def trained(task: Task) -> list[Taught]:
    with ledger.opened("train-dots"):
        teach(Chosen(CARD, NoOptions()), task, task.out, RECIPE, SETTING)
    return read_entries(load_weights(task.out).supervision or [])


def test_a_card_says_it_in_one_line(tiny_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "dots.pt"
    found = trained(Task(out, tiny_data))
    assert [(one.what, one.use, one.images, one.by) for one in found] == [
        (TAGS, LEARNED, 3, ("train-dots",)),
        (MASKS, LEARNED, 3, ("train-dots",)),
        (MASKS, CHOSEN, 2, ("train-dots",)),
    ]
    assert all(one.file == "data.h5" for one in found)
    shown = wsss("info", "--supervision", out).stdout.splitlines()
    masks = ["true", "masks", "3", "data.h5", "train-dots", "learned", "from"]
    assert shown[3].split() == masks
    out.unlink()
    found = trained(Task(out, tiny_data, val_every=0))  # which no mask is seen by
    assert [(one.what, one.use) for one in found] == [(TAGS, LEARNED), (MASKS, LEARNED)]


def test_what_is_written_beside_the_weights_learned_the_same(
    tiny_data: Path, tmp_path: Path
) -> None:
    beside = tmp_path / "beside.h5"
    found = trained(Task(tmp_path / "dots.pt", tiny_data, beside=beside))
    with open_artifact(beside) as artifact:
        assert artifact.supervision is not None
        assert read_entries(artifact.supervision) == found


def test_backbones_know_what_they_were_filled_with(tiny_data: Path, tmp_path: Path) -> None:
    first = tmp_path / "first.pt"
    trained(Task(first, tiny_data))
    found = trained(Task(tmp_path / "second.pt", tiny_data, weights=first))
    assert [(one.what, one.images) for one in found] == [(TAGS, 3), (MASKS, 3), (MASKS, 2)]
    theirs = tmp_path / "theirs.pt"
    torch.save(load_weights(first).state_dict, theirs)
    found = trained(Task(tmp_path / "third.pt", tiny_data, weights=theirs))
    assert [one.of for one in found] == ["", "", "file theirs.pt, not ours", ""]


@pytest.mark.parametrize("command", ["train-aff --seeds", "train-seg --labels"])
def test_labels_bring_their_own(command: str, tiny_data: Path, tmp_path: Path) -> None:
    """The commands themselves are walked in test_cli_info_supervision."""
    labels = write_labels(tmp_path / "labels.h5", tiny_data, masks_of(tiny_data))
    out = tmp_path / "out.pt"
    small = ["--backbone", "tiny", "--backbone-weights", "random", "--crop", 32, "--epochs", 1]
    small += ["--workers", 0, "--device", "cpu", "-q"]
    done = wsss(*command.split(), labels, "-o", out, *small)
    assert done.exit_code == 0, done.output
    first = read_entries(load_weights(out).supervision or [])[0]
    assert (first.what, first.file) == ("not recorded", "labels.h5")
