"""Two processes under torchrun, over gloo, train as one does; how they stop and go on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from conftest import CLASSES, tiny_scene
from torch import nn
from typer.testing import CliRunner, Result

import wsss_cli.training.loop as loop
from wsss_cli.artifacts import (
    CAM,
    LABEL,
    Weights,
    create,
    load_weights,
    open_artifact,
    open_dataset,
)
from wsss_cli.cli import app
from wsss_cli.core.labels import IGNORE
from wsss_cli.nets.norms import FixedBatchNorm2d, trains_statistics
from wsss_cli.training.losses import Loss, count_pixels, pixel_cross_entropy
from wsss_cli.training.shares import Shares
from wsss_cli.training.team import Team

pytestmark = pytest.mark.skipif(not dist.is_gloo_available(), reason="PyTorch without gloo")

ARGUMENTS = "--backbone tiny --backbone-weights random --crop 32 --freeze-stages 0 --workers 0"
SHORT = [*ARGUMENTS.split(), "--device", "cpu", "--epochs", "2", "--batch-size", "3"]
# Four images make one step an epoch. What each run has that could differ between processes:
# dropout; pixels and pairs in other numbers in each part; parts that cannot be shared evenly;
# several parts; a clipped norm; a linear probe at the start; a mean over images at the end.
RUNS = {
    "cls": ["train-cls", "--dropout", "0.4", "--batchnorm", "affine", "--probe"],
    "seam": [
        *("train-cls", "--method", "seam", "--jitter", "0,0,0,0", "--probe"),
        *("--dropout", "0.5", "--head-multiplier", "10"),
    ],
    "oaa": [
        *("train-cls", "--method", "oaa", "--layers", "1", "--jitter", "0,0,0,0"),
        *("--attention-from", "0", "--attention-drop", "0.5", "--accumulate", "1"),
    ],
    "iam": [
        *("train-cls", "--method", "iam", "--layers", "0", "--jitter", "0,0,0,0"),
        *("--targets", "targets.h5"),
    ],
    "seg": ["train-seg", "--labels", "labels.h5", "--accumulate", "2", "--batch-size", "4"],
    "rrm": [
        *("train-seg", "--method", "rrm", "--model", "deeplabv1", "--grid-stride", "4"),
        *("--cam-scales", "1,1.5", "--tag-dropout", "0.4", "--energy-weight", "1e-4"),
    ],
    "dsrg": ["train-seg", "--labels", "labels.h5", "--loss", "dsrg", "--batch-size", "4"],
    "irn": ["train-aff", "--seeds", "labels.h5", "--radius", "3", "--clip-grad", "1"],
    "psa": ["train-aff", "--seeds", "labels.h5", "--radius", "3", "--method", "psa"],
}


def command(name: str, out: str, *options: str) -> list[str]:
    verb, *own = RUNS[name]
    return [verb, *SHORT, *own, "-o", out, *options]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tiny_data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """data.h5, and labels.h5, in which some images teach a hundredth of what others do; maps."""
    folder = tmp_path_factory.mktemp("team")
    (folder / "data.h5").write_bytes(tiny_data_file.read_bytes())
    before = os.getcwd()
    os.chdir(folder)
    with (
        open_dataset("data.h5") as data,
        create("labels.h5", LABEL, classes=CLASSES, params={}, ids=data.ids, inputs=[data]) as out,
    ):
        for index, image_id in enumerate(data.ids):
            label = tiny_scene(index)[1]
            if index % 2:
                label[4:] = IGNORE
            out.put(image_id, label=label, present=data.tags(image_id))
    maps = np.random.default_rng(0).random((3, 4, 6)).astype(np.float16)
    with (
        open_dataset("data.h5") as data,
        create(
            "targets.h5", CAM, classes=CLASSES, params={"stride": 8}, ids=data.ids, inputs=[data]
        ) as out,
    ):
        for image_id in data.ids:
            tags = data.tags(image_id)
            size = np.array(data.size(image_id), np.int32)
            out.put(image_id, cam=maps[: len(tags)], classes=tags, size=size)
    yield folder
    os.chdir(before)


def alone(arguments: Sequence[str], expect: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == expect, result.output
    return result


def stopped_alone(arguments: Sequence[str], after: int) -> None:
    """Run in this process, which gets a SIGTERM amid a step."""
    step, calls = loop.train_step, []

    def stopping(*values: Any) -> float:
        calls.append(1)
        if len(calls) == after:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(*values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "train_step", stopping)
        alone(arguments, expect=130)


def torchrun(*program: str, **options: Any) -> subprocess.Popen[str]:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "WSSS_DATA": "data.h5"}
    return subprocess.Popen(
        [*start, *program], stderr=subprocess.PIPE, text=True, env=environment, **options
    )


def ours(said: str) -> list[str]:
    """What wsss said: neither torchrun's words nor counts that a slow machine shows in between."""
    lines = [line for line in said.splitlines() if re.match(r"(wsss|train-\w+|Error): ", line)]
    return [line for line in lines if not re.search(r": \d+/\d+$", line)]


