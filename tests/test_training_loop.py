"""The loop: one step by hand, resuming to the same bits from anywhere, failing without harm."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from wsss_cli.artifacts.weights import read_torch, write_torch
from wsss_cli.errors import WsssError
from wsss_cli.training.checkpoint import Checkpoint, Progress
from wsss_cli.training.compute import Compute, float32, predictions
from wsss_cli.training.data import Plan, Samples
from wsss_cli.training.loop import fit, train_step
from wsss_cli.training.losses import Loss, count_images
from wsss_cli.training.schedule import Poly
from wsss_cli.training.shares import Shares

CPU = torch.device("cpu")
IDS = [f"{index}" for index in range(10)]
PLAN = Plan(count=10, batch_size=3, epochs=4, seed=1)  # 3 steps an epoch, 12 in all


class Network(nn.Module):
    """Everything that could spoil resuming: dropout, batch statistics, several groups."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout2d(0.5)
        )
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)).mean(dim=(2, 3))


def load(image_id: str, rng: np.random.Generator) -> dict[str, Tensor]:
    image = torch.from_numpy(rng.standard_normal((3, 6, 6)).astype(np.float32))
    return {"image": image + int(image_id) / 10, "target": torch.tensor([int(image_id) / 10, 1.0])}


def loss_fn(outputs: Tensor, batch: dict[str, Tensor]) -> Tensor:
    return ((outputs - batch["target"]) ** 2).mean()


def over_images(mean: Any) -> Loss:
    """Of a function of outputs and batch that is a mean over the images."""

    def share(outputs: Tensor, batch: dict[str, Tensor], counts: Tensor) -> Tensor:
        return mean(outputs, batch) * (len(batch["image"]) / counts[0])

    return Loss(count_images, share)


def step(
    model: nn.Module,
    batch: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    compute: Compute,
    loss: Any = None,
) -> float:
    """A step on a batch split into as many parts as `compute` says."""
    keys = [(0, index) for index in range(len(batch["image"]))]
    parts = [
        {name: tensor[[index for _, index in part]] for name, tensor in batch.items()}
        for part in compute.shares.deal([keys])
    ]
    means = over_images(loss or loss_fn)
    return train_step(model, means, parts, optimizer, compute, compute.scaler())


def measure(model: nn.Module, epoch: int) -> dict[str, Any]:
    compute = Compute(CPU)
    batches = compute.batches(Samples(load, IDS), [[(0, 0), (0, 1)]])
    outputs = [out for out, _ in predictions(model, batches, compute)]
    return {"figure": float(outputs[0].sum()) + epoch}


class Listener:
    """Hears of the run, and can stop it at a given event."""

    def __init__(self, act: Callable[[str, int], None] = lambda event, number: None) -> None:
        self.act, self.heard = act, []  # type: ignore[var-annotated]

    def start(self, step: int) -> None:
        self._hear("start", step)

    def step(self, step: int, loss: float) -> None:
        assert math.isfinite(loss)
        self._hear("step", step)

    def epoch(self, row: dict[str, Any]) -> None:
        self._hear("epoch", row["epoch"])

    def _hear(self, event: str, number: int) -> None:
        self.heard.append((event, number))
        self.act(event, number)


