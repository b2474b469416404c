"""The state of an unfinished run: kept whole, restored whole, refused whole."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.amp import GradScaler

from wsss_cli.artifacts import holding
from wsss_cli.artifacts.weights import read_torch, write_torch
from wsss_cli.errors import WsssError
from wsss_cli.training import checkpoint as module
from wsss_cli.training.checkpoint import RESUME_HINT, Checkpoint, Progress
from wsss_cli.training.team import Team


def made(value: float) -> tuple[nn.Linear, torch.optim.SGD]:
    """A model whose weights are one value, and its optimiser after a step."""
    model = nn.Linear(2, 1, bias=False)
    nn.init.constant_(model.weight, value)
    return model, torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.5)


def stepped(value: float) -> tuple[nn.Linear, torch.optim.SGD]:
    model, optimizer = made(value)
    model(torch.tensor([[1.0, 2.0]])).sum().backward()
    optimizer.step()
    return model, optimizer


def kept(path: Path, run: str = "this", **options: Any) -> Checkpoint:
    return Checkpoint(path, run, read_torch, write_torch, **options)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.pt.partial"


def test_all_that_a_run_depends_on_comes_back(path: Path) -> None:
    model, optimizer = stepped(3.0)
    progress = Progress(7, 1.5, [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    with kept(path, extra={"sums": torch.tensor([4.0, 5.0])}) as checkpoint:
        checkpoint.save(model, optimizer, progress)
    fresh, other = made(0.0)
    sums = torch.zeros(2)
    with kept(path, extra={"sums": sums}) as checkpoint:
        found = checkpoint.restore(fresh, other)
    assert found == progress
    assert found.epoch == 2
    assert fresh.weight.tolist() == [[2.5, 2.0]]  # 3 - 0.5 * (1, 2)
    assert sums.tolist() == [4.0, 5.0]  # in place
    fresh(torch.zeros(1, 2)).sum().backward()
    other.step()
    assert fresh.weight.tolist() == [[2.25, 1.5]]  # by half of the momentum (1, 2)


def test_without_a_state_a_run_begins(path: Path) -> None:
    model, optimizer = made(3.0)
    with kept(path) as checkpoint:
        assert checkpoint.restore(model, optimizer) == Progress(0, 0.0, [])
        assert Progress().epoch == 0
        checkpoint.remove()  # of nothing
    assert model.weight.tolist() == [[3.0, 3.0]]
    assert list(path.parent.iterdir()) == []


def test_float16s_scale_comes_back(path: Path) -> None:
    model, optimizer = made(1.0)
    with kept(path) as checkpoint:
        checkpoint.save(model, optimizer, Progress(), GradScaler("cpu", init_scale=8.0))
        scaler = GradScaler("cpu", init_scale=2.0)
        checkpoint.restore(model, optimizer, scaler)
        assert scaler.get_scale() == 8.0
        checkpoint.restore(model, optimizer, GradScaler("cpu", enabled=False))  # needs none


def test_it_is_due_when_the_last_save_is_long_ago(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    checkpoint = kept(path, every=10.0)
    assert not checkpoint.due()
    now = 110.0
    assert checkpoint.due()
    checkpoint.save(*made(1.0), Progress())
    assert not checkpoint.due()
    now = 119.9
    assert not checkpoint.due()
    now = 120.0
    assert checkpoint.due()
    assert kept(path, every=0).due()


def refused(path: Path, words: str, **options: Any) -> None:
    """Another state is an error that names the file, and nothing is touched; or begun anew."""
    model, optimizer = made(9.0)
    with kept(path, **options) as checkpoint:
        with pytest.raises(WsssError) as caught:
            checkpoint.restore(model, optimizer)
        assert str(caught.value) == f"{path}: {words}"
        assert caught.value.hint == RESUME_HINT
        assert "--force" in RESUME_HINT
    with kept(path, restart=True, **options) as checkpoint:
        assert checkpoint.restore(model, optimizer) == Progress()
    assert model.weight.tolist() == [[9.0, 9.0]]
    assert optimizer.state_dict()["state"] == {}


def test_another_runs_state(path: Path) -> None:
    kept(path, "other").save(*stepped(3.0), Progress(5))
    before = path.read_bytes()
    refused(path, "holds the unfinished training of another run (other inputs or options)")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "state", [[1], {"run": "this"}, {"format": 2, "run": "this"}, {"format": 1}]
)
def test_what_is_no_state_of_this_version(state: Any, path: Path) -> None:
    write_torch(path, state)
    refused(path, "not the training state of this version of wsss")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": {"weight": torch.zeros(1, 3)}}, "damaged (the tensors of another network)"),
        ({"model": {"bias": torch.zeros(1, 2)}}, "damaged (the tensors of another network)"),
        ({"extra": {"more": torch.zeros(1)}}, "damaged (the tensors of another network)"),
        ({"history": None, "model": 5}, "damaged (history is no list of figures)"),
    ],
)
def test_a_damaged_state_leaves_a_fresh_model_fresh(
    change: dict[str, Any], words: str, path: Path
) -> None:
    kept(path).save(*stepped(3.0), Progress(5))
    write_torch(path, {**read_torch(path), **change})
    refused(path, words)


@pytest.mark.parametrize("lacking", ["step", "loss_sum", "history", "model", "optimizer"])
def test_a_state_that_lacks_something(lacking: str, path: Path) -> None:
    kept(path).save(*stepped(3.0), Progress(5))
    write_torch(path, {k: v for k, v in read_torch(path).items() if k != lacking})
    refused(path, f"damaged ('{lacking}')")


def test_the_leader_alone_reads_writes_and_locks(path: Path) -> None:
    follower = kept(path, team=Team(rank=1))
    with follower:
        follower.save(*made(1.0), Progress(3))
        assert list(path.parent.iterdir()) == []
        kept(path).save(*made(1.0), Progress(3))
        assert follower.restore(*made(2.0)) == Progress()  # what the leader shares: nothing here
        follower.remove()
    assert path.exists()
    kept(path).remove()
    assert not path.exists()


def test_what_a_killed_process_left_is_swept_up(path: Path) -> None:
    stale = path.with_name(f".{path.name}.123.tmp")
    others = [path.with_name(".other.partial.123.tmp"), path.with_name("notes.tmp")]
    for file in (stale, *others):
        file.write_bytes(b"half")
    with kept(path):
        assert not stale.exists()
        assert path.with_name(f"{path.name}.lock").exists()
    assert sorted(path.parent.iterdir()) == sorted(others)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none" / "net.pt.partial"
    with pytest.raises(WsssError, match=r"partial\.lock: cannot be written \(No such file"):
        kept(path).__enter__()


def test_the_lock_keeps_another_process_out(path: Path) -> None:
    with kept(path):
        child = os.fork()
        if child == 0:  # pragma: no cover
            code = 1
            try:
                kept(path).__enter__()
            except WsssError as err:
                said = f"{path}: another wsss process is training it"
                code = 7 if str(err) == said and "--out" in (err.hint or "") else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    with kept(path):  # and gives way afterwards
        pass


def test_a_file_system_without_locks_goes_unguarded(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(file: object, how: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(holding.fcntl, "lockf", without)
    with kept(path) as checkpoint:
        checkpoint.save(*made(1.0), Progress(3))
    assert read_torch(path)["step"] == 3