JOBS: list[tuple[list[str], list[int] | None, int]] = [
    *[(command(name, f"{name}.two.pt"), None, 0) for name in RUNS],
    *[(command(name, f"{name}.back.pt"), [1, 2], 130) for name in ("cls", "psa")],
    *[(command(name, f"{name}.on.pt"), None, 0) for name in ("seg", "irn")],
    (command("cls", "norms.pt", "--batchnorm", "train"), None, 0),
    (["train-cls", "--never"], None, 2),
    (command("cls", "few.pt", "--batch-size", "1"), None, 2),
    (command("cls", "none.pt", "--split", "test"), None, 3),
    (command("cls", "astray.pt", "--lr", "1e30"), None, 3),
    (command("cls", "bad.pt", "--data", "bad.h5"), None, 3),
]


@pytest.fixture(scope="module")
def together(folder: Path) -> list[str]:
    """All that a team of two does here, in one start of torchrun; what was said."""
    for name in ("seg", "irn"):
        stopped_alone(command(name, f"{name}.on.pt"), after=1)
    with open_dataset("data.h5") as data:
        items = [data[image_id] for image_id in data.ids]
    items[4]["image"] = items[4]["image"][:100]
    write_data(Path("bad.h5"), items)
    jobs = [{"arguments": arguments, "stop": stop} for arguments, stop, _ in JOBS]
    Path("jobs.json").write_text(json.dumps(jobs))
    process = torchrun(str(Path(__file__).with_name("team.py")), "jobs.json")
    said = process.communicate(timeout=900)[1]
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert "Warning" not in said
    return ours(said)


def write_data(path: Path, items: Sequence[dict[str, np.ndarray]]) -> None:
    from wsss_cli.artifacts import DATASET

    ids = [f"a/{index}" for index in range(len(items))]
    with create(path, DATASET, classes=CLASSES, params={}, ids=ids) as out:
        for image_id, item in zip(ids, items, strict=True):
            out.put(image_id, **item)


def same(one: Weights, other: Weights) -> None:
    """Equal but for the order of sums: 1e-5 is a hundred roundings of float32, and what a wrong
    weight, a wrong mask or a lost gradient would change is a thousand times that."""
    assert one.run == other.run
    assert one.params == other.params
    for row, second in zip(one.history, other.history, strict=True):
        assert row.keys() == second.keys()
        assert row == pytest.approx(second, rel=1e-5)
    for name, tensor in one.state_dict.items():
        found = other.state_dict[name]
        if tensor.is_floating_point():
            apart = float((found - tensor).norm() / tensor.norm().clamp(min=1e-6))
            assert apart < 1e-5, name
        else:
            assert torch.equal(found, tensor), name


@pytest.fixture(scope="module")
def single(folder: Path) -> dict[str, Weights]:
    for name in RUNS:
        alone(command(name, f"{name}.pt", "-q"))
    return {name: load_weights(f"{name}.pt") for name in RUNS}


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_train_as_one(
    name: str, single: dict[str, Weights], together: list[str]
) -> None:
    same(single[name], load_weights(f"{name}.two.pt"))


@pytest.mark.parametrize("name", ["seg", "irn"])
def test_two_go_on_where_one_was_stopped(
    name: str, single: dict[str, Weights], together: list[str]
) -> None:
    same(single[name], load_weights(f"{name}.on.pt"))
    assert not Path(f"{name}.on.pt.partial").exists()


@pytest.mark.parametrize("name", ["cls", "psa"])
def test_one_goes_on_where_two_were_stopped(
    name: str, single: dict[str, Weights], together: list[str]
) -> None:
    """A signal to one of the two stops both after the same step."""
    verb = RUNS[name][0]
    assert f"{verb}: interrupted; the same command goes on from {name}.back.pt.partial" in together
    assert not Path(f"{name}.back.pt").exists()
    assert f"{verb}: going on at step 2/2" in alone(command(name, f"{name}.back.pt")).stderr
    same(single[name], load_weights(f"{name}.back.pt"))


def test_two_processes_accumulate_the_same_maps(
    single: dict[str, Weights], together: list[str]
) -> None:
    with open_artifact("oaa.cam.h5", CAM) as one, open_artifact("oaa.two.cam.h5", CAM) as other:
        assert one.run == other.run
        for image_id in one.ids:
            maps, found = (cam[image_id]["cam"].astype(int) for cam in (one, other))
            assert maps.shape == found.shape
            assert maps.size == 0 or abs(maps - found).max() <= 1


