"""train-cls: what it writes and says, resuming, refusals. Options shared by all training stages."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from wsss_cli.artifacts import DATASET, Weights, create, load_weights, open_dataset
from wsss_cli.cli import app
from wsss_cli.core.images import to_input
from wsss_cli.core.probe import linear_probe
from wsss_cli.core.views import resize_image, scaled_size
from wsss_cli.methods.rebuild import rebuild_classifier
from wsss_cli.training import classifying as train_cls
from wsss_cli.training.augment import Augment
from wsss_cli.training.data import sample_generator

ARGUMENTS = "--backbone tiny --backbone-weights random --crop 32 --freeze-stages 0 --workers 0"
SHORT = [*ARGUMENTS.split(), "--epochs", "3", "--batch-size", "2", "--dropout", "0.3"]


def train(*options: str, expect: int = 0) -> Result:
    """Run train-cls here; 2 steps an epoch, 6 in all."""
    result = CliRunner().invoke(app, ["train-cls", *SHORT, *options])
    assert result.exit_code == expect, result.output
    assert result.stdout == ""
    return result


def talk(result: Result) -> list[str]:
    """What was said, without the counts that a slow machine shows in between."""
    return [line for line in result.stderr.splitlines() if not re.search(r": \d+/\d+$", line)]


def same(one: Weights, other: Weights) -> bool:
    first, second = one.state_dict, other.state_dict
    equal = all(torch.equal(first[name], second[name]) for name in first)
    return equal and first.keys() == second.keys() and one.history == other.history


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """A forked process has no pool of threads, and sums must not depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def reference(tiny_data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    out = tmp_path_factory.mktemp("reference") / "cls.pt"
    train("--data", str(tiny_data_file), "-o", str(out))
    return load_weights(out, "wsss/cls")


@pytest.fixture(autouse=True)
def folder(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's own folder, with data.h5 in it."""
    monkeypatch.chdir(tiny_data.parent)
    monkeypatch.delenv("WSSS_DATA", raising=False)
    return tiny_data.parent


def test_a_bare_run_reads_data_and_writes_cls(folder: Path) -> None:
    lines = talk(train())
    assert [line.split(":")[1] for line in lines[:3]] == [f" epoch {n}/3" for n in (1, 2, 3)]
    assert all("loss 0." in line and "val mAP " in line for line in lines[:3])
    assert lines[3] == "train-cls: 4 images, 3 epochs -> cls.pt"
    assert sorted(os.listdir()) == ["cls.pt", "data.h5"]


def test_the_weights_say_what_they_are(reference: Weights, folder: Path) -> None:
    assert reference.classes == ["red", "green", "blue"]
    assert reference.config == {
        "backbone": "tiny",
        "output_stride": 16,
        "dilated": True,
        "dropout": 0.3,
    }
    assert reference.seed == 0
    assert [source["kind"] for source in reference.inputs] == ["wsss/dataset"]
    wanted = {"epochs": 3, "lr": 0.003, "momentum": 0.9, "crop": 32, "weights": "random"}
    assert {name: reference.params[name] for name in wanted} == wanted
    assert reference.params["long_side"] == (32, 32)  # whole images
    assert [row["epoch"] for row in reference.history] == [1, 2, 3]
    assert all(0 < row["loss"] < 2 and 0 <= row["val_map"] <= 1 for row in reference.history)
    model = rebuild_classifier(reference.config, 3, reference.state_dict)
    assert model(torch.zeros(1, 3, 32, 48)).shape == (1, 3)
    with open_dataset(None, reference) as data:  # found again by what the weights record
        assert len(data) == 6


def test_seed_and_options_decide_the_result_and_workers_do_not(reference: Weights) -> None:
    for options, equal in (
        (["--workers", "2", "--quiet"], True),
        (["--seed", "1"], False),
        (["--jitter", "0.3,0.3,0.3,0.1"], False),
    ):
        train("--force", *options)
        assert same(load_weights("cls.pt"), reference) is equal, options


@pytest.mark.trains
def test_it_learns(folder: Path) -> None:
    train("--epochs", "20", "--lr", "0.02", "--dropout", "0", "--split", "train", "-q")
    losses = [row["loss"] for row in load_weights("cls.pt").history]
    assert min(losses) < 0.75 * losses[0]


@pytest.mark.parametrize("moment", [1, 2, 5])
def test_interrupted_it_says_so_and_goes_on(
    moment: int, reference: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    loss = train_cls.tag_loss

    def interrupting(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == moment:
            os.kill(os.getpid(), signal.SIGINT)
        return loss(*arguments)

    monkeypatch.setattr(train_cls, "tag_loss", interrupting)
    stopped = train(expect=130)
    assert "interrupted; the same command goes on from cls.pt.partial" in stopped.stderr
    assert sorted(os.listdir()) == ["cls.pt.partial", "data.h5"]
    resumed = train()
    done = moment - 1  # the step that was stopped is undone
    assert (f"going on at step {done}/6, epoch {done // 2 + 1}" in resumed.stderr) == (done > 0)
    assert len(calls) == 7
    assert same(load_weights("cls.pt"), reference)
    assert sorted(os.listdir()) == ["cls.pt", "data.h5"]


def test_the_head_starts_as_a_linear_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """--epochs 0 leaves the probe of the features as they were; training goes on from there."""
    done = train("--probe", "--epochs", "0", "--probe-decay", "0.5", "-o", "probe.pt")
    assert "epoch 0/0, val mAP" in done.stderr
    probe = load_weights("probe.pt", "wsss/cls")
    assert [sorted(row) for row in probe.history] == [["epoch", "val_map"]]
    model = rebuild_classifier(probe.config, 3, probe.state_dict)
    features, tags = [], []
    with open_dataset("data.h5") as data:
        for image_id in data.split("train"):
            image = data.image(image_id)
            scale = 1.25 * 32 / max(image.shape[:2])
            image = resize_image(image, scaled_size(image.shape[:2], scale))
            with torch.inference_mode():
                features.append(model.backbone(to_input(image)[None])[-1].mean((2, 3))[0])
            tags.append(torch.zeros(len(data.classes)))
            tags[-1][data.tags(image_id).tolist()] = 1
    expected = linear_probe(torch.stack(features), torch.stack(tags), 0.5)
    assert torch.allclose(model.head.weight.flatten(1), expected, rtol=1e-3, atol=1e-4)

    whole = train("--probe", "-o", "whole.pt")
    assert whole.stderr.index("epoch 0/3") < whole.stderr.index("epoch 1/3")
    assert [row["epoch"] for row in load_weights("whole.pt", "wsss/cls").history] == [0, 1, 2, 3]

    fitted: list[int] = []
    fit_head, loss = train_cls.fit_head, train_cls.tag_loss
    steps: list[int] = []

    def counting(*arguments: Any, **named: Any) -> None:
        fitted.append(1)
        fit_head(*arguments, **named)

    def interrupting(*arguments: Any) -> Any:
        steps.append(1)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return loss(*arguments)

    monkeypatch.setattr(train_cls, "fit_head", counting)
    with monkeypatch.context() as patch:
        patch.setattr(train_cls, "tag_loss", interrupting)
        train("--probe", "-q", expect=130)
    train("--probe", "-q")
    assert fitted == [1]  # what is kept of an interrupted run has the probe in it
    assert same(load_weights("cls.pt", "wsss/cls"), load_weights("whole.pt", "wsss/cls"))


def test_numbers_that_make_no_probe_are_refused() -> None:
    assert "--epochs: must be at least 1" in train("--epochs", "0", expect=2).stderr
    assert "--probe-decay" in train("--probe", "--probe-decay", "0", expect=2).stderr


def start(*options: str) -> int:
    """Run train-cls in a forked copy of this process, which has torch already; its pid."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            result = CliRunner().invoke(app, ["train-cls", *SHORT, *options])
            Path("said.txt").write_text(result.stderr)
            code = result.exit_code
        finally:
            os._exit(code)
    return child


def finished(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def wait_for_change(child: int, file: Path) -> None:
    before = file.read_bytes() if file.exists() else b""
    while not finished(child) and before == (file.read_bytes() if file.exists() else b""):
        time.sleep(0.005)


def test_killed_at_random_moments_with_workers_it_goes_on(folder: Path) -> None:
    """kill -9 leaves no output or all of it; what it ends in is what one run gives."""
    options = ["--epochs", "30", "--val-every", "10"]
    began = time.monotonic()
    train(*options, "-o", "whole.pt")
    took = time.monotonic() - began  # moments are parts of this: machines differ in speed
    chance, kills = random.Random(0), 0
    while True:
        child = start(*options, "--workers", "2", "--checkpoint-every", "0")
        if kills < 4:
            wait_for_change(child, folder / "cls.pt.partial")
            time.sleep(chance.uniform(0, 0.2) * took)
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if status == 0:
            break
        assert status == signal.SIGKILL, Path("said.txt").read_text()
        assert not Path("cls.pt").exists()
        kills += 1
    assert kills >= 1
    assert "going on at step" in Path("said.txt").read_text()
    assert same(load_weights("cls.pt", "wsss/cls"), load_weights("whole.pt", "wsss/cls"))
    assert sorted(os.listdir()) == ["cls.pt", "data.h5", "said.txt", "whole.pt"]


def test_sigterm_is_an_interruption_too(folder: Path) -> None:
    child = start("--epochs", "100000", "--checkpoint-every", "0", "--val-every", "0")
    wait_for_change(child, folder / "cls.pt.partial")
    os.kill(child, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 130
    said = Path("said.txt").read_text()
    assert "interrupted" in said
    assert "Traceback" not in said
    assert sorted(os.listdir()) == ["cls.pt.partial", "data.h5", "said.txt"]


def test_an_existing_output_is_refused_and_replaced_by_force(reference: Weights) -> None:
    Path("cls.pt").write_bytes(b"mine")
    result = train(expect=2)
    assert result.stderr == (
        "wsss: error: cls.pt: exists already\nwsss: hint: add --force to replace it\n"
    )
    assert Path("cls.pt").read_bytes() == b"mine"
    train("--force")
    assert same(load_weights("cls.pt"), reference)


def test_the_unfinished_work_of_other_options_is_refused(
    reference: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = train_cls.tag_loss

    def interrupting(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return loss(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(train_cls, "tag_loss", interrupting)
        train("--seed", "9", expect=130)
    before = Path("cls.pt.partial").read_bytes()
    result = train(expect=3)
    assert "holds the unfinished training of another run" in result.stderr
    assert "--force" in result.stderr
    assert Path("cls.pt.partial").read_bytes() == before
    train("--force")
    assert same(load_weights("cls.pt"), reference)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--backbone", "resnet51"], 2, "'resnet51' is not one of resnet18"),
        (["--output-stride", "12"], 2, "12 is not one of 8, 16, 32"),
        (["--epochs", "0"], 2, "--epochs: must be at least 1"),
        (["--batch-size", "0"], 2, "--batch-size: must be at least 1"),
        (["--lr", "-1"], 2, "--lr: must be above 0"),
        (["--lr", "nan"], 2, "--lr: must be above 0"),
        (["--momentum", "1"], 2, "--momentum: must be 0 or more, below 1"),
        (["--accumulate", "3"], 2, "--accumulate: must be 1 to --batch-size"),
        (["--clip-grad", "0"], 2, "--clip-grad: must be above 0"),
        (["--long-side", "300"], 2, "--long-side 300: need LO,HI"),
        (["--long-side", "300,200"], 2, "--long-side 300,200: need 0 < LO <= HI"),
        (["--jitter", "1,2,3"], 2, "--jitter 1,2,3: need B,C,S,H"),
        (["--jitter", "0,0,0,0.6"], 2, "the hue turns by 0.5 at most"),
        (["--device", "tpu9"], 2, "--device tpu9"),
        (["--seed", "-1"], 2, "--seed"),
        (["--split", "test"], 3, "data.h5: has no split 'test'"),
        (["--val-split", "test"], 3, "data.h5: has no split 'test'"),
        (["--backbone-weights", "none.pth"], 3, "none.pth: "),
        (["--backbone-weights", "imagenet"], 3, "tiny: there are no ImageNet weights"),
        (["-o", "nowhere/cls.pt"], 3, "nowhere: no such folder"),
        (["-o", "."], 2, "is a folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_wrong_is_said_and_nothing_is_left(
    options: list[str], code: int, said: str
) -> None:
    result = train(*options, expect=code)
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert os.listdir() == ["data.h5"]


def test_other_files_are_refused(reference: Weights) -> None:
    Path("text.h5").write_text("text")
    assert "not an HDF5 file" in train("--data", "text.h5", expect=3).stderr
    Path("text.pth").write_text("text")
    assert "text.pth" in train("--backbone-weights", "text.pth", expect=3).stderr


def test_a_foreign_backbone_is_one_clear_line(folder: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(1)}, "other.pth")
    result = train("--backbone-weights", "other.pth", expect=3)
    assert "other.pth: does not fit tiny" in result.stderr


def test_weights_of_ours_start_another_training(folder: Path) -> None:
    train("-q")
    train("--backbone-weights", "cls.pt", "-o", "more.pt", "-q")
    more = load_weights("more.pt")
    assert more.params["weights"].startswith("cls.pt sha256:")
    Path("folder").mkdir()
    os.rename("cls.pt", "folder/cls.pt")
    train("--backbone-weights", "folder/cls.pt", "-o", "again.pt", "-q")
    assert load_weights("again.pt").run == more.run  # known by contents, wherever they lie


def write_data(path: Path, rows: dict[str, tuple[bytes, list[int]]], **splits: list[str]) -> None:
    with create(
        path, DATASET, classes=["red", "green"], params={}, ids=list(rows), splits=splits
    ) as out:
        for image_id, (encoded, tags) in rows.items():
            out.put(
                image_id,
                image=np.frombuffer(encoded, np.uint8),
                tags=np.array(tags, np.uint16),
                size=np.array([32, 48], np.int32),
            )


def encoded(data: Path, image_id: str) -> bytes:
    with open_dataset(data) as reader:
        return reader.encoded_image(image_id)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_an_unreadable_image_is_named(workers: str, folder: Path) -> None:
    good = encoded(folder / "data.h5", "a/0")
    write_data(folder / "bad.h5", {"fine": (good, [0]), "ümläut 1.x": (good[:200], [1])})
    result = train("--data", "bad.h5", "--workers", workers, expect=3)
    errors = [line for line in result.stderr.splitlines() if line.startswith("wsss: error")]
    assert len(errors) == 1
    assert "'ümläut 1.x'" in errors[0]
    assert "Traceback" not in result.stderr


def test_splits_are_chosen_as_documented(folder: Path) -> None:
    good = encoded(folder / "data.h5", "a/0")
    rows = {name: (good, [0]) for name in "abcd"}
    said = []
    for splits in ({}, {"val": ["a"]}, {"train": ["a", "b"], "val": ["c"]}, {"x": ["d"]}):
        write_data(folder / "some.h5", rows, **splits)
        said.append(train("--data", "some.h5", "--force").stderr)
        os.remove("some.h5")
    assert ["4 images" in said[0], "val mAP" in said[0]] == [True, False]
    assert ["3 images" in said[1], "val mAP" in said[1]] == [True, True]
    assert ["2 images" in said[2], "val mAP" in said[2]] == [True, True]
    assert ["4 images" in said[3], "val mAP" in said[3]] == [True, False]
    write_data(folder / "some.h5", rows, x=["d"], y=["a", "b", "c"])
    chosen = train("--data", "some.h5", "--force", "--split", "x", "--val-split", "y").stderr
    assert "1 images" in chosen
    assert "val mAP" in chosen


def test_a_split_with_nothing_in_it(folder: Path) -> None:
    write_data(folder / "some.h5", {"a": (encoded(folder / "data.h5", "a/0"), [0])}, train=[])
    assert "no images to train on" in train("--data", "some.h5", expect=3).stderr


def test_an_undefined_figure_is_none(folder: Path) -> None:
    good = encoded(folder / "data.h5", "a/0")
    write_data(folder / "some.h5", {"a": (good, [0]), "b": (good, [])}, train=["a"], val=["b"])
    assert "val mAP undefined" in train("--data", "some.h5").stderr
    assert [row["val_map"] for row in load_weights("cls.pt").history] == [None] * 3


def test_validation_as_often_as_asked_for(folder: Path) -> None:
    train("--val-every", "2")
    assert ["val_map" in row for row in load_weights("cls.pt").history] == [False, True, True]
    train("--val-every", "0", "--force")
    assert not any("val_map" in row for row in load_weights("cls.pt").history)


def test_the_best_epoch_is_named_where_it_is_not_the_last(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([0.2, 0.5, 0.4])
    monkeypatch.setattr(train_cls, "validate", lambda *_: {"val_map": next(figures)})
    said = talk(train())[-1]
    assert said == (
        "train-cls: the last epoch's weights are kept; val mAP was highest, 0.500, after epoch 2"
    )


@pytest.mark.parametrize(
    "options",
    [
        ["--precision", "bf16", "--accumulate", "2", "--clip-grad", "1", "--warmup", "2"],
        ["--batch-size", "64", "--batchnorm", "train"],
        ["--backbone", "mobilenet_v2", "--output-stride", "8", "--dilated", "--epochs", "1"],
    ],
    ids=["bf16", "large batch", "mobilenet"],
)
def test_other_ways_to_train(options: list[str]) -> None:
    train(*options)
    weights = load_weights("cls.pt")
    assert all(t.isfinite().all() for t in weights.state_dict.values() if t.is_floating_point())
    assert all(t.dtype != torch.bfloat16 for t in weights.state_dict.values())


def test_a_loss_that_goes_astray_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    result = train("--lr", "1e30", expect=3)
    assert "training went astray" in result.stderr
    assert "lower --lr" in result.stderr
    assert not Path("cls.pt").exists()


def test_a_full_disk_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    result = train(expect=3)
    error, hint = result.stderr.splitlines()[-2:]
    assert error.endswith("cls.pt.partial: cannot be written (No space left on device)")
    assert hint.endswith("free some space and run the same command again")
    assert os.listdir() == ["data.h5"]


def test_images_without_tags_are_negatives(tiny_data: Path) -> None:
    with open_dataset(tiny_data) as data:
        augment = Augment(32)
        samples = [
            train_cls.load_tagged(data, augment, image_id, sample_generator(0, 0, 0))["tags"]
            for image_id in data.ids
        ]
    expected = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert torch.stack(samples).tolist() == expected
