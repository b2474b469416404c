"""What the methods of train-aff share: which images, which options, and the pairs of cells."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import CLASSES
from made import masks_of, write_labels
from torch import nn

from wsss_cli.artifacts import DatasetReader
from wsss_cli.core.labels import IGNORE
from wsss_cli.errors import WsssError
from wsss_cli.options.cards import NoOptions
from wsss_cli.options.training import Body, Crops, Recipe, Setting
from wsss_cli.training.affinities import AffinityTask, Learner, Relating, count_cells
from wsss_cli.training.losses import Loss, count_pixels, nearest_labels
from wsss_cli.training.team import Team


def test_pairs_are_counted_on_the_networks_grid() -> None:
    label = torch.full((1, 3, 9), IGNORE, dtype=torch.uint8)
    label[0, 1, 1::3] = torch.tensor([0, 0, 2], dtype=torch.uint8)  # centres of 1 x 3 cells
    labels, counts = count_cells(nearest_labels, 3, 2, {"label": label})
    assert labels.tolist() == [[[0, 0, 2]]]
    assert counts.tolist() == [1, 0, 1]
    labels, counts = count_cells(nearest_labels, 3, 3, {"label": label})
    assert counts.tolist() == [1, 0, 2]  # with the pair of the two ends


def task(folder: Path, **options: Any) -> AffinityTask:
    return AffinityTask(
        **{
            "out": folder / "aff.pt",
            "seeds": folder / "seeds.h5",
            "data": None,
            "split": None,
            "radius": 7,
            "body": Body(backbone="tiny", weights="random"),
            "recipe": Recipe(epochs=1, batch_size=2, lr=0.5),
            "crops": Crops(crop=32, rescale="0.5,1.5"),
            "setting": Setting(device="cpu", keep_pixels=0.0),
            **options,
        }
    )


def finish(model: nn.Module, compute: Any) -> None:
    """What is left to do."""


class Method(Relating):
    """A method whose network is one number."""

    def learner(self, reader: DatasetReader, ids: Sequence[str]) -> Learner:
        self.task.out.with_name("told").write_text(" ".join([reader.path.name, *ids]))
        return Learner(
            nn.Linear(1, 1),
            Loss(count_pixels, lambda *_: torch.zeros(())),
            {"method": "one", "depth": 3},
            {"bias_doubling": False},
            finish,
        )


def test_a_job_of_all_labelled_images_but_those_held_out(tiny_data: Path) -> None:
    masks = masks_of(tiny_data)
    chosen = {image_id: masks[image_id] for image_id in ("a/0", "a/2", "a/4")}
    write_labels(tiny_data.with_name("seeds.h5"), tiny_data, chosen)
    with ExitStack() as files:
        job = Method(task(tiny_data.parent), NoOptions()).job(Team(), files)
        assert (job.name, job.kind, job.classes) == ("train-aff", "wsss/aff", CLASSES)
        assert sorted(job.ids) == ["a/0", "a/4"]  # a/2 is of the split val
        told = tiny_data.with_name("told").read_text().split()
        assert told == ["data.h5", *job.ids]
        network = {"backbone": "tiny", "output_stride": 16, "dilated": False}
        assert job.config == {**network, "method": "one", "depth": 3}
        expected = {"method": "one", "depth": 3, "radius": 7, "crop": 32, "factor": (0.5, 1.5)}
        assert {name: job.params[name] for name in expected} == expected
        assert job.params["weights"] == "random"
        assert (job.grouping, job.finish) == ({"bias_doubling": False}, finish)
        assert [source.path.name for source in job.inputs] == ["data.h5", "seeds.h5"]
        sample = job.load("a/4", np.random.default_rng(0))
        assert [tuple(sample[k].shape) for k in ("image", "label")] == [(3, 32, 32), (32, 32)]
        split = Method(task(tiny_data.parent, split="val"), NoOptions()).job(Team(), files)
        assert split.ids == ["a/2"]


def test_a_job_needs_labels_and_a_method(tiny_data: Path) -> None:
    with pytest.raises(WsssError, match=r"seeds\.h5"), ExitStack() as files:
        Method(task(tiny_data.parent), NoOptions()).job(Team(), files)
    write_labels(tiny_data.with_name("seeds.h5"), tiny_data, masks_of(tiny_data))
    with pytest.raises(NotImplementedError), ExitStack() as files:
        Relating(task(tiny_data.parent), NoOptions()).job(Team(), files)
    assert Relating(task(tiny_data.parent), NoOptions()).fewest_epochs == 1