def test_one_speaks_for_both(together: list[str]) -> None:
    codes = [json.loads(Path(f"codes.{rank}.json").read_text()) for rank in (0, 1)]
    assert codes == [[code for _, _, code in JOBS]] * 2
    errors = [line for line in together if line.startswith("wsss: error")]
    assert len(errors) == 4
    assert "2 processes: a step takes 1 images" in errors[0]
    assert "has no split 'test'" in errors[1]
    assert "training went astray" in errors[2]
    assert "'a/4'" in errors[3]
    assert sum("epoch 2/2" in line for line in together) == len(RUNS) + 3
    assert sum("No such option" in line for line in together) == 1
    assert [line for line in together if "warning" in line] == [
        "wsss: warning: each process's batch norms see its own images only; on CUDA they see all"
    ]
    finished = [arguments for arguments, _, code in JOBS if code == 0]
    ends = [line.rpartition(" -> ")[2] for line in together if " epochs -> " in line]
    assert ends == [arguments[arguments.index("-o") + 1] for arguments in finished]


def test_a_killed_process_ends_the_others_and_leaves_a_state(folder: Path) -> None:
    """kill -9 of the second; then torchrun itself is asked to stop. Neither loses what was kept."""
    endless = command("cls", "long.pt", "--epochs", "100000", "--val-every", "0")
    options = [*endless, "--checkpoint-every", "0"]
    process = torchrun("-m", "wsss_cli", *options)
    os.kill(worker(process, Path("long.pt.partial")), signal.SIGKILL)
    said = process.communicate(timeout=600)[1]
    assert process.returncode == 1
    assert [line for line in ours(said) if line.startswith("wsss:")] == [
        "wsss: error: another process of this training died",
        "wsss: hint: torchrun tells which; the same command goes on from what was saved",
    ]
    process = torchrun("-m", "wsss_cli", *options)
    worker(process, Path("long.pt.partial"))
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=600)[1]
    assert process.returncode != 0
    assert "train-cls: interrupted; the same command goes on from long.pt.partial" in ours(said)
    assert "wsss: error" not in said
    assert sum("going on at step" in line for line in ours(said)) == 1
    assert sorted(path.name for path in folder.glob("long*")) == ["long.pt.partial"]


def worker(process: subprocess.Popen[str], state: Path) -> int:
    """The second process that torchrun started, once the first has kept a new state."""
    before = state.read_bytes() if state.exists() else b""
    while process.poll() is None and before == (state.read_bytes() if state.exists() else b""):
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[-1])


def test_the_parts_of_a_batch_have_shares_of_its_loss() -> None:
    """Though one has a tenth of the other's labelled pixels; a mean of means would be off."""
    logits = torch.randn(2, 4, 5, 6, requires_grad=True)
    labels = torch.randint(4, (2, 5, 6), dtype=torch.uint8)
    labels[1, 1:] = IGNORE
    loss = Loss(count_pixels, pixel_cross_entropy)
    prepared = [loss.prepare({"label": labels[i : i + 1]}) for i in (0, 1)]
    whole = prepared[0][1] + prepared[1][1]
    shares = [loss.share(logits[i : i + 1], prepared[i][0], whole) for i in (0, 1)]
    expected = pixel_cross_entropy(logits, labels)
    assert torch.isclose(torch.stack(shares).sum(), expected)
    one, other = (torch.autograd.grad(total, logits)[0] for total in (sum(shares), expected))
    assert torch.allclose(one, other, atol=1e-7)


def test_on_cuda_batch_norms_that_train_are_synchronised() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), FixedBatchNorm2d(4), nn.Dropout(0))
    keys = list(model.state_dict())
    weight = model[1].weight
    assert [trains_statistics(module) for module in model] == [False, True, False, False]
    Team(torch.device("cpu"), rank=1, world=2).adapt(model, Shares())
    assert type(model[1]) is nn.BatchNorm2d
    Team(torch.device("cuda", 1), rank=1, world=2).adapt(model, Shares())
    assert isinstance(model[1], nn.SyncBatchNorm)
    assert type(model[2]) is FixedBatchNorm2d
    assert model[1].weight is weight
    assert list(model.state_dict()) == keys


def test_an_environment_that_is_not_torchruns(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "first")
    assert "RANK=first: not torchrun's" in alone(command("cls", "x.pt"), expect=2).stderr
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    assert "the other processes were not found" in alone(command("cls", "x.pt"), expect=2).stderr
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    said = alone([*command("cls", "x.pt"), "--device", "cuda"], expect=2).stderr
    assert "wsss: error: --device cuda" in said  # not here, or not one for each
