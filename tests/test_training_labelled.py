"""Training from label maps: what all losses share of options, and the job that they make."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import CLASSES
from made import masks_of, write_labels
from teaching import seg_task

from wsss_cli.errors import UsageError, WsssError
from wsss_cli.options.cards import due
from wsss_cli.options.training import Body, Crops, Recipe
from wsss_cli.training.labelled import Labelled, LabelOptions, usual
from wsss_cli.training.losses import Loss, count_pixels
from wsss_cli.training.schedule import Stairs
from wsss_cli.training.team import Team


class Method(Labelled):
    """A method with an option of its own, that refuses epochs it dislikes."""

    name = "method"

    def check(self) -> None:
        if self.task.recipe.epochs == 13:
            raise UsageError("--epochs 13: bad luck")

    def loss(self) -> Loss:
        return Loss(count_pixels, lambda *_: torch.zeros(()))

    def params(self) -> dict[str, Any]:
        return {"own": 7}


class Unprobed(Method):
    probes = False


@pytest.fixture
def labels(tiny_data: Path) -> Path:
    """Labels of a/0, a/2 and a/4."""
    masks = {name: mask for name, mask in masks_of(tiny_data).items() if name[-1] in "024"}
    return write_labels(tiny_data.with_name("labels.h5"), tiny_data, masks)


def pretrained(tmp_path: Path) -> Body:
    """A backbone that starts from a file."""
    path = tmp_path / "net.pth"
    torch.save(Body(backbone="tiny", weights="random", output_stride=8).build().state_dict(), path)
    return Body(backbone="tiny", weights=str(path))


def test_defaults_are_those_of_retraining_unless_a_loss_has_its_own() -> None:
    found = usual(rescale="0.5,1.5", epochs=5)
    on_resnet = {"model": "deeplabv2", "backbone": "resnet50"}
    assert due(found["lr"], on_resnet) == 1e-3
    assert due(found["lr"], {**on_resnet, "backbone": "mobilenet_v2"}) == 1e-4
    assert {name: value for name, value in found.items() if name != "lr"} == {
        **{"model": "deeplabv2", "epochs": 5, "batch_size": 8, "weight_decay": 1e-4},
        **{"rescale": "0.5,1.5", "jitter": None},
    }
    assert usual()["rescale"] is None
    assert LabelOptions().labels == Path("pseudo.h5")


def test_a_job_of_all_labelled_images_but_those_held_out(labels: Path) -> None:
    task = seg_task(labels.parent, crops=Crops(crop=32, rescale="0.5,2", max_side=None))
    method = Method(task, LabelOptions(labels=labels))
    with ExitStack() as files:
        job = method.job(Team(), files)
        assert (job.name, job.kind, job.out) == (
            "train-seg",
            "wsss/seg",
            labels.with_name("seg.pt"),
        )
        assert (sorted(job.ids), job.classes) == (["a/0", "a/4"], CLASSES)
        assert [source.path.name for source in job.inputs] == ["data.h5", "labels.h5"]
        assert job.config == {
            **{"backbone": "tiny", "output_stride": 8, "dilated": False},
            **{"model": "deeplabv1", "norm": "group"},
        }
        expected = {"loss": "method", "probe_decay": None, "own": 7, "factor": (0.5, 2.0)}
        assert {name: job.params[name] for name in expected} == expected
        assert job.params["max_side"] == 1024
        assert "stairs" not in job.params
        assert (job.schedule, job.start, job.measure, job.after) == (None, None, None, None)
        assert job.grouping == {"pretrained": [job.model.backbone]}
        sample = job.load("a/4", np.random.default_rng(0))
        assert {name: tuple(one.shape) for name, one in sample.items()} == {
            **{"image": (3, 32, 32), "label": (32, 32)}
        }
        split = Method(seg_task(labels.parent, split="val"), LabelOptions(labels=labels))
        assert split.job(Team(), files).ids == ["a/2"]


def test_crops_are_settled_and_stairs_recorded(labels: Path) -> None:
    method = Method(seg_task(labels.parent), LabelOptions(labels=labels, stairs="4,0.1"))
    assert method.task.crops == Crops(crop=32, long_side="32,32", max_side=32)
    with ExitStack() as files:
        job = method.job(Team(), files)
        assert job.params["stairs"] == "4,0.1"
        assert job.schedule is not None
        assert job.schedule(8, 0) == Stairs(8, 0, parts=4, ratio=0.1)


def test_a_pretrained_head_of_one_layer_starts_as_a_probe(labels: Path, tmp_path: Path) -> None:
    task = seg_task(labels.parent, body=pretrained(tmp_path))
    options = LabelOptions(labels=labels)
    method, other = Method(task, options), Unprobed(task, options)
    assert (method.decay, method.fewest_epochs) == (0.3, 0)  # a probe alone is a network too
    assert (other.decay, other.fewest_epochs) == (None, 1)
    asked = Unprobed(task, LabelOptions(labels=labels, probe=True, probe_decay=2.0))
    assert (asked.decay, asked.fewest_epochs) == (2.0, 0)
    with ExitStack() as files:
        assert other.job(Team(), files).start is None
        job = method.job(Team(), files)
        assert job.start is not None
        assert job.params["probe_decay"] == 0.3


def test_a_head_that_has_learned_stays_unless_a_probe_is_asked_for(
    labels: Path, tmp_path: Path
) -> None:
    task = seg_task(labels.parent, body=pretrained(tmp_path))
    method = Method(task, LabelOptions(labels=labels))
    assert (method._decay(False), method._decay(True)) == (0.3, None)
    asked = Method(task, LabelOptions(labels=labels, probe=True))
    assert asked._decay(True) == 0.3
    changed = Method(task, LabelOptions(labels=labels, probe_decay=1.0))
    assert changed._decay(False) == 1
    with pytest.raises(UsageError, match="--probe-decay: the head has learned already"):
        changed._decay(True)


def test_options_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    nowhere = tmp_path / "none.h5"
    for task, options, said in (
        (seg_task(tmp_path), {"stairs": "0"}, "--stairs 0: need N,RATIO"),
        (seg_task(tmp_path), {"probe_decay": 1.0}, "--probe-decay: there is no probe"),
        (
            seg_task(tmp_path, crops=Crops(rescale="1,1", long_side="9,9")),
            {},
            "--rescale and --long-side: give one of them",
        ),
    ):
        with pytest.raises(UsageError, match=said):
            Method(task, LabelOptions(labels=nowhere, **options))  # type: ignore[arg-type]
    unlucky = seg_task(tmp_path, recipe=Recipe(epochs=13, batch_size=1, lr=1.0))
    with pytest.raises(UsageError, match="bad luck"):
        Method(unlucky, LabelOptions(labels=nowhere))
    with pytest.raises(WsssError, match=r"none\.h5"), ExitStack() as files:
        Method(seg_task(tmp_path), LabelOptions(labels=nowhere)).job(Team(), files)


def test_a_loss_is_the_methods_own(tmp_path: Path) -> None:
    class Bare(Labelled):
        name = "bare"

    bare = Bare(seg_task(tmp_path), LabelOptions())
    assert bare.params() == {}
    with pytest.raises(NotImplementedError):
        bare.loss()