def groups(model: Network) -> torch.optim.SGD:
    parts = [
        {"params": model.body.parameters(), "lr": 0.05},
        {"params": model.head.parameters(), "lr": 0.5, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(parts, lr=0.05, momentum=0.9, weight_decay=1e-2)


def run(
    path: Path,
    report: Listener | None = None,
    *,
    workers: int = 0,
    every: float = 1e9,
    run_id: str = "this",
    restart: bool = False,
    write: Callable[[Path, Any], None] = write_torch,
    loss: Any = loss_fn,
    plan: Plan = PLAN,
    half: torch.dtype | None = None,
    compiled: bool = False,
) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    model = Network()
    compute = Compute(CPU, half, workers=workers, compiled=compiled)
    samples = Samples(load, IDS, plan.seed)
    with Checkpoint(path, run_id, read_torch, write, every, restart) as checkpoint:
        history = fit(
            model,
            over_images(loss),
            lambda start: compute.batches(samples, plan.batches(start)),
            groups(model),
            schedule=Poly(plan.steps),
            epochs=plan.epochs,
            compute=compute,
            seed=plan.seed,
            checkpoint=checkpoint,
            report=report or Listener(),
            measure=measure,
        )
    return model.state_dict(), history


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """A forked process has no pool of threads, and sums must not depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Tensor], list[Any]]:
    return run(tmp_path_factory.mktemp("whole") / "run.partial")


def assert_same(found: tuple[dict[str, Tensor], Any], whole: tuple[dict[str, Tensor], Any]) -> None:
    assert found[1] == whole[1]
    assert found[0].keys() == whole[0].keys()
    assert all(torch.equal(found[0][name], whole[0][name]) for name in whole[0])


def test_a_step_is_sgd_on_the_mean_loss() -> None:
    model, reference = Network().double().eval(), Network().double().eval()
    batch = {"image": torch.randn(5, 3, 6, 6).double(), "target": torch.randn(5, 2).double()}
    sgd, other = groups(model), groups(reference)
    for _ in range(2):
        other.zero_grad()
        expected = ((reference(batch["image"]).float() - batch["target"]) ** 2).mean()
        expected.backward()
        other.step()
        loss = step(model, batch, sgd, Compute(CPU))
        assert loss == pytest.approx(expected.item())
    for one, two in zip(model.parameters(), reference.parameters(), strict=True):
        assert torch.allclose(one, two, rtol=1e-6)


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_accumulated_gradients_equal_those_of_the_whole_batch(parts: int) -> None:
    batch = {"image": torch.randn(5, 3, 6, 6), "target": torch.randn(5, 2)}
    models = []
    for accumulate in (1, parts):
        model = Network().eval()
        step(model, batch, groups(model), Compute(CPU, shares=Shares(5, accumulate)))
        models.append(model)
    for one, two in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.allclose(one, two, rtol=1e-4, atol=1e-6)


def test_clipping_bounds_the_gradient() -> None:
    model = Network().eval()
    before = [p.detach().clone() for p in model.parameters()]
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    batch = {"image": torch.randn(5, 3, 6, 6) * 100, "target": torch.randn(5, 2) * 100}
    step(model, batch, sgd, Compute(CPU, clip=0.5))
    moved = [(p.detach() - b).norm() for p, b in zip(model.parameters(), before, strict=True)]
    assert float(torch.stack(moved).norm()) == pytest.approx(0.5, rel=1e-3)


def test_outputs_reach_the_loss_in_float32() -> None:
    seen = []

    def spy(outputs: Tensor, batch: dict[str, Tensor]) -> Tensor:
        seen.append((outputs.dtype, torch.is_autocast_enabled("cpu")))
        return loss_fn(outputs, batch)

    model = Network()
    batch = {"image": torch.randn(2, 3, 6, 6), "target": torch.randn(2, 2)}
    step(model, batch, groups(model), Compute(CPU, torch.bfloat16), spy)
    assert seen == [(torch.float32, False)]
    half, whole = torch.ones(1, dtype=torch.bfloat16), torch.ones(1, dtype=torch.int64)
    nest = float32({"a": (half, [whole])})
    assert nest["a"][0].dtype == torch.float32
    assert nest["a"][1][0].dtype == torch.int64


def test_float16_scales_its_gradients_and_keeps_the_scale(tmp_path: Path) -> None:
    """An overflow skips the step and halves the scale; resumed, the run knows of it."""

    def overflowing(stop: bool) -> Any:
        calls: list[int] = []

        def loss(outputs: Tensor, batch: dict[str, Tensor]) -> Tensor:
            calls.append(1)
            if stop and len(calls) == 5:
                os.kill(os.getpid(), signal.SIGINT)
            return loss_fn(outputs, batch) * (1e25 if len(calls) == 2 else 1)

        return loss

    whole = run(tmp_path / "whole.partial", loss=overflowing(False), half=torch.float16)
    path = tmp_path / "run.partial"
    with pytest.raises(KeyboardInterrupt):
        run(path, loss=overflowing(True), half=torch.float16)
    assert read_torch(path)["scaler"]["scale"] == 2.0**15
    assert_same(run(path, half=torch.float16), whole)
    assert whole[0]["head.weight"].dtype == torch.float32
    assert whole[0]["head.weight"].isfinite().all()


def test_gradients_too_small_for_float16_are_not_lost() -> None:
    """1e-9 is nothing in float16, and 65536 times that is something."""
    batch = {"image": torch.randn(4, 3, 6, 6), "target": torch.zeros(4, 2)}
    moved = []
    for half in (None, torch.float16):
        model = Network().eval()
        before = model.body[0].weight.detach().clone()
        sgd = torch.optim.SGD(model.parameters(), lr=1e6)
        step(model, batch, sgd, Compute(CPU, half), lambda out, _: out.mean() * 1e-7)
        moved.append(model.body[0].weight.detach() - before)
    assert moved[0].abs().max() > 0
    assert (moved[0] - moved[1]).norm() < 0.05 * moved[0].norm()


def test_training_alone_is_compiled(
    whole: tuple[dict[str, Tensor], list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[bool] = []

    class Compiled(nn.Module):
        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: Tensor) -> Tensor:
            calls.append(self.model.training)
            return self.model(x)

    def compiled(model: nn.Module, *, options: dict[str, bool]) -> nn.Module:
        assert options == {"fallback_random": True}  # or dropout would drop other things
        return Compiled(model)

    monkeypatch.setattr(torch, "compile", compiled)
    assert_same(run(tmp_path / "run.partial", compiled=True), whole)
    assert calls == [True] * PLAN.steps


def test_what_cannot_be_compiled_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._dynamo.exc import TorchDynamoException

    class Failing(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            raise TorchDynamoException("backend='inductor' raised:\nNo compiler\n\nSet more")

    monkeypatch.setattr(torch, "compile", lambda model, **_: Failing(1, 1))
    with pytest.raises(WsssError, match=r"cannot be compiled here \(No compiler\)$") as caught:
        run(tmp_path / "run.partial", compiled=True)
    assert "--compile" in (caught.value.hint or "")


def test_history_and_progress(whole: tuple[dict[str, Tensor], list[Any]], tmp_path: Path) -> None:
    listener = Listener()
    found = run(tmp_path / "run.partial", listener)
    assert_same(found, whole)
    assert [row["epoch"] for row in found[1]] == [1, 2, 3, 4]
    assert all(set(row) == {"epoch", "loss", "figure"} for row in found[1])
    steps = [("step", n) for n in range(1, 13)]
    epochs = [("epoch", n) for n in range(1, 5)]
    assert [e for e in listener.heard if e[0] == "step"] == steps
    assert [e for e in listener.heard if e[0] == "epoch"] == epochs
    assert listener.heard[0] == ("start", 0)
    assert listener.heard[4] == ("epoch", 1)


EVENTS = [("start", 0), ("step", 1), ("step", 2), ("step", 3), ("epoch", 1), ("step", 5)]
EVENTS += [("step", 11), ("step", 12), ("epoch", 4)]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: f"{event[0]} {event[1]}")
def test_an_interrupted_run_goes_on_to_the_same_bits(
    event: tuple[str, int], whole: tuple[dict[str, Tensor], list[Any]], tmp_path: Path
) -> None:
    def interrupt(name: str, number: int) -> None:
        if (name, number) == event:
            os.kill(os.getpid(), signal.SIGTERM if number % 2 else signal.SIGINT)

    path = tmp_path / "run.partial"
    with pytest.raises(KeyboardInterrupt):
        run(path, Listener(interrupt))
    assert path.exists()
    listener = Listener()
    assert_same(run(path, listener), whole)
    done = {"start": 0, "step": event[1], "epoch": 3 * event[1]}[event[0]]
    assert listener.heard[0] == ("start", done)  # nothing is done twice
    assert sum(name == "step" for name, _ in listener.heard) == 12 - done
    assert list(tmp_path.iterdir()) == [path]  # no lock, no temporary


@pytest.mark.parametrize("workers", [0, 2])
def test_stopped_after_every_step_and_with_any_workers(
    workers: int, whole: tuple[dict[str, Tensor], list[Any]], tmp_path: Path
) -> None:
    def interrupt(name: str, number: int) -> None:
        if name == "step" and number % 4 == 2:
            raise KeyboardInterrupt

    path, attempts = tmp_path / "run.partial", 0
    while True:
        attempts += 1
        try:
            found = run(path, Listener(interrupt), workers=workers)
            break
        except KeyboardInterrupt:
            assert attempts < 10
    assert attempts == 4
    assert_same(found, whole)


def test_a_signal_during_a_step_stops_it_at_once_and_nothing_is_torn(
    whole: tuple[dict[str, Tensor], list[Any]], tmp_path: Path
) -> None:
    calls: list[int] = []

    def loss(outputs: Tensor, batch: dict[str, Tensor]) -> Tensor:
        calls.append(1)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("the step went on")
        return loss_fn(outputs, batch)

    path = tmp_path / "run.partial"
    with pytest.raises(KeyboardInterrupt):
        run(path, loss=loss)
    assert read_torch(path)["step"] == 4
    assert_same(run(path), whole)


def test_a_signal_while_weights_change_waits_however_many_come(
    whole: tuple[dict[str, Tensor], list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    take = torch.optim.SGD.step

    def stopping(self: torch.optim.SGD, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
        return take(self, *arguments)

    path = tmp_path / "run.partial"
    monkeypatch.setattr(torch.optim.SGD, "step", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(path)
    assert read_torch(path)["step"] == 5
    assert_same(run(path), whole)


def test_signal_handlers_are_put_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run(tmp_path / "run.partial")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def forked(act: Callable[[], None]) -> int:
    """Run in a forked copy of this process; its wait status."""
    child = os.fork()
    if child == 0:
        try:
            act()
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("step", [1, 4, 9, 12])
def test_killed_between_steps(
    step: int, whole: tuple[dict[str, Tensor], list[Any]], tmp_path: Path
) -> None:
    path = tmp_path / "run.partial"
    listener = Listener(lambda *event: kill_self() if event == ("step", step) else None)
    assert forked(lambda: run(path, listener, every=0)) == signal.SIGKILL
    listener = Listener()
    assert_same(run(path, listener), whole)
    assert listener.heard[0] == ("start", step - 1)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("moment", ["before", "halfway", "after"])
def test_killed_while_saving(
    moment: str, whole: tuple[dict[str, Tensor], list[Any]], tmp_path: Path
) -> None:
    path = tmp_path / "run.partial"

    def write(target: Path, state: Any) -> None:
        if state["step"] == 5:
            if moment == "halfway":
                temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
                temporary.write_bytes(target.read_bytes()[:100])
            if moment == "after":
                write_torch(target, state)
            kill_self()
        write_torch(target, state)

    assert forked(lambda: run(path, every=0, write=write)) == signal.SIGKILL
    listener = Listener()
    assert_same(run(path, listener), whole)
    assert listener.heard[0] == ("start", 5 if moment == "after" else 4)
    assert list(tmp_path.iterdir()) == [path]


def test_killed_while_measuring_measures_again(
    whole: tuple[dict[str, Tensor], list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.partial"

    def act() -> None:
        monkeypatch.setitem(globals(), "measure", lambda model, epoch: kill_self())
        run(path)

    assert forked(act) == signal.SIGKILL
    assert read_torch(path)["history"] == []
    listener = Listener()
    assert_same(run(path, listener), whole)
    assert listener.heard[:2] == [("start", 3), ("epoch", 1)]


def test_a_finished_run_has_nothing_left_to_do(
    whole: tuple[dict[str, Tensor], list[Any]], tmp_path: Path
) -> None:
    path = tmp_path / "run.partial"
    run(path)
    listener = Listener()
    assert_same(run(path, listener), whole)
    assert listener.heard == [("start", 12)]


def test_another_runs_state_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "run.partial"
    run(path)
    before = path.read_bytes()
    with pytest.raises(WsssError, match="another run") as caught:
        run(path, run_id="other")
    assert "--force" in (caught.value.hint or "")
    assert path.read_bytes() == before
    listener = Listener()
    run(path, listener, run_id="other", restart=True)
    assert listener.heard[0] == ("start", 0)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize("damage", ["cut", "text", "foreign", "code", "other network"])
def test_a_damaged_state_is_one_clear_line(
    damage: str,
    whole: tuple[dict[str, Tensor], list[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run.partial"
    run(path)
    state = read_torch(path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-500])
    elif damage == "text":
        path.write_text("wsss journal")
    elif damage == "foreign":
        torch.save({"a": torch.zeros(1)}, path)
    elif damage == "code":
        torch.save({**state, "history": Evil()}, path)
    else:
        torch.save({**state, "model": {}}, path)
    with pytest.raises(WsssError, match=r"run\.partial") as caught:
        run(path)
    assert "\n" not in str(caught.value)
    assert "--force" in (caught.value.hint or "")
    assert not (tmp_path / "pwned").exists()
    assert_same(run(path, restart=True), whole)


def test_two_processes_do_not_train_the_same(tmp_path: Path) -> None:
    path = tmp_path / "run.partial"

    def second() -> None:
        with pytest.raises(WsssError, match="another wsss process"):
            run(path)
        os._exit(7)

    refusals = []

    def meanwhile(event: str, number: int) -> None:
        if (event, number) == ("step", 2):
            refusals.append(os.waitstatus_to_exitcode(forked(second)))

    run(path, Listener(meanwhile))
    assert refusals == [7]
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_keeps_the_former_state(
    whole: tuple[dict[str, Tensor], list[Any]], tmp_path: Path
) -> None:
    path = tmp_path / "run.partial"

    def write(target: Path, state: Any) -> None:
        if state["step"] == 5:
            raise WsssError(f"{target}: cannot be written (No space left on device)")
        write_torch(target, state)

    with pytest.raises(WsssError, match="No space left"):
        run(path, every=0, write=write)
    assert read_torch(path)["step"] == 4
    assert_same(run(path), whole)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_before_it_does_harm(value: float, tmp_path: Path) -> None:
    calls: list[int] = []

    def loss(outputs: Tensor, batch: dict[str, Tensor]) -> Tensor:
        calls.append(1)
        return loss_fn(outputs, batch) * (value if len(calls) == 5 else 1)

    path = tmp_path / "run.partial"
    with pytest.raises(WsssError, match=r"the loss is (nan|inf) at step 4") as caught:
        run(path, loss=loss, every=0)
    assert "--lr" in (caught.value.hint or "")
    state = read_torch(path)
    assert state["step"] == 4
    assert all(t.isfinite().all() for t in state["model"].values())


def test_weights_that_are_no_numbers_are_not_saved(tmp_path: Path) -> None:
    plan = Plan(count=10, batch_size=10, epochs=1, seed=1)
    path = tmp_path / "run.partial"

    def explode(outputs: Tensor, batch: dict[str, Tensor]) -> Tensor:
        return (outputs * 0).sum().sqrt()  # 0, with a gradient of 0/0

    with pytest.raises(WsssError, match="weights are not finite at step 1"):
        run(path, loss=explode, plan=plan)
    assert not path.exists()


def test_a_lack_of_memory_is_one_clear_line(tmp_path: Path) -> None:
    def loss(outputs: Tensor, batch: dict[str, Tensor]) -> Tensor:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    with pytest.raises(WsssError, match="not enough memory") as caught:
        run(tmp_path / "run.partial", loss=loss)
    assert "--accumulate" in (caught.value.hint or "")


def test_a_dead_worker_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def die(image_id: str, rng: np.random.Generator) -> dict[str, Tensor]:
        kill_self()
        raise AssertionError

    batches = Compute(CPU, workers=1).batches(Samples(die, IDS), [[(0, 0)]])
    with pytest.raises(WsssError, match="a loading process died"):
        next(batches)


def test_the_state_tells_how_far_it_is(tmp_path: Path) -> None:
    model = Network()
    with Checkpoint(tmp_path / "x", "run", read_torch, write_torch) as checkpoint:
        assert checkpoint.restore(model, groups(model)) == Progress(0, 0.0, [])
        saved = Progress(7, 1.5, [{"epoch": 1, "loss": 2.0}])
        checkpoint.save(model, groups(model), saved)
        assert checkpoint.restore(model, groups(model)) == saved
        checkpoint.remove()
    assert list(tmp_path.iterdir()) == []
