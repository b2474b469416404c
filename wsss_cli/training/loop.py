"""One plain training loop for all networks, in one process or in a team of them.

What differs is passed in: the loss, the batches, and what to measure after an epoch. The state of
a run is its weights, its optimizer and `Progress`; everything random in a step follows from
(seed, step), so a run stopped anywhere and taken up again, by however many processes, ends in the
same weights.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer

from ..core.images import batch_to_input
from ..errors import WsssError
from .checkpoint import Checkpoint, Progress
from .data import Key, Sample, Samples, loader, seed_step
from .interrupt import Interrupts
from .losses import Loss
from .schedule import Poly
from .shares import Shares
from .team import FAILED, LeftAlone, Team

NO_MEMORY = re.compile("out of memory|not enough memory|can't allocate memory", re.IGNORECASE)
Measure = Callable[[nn.Module, int], dict[str, Any]]


@dataclass(frozen=True)
class Compute:
    """Where and how to compute.

    Attributes:
        device: of model and batches.
        half: what the network runs in where autocast sees fit, bfloat16 or float16; None for
            float32 throughout. Losses are float32 always.
        clip: largest gradient norm; None leaves gradients alone.
        workers: processes that load images; 0 loads them in this one.
        compiled: train with the network compiled by `torch.compile`.
        team: the processes that train together.
        shares: of a step, for each process and part; gradients of the parts are added up.
    """

    device: torch.device
    half: torch.dtype | None = None
    clip: float | None = None
    workers: int = 0
    compiled: bool = False
    team: Team = field(default_factory=Team)
    shares: Shares = field(default_factory=Shares)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The context that the network's forward pass runs in."""
        if self.half is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.half)

    def scaler(self) -> GradScaler:
        """Keeps float16's gradients from vanishing; does nothing for other types."""
        return GradScaler(self.device.type, enabled=self.half is torch.float16)

    def batches(self, samples: Samples, keys: Iterable[list[Key]]) -> Iterator[Sample]:
        """Batches of samples in the order of `keys`."""
        return loader(samples, keys, self.workers, pin=self.device.type == "cuda")

    def move(self, batch: Sample) -> Sample:
        """The batch on the device, its images normalised and channels-last."""
        moved = {name: t.to(self.device, non_blocking=True) for name, t in batch.items()}
        image = moved["image"]
        if image.dtype == torch.uint8:  # a quarter of the bytes to load and to transfer
            image = batch_to_input(image)
        moved["image"] = image.contiguous(memory_format=torch.channels_last)
        return moved

    def stepping(self, model: nn.Module) -> nn.Module:
        """The model as it is trained: compiled, and with the team's gradients, as the case is."""
        return self.team.wrap(torch.compile(model) if self.compiled else model)  # type: ignore[arg-type]


class Report(Protocol):
    """What the loop tells its caller, who may print it."""

    def start(self, step: int) -> None:
        """The run begins, or goes on, at `step`."""

    def step(self, step: int, loss: float) -> None:
        """`step` steps are done; mean loss of the epoch so far."""

    def epoch(self, row: dict[str, Any]) -> None:
        """An epoch is done; `row` went into the history."""


def float32(outputs: Any) -> Any:
    """The same nest of tuples, lists and dicts with its floating tensors in float32."""
    if isinstance(outputs, Tensor):
        return outputs.float() if outputs.is_floating_point() else outputs
    if isinstance(outputs, dict):
        return {name: float32(value) for name, value in outputs.items()}
    return type(outputs)(float32(value) for value in outputs)


def train_step(
    model: nn.Module,
    loss: Loss,
    parts: list[Sample],
    optimizer: Optimizer,
    compute: Compute,
    scaler: GradScaler,
) -> float:
    """One update of the weights.

    Args:
        model: maps batch["image"] to outputs; from `compute.stepping`.
        loss: of outputs and batch.
        parts: this process's share of the batch, (B, ...) tensors on the CPU, one after another
            through the network.
        scaler: from `compute.scaler`.

    Returns:
        the whole batch's loss; where it is not finite, the weights are as before.
    """
    optimizer.zero_grad(set_to_none=True)
    team = compute.team
    moved = [compute.move(part) for part in parts]
    targets, counts = zip(*(loss.prepare(part) for part in moved), strict=True)
    whole = team.total(torch.stack(counts).sum(0))
    total = 0.0
    for number, part in enumerate(moved):
        with team.exchange(model, number, len(moved)):
            with compute.autocast():
                outputs = model(part["image"])
            share = loss.share(float32(outputs), targets[number], whole)
            scaler.scale(share * team.world).backward()  # the team's gradients are averaged
        total += float(share.detach())
    total = float(team.total(torch.tensor(total, dtype=torch.float64)))
    if math.isfinite(total):
        scaler.unscale_(optimizer)
        if compute.clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), compute.clip)
        scaler.step(optimizer)
        scaler.update()
    return total


@dataclass
class Trainer:
    """What stays the same over a run's epochs; see `fit`."""

    model: nn.Module
    loss: Loss
    optimizer: Optimizer
    scaler: GradScaler
    schedule: Poly
    compute: Compute
    seed: int
    checkpoint: Checkpoint
    report: Report
    interrupts: Interrupts

    def save(self, progress: Progress) -> None:
        """Keep the state as it is."""
        self.checkpoint.save(self.model, self.optimizer, progress, self.scaler)


def train_one_epoch(
    run: Trainer,
    stepping: nn.Module,
    batches: Iterator[Sample],
    progress: Progress,
    first: int,
    until: int,
) -> float:
    """Take the steps progress.step .. until-1, following each in `progress`.

    Args:
        stepping: the model, from `compute.stepping`.
        batches: yields the parts of step progress.step first.
        first: the epoch's first step; before progress.step where the epoch is resumed.
        until: the step after its last.

    Returns:
        mean loss of the epoch's steps.

    Raises:
        WsssError: the loss is not a finite number any more.
    """
    stepping.train()
    with run.interrupts.held(run.compute.team.world > 1):
        while progress.step < until:
            parts = _next_parts(run, batches)
            with run.interrupts.whole():
                seed_step(run.seed, progress.step)
                run.schedule.apply(run.optimizer, progress.step)
                with (
                    memory_errors(),
                    compile_errors(run.compute.compiled),
                    run.compute.team.connected(),
                ):
                    loss = train_step(
                        stepping, run.loss, parts, run.optimizer, run.compute, run.scaler
                    )
                check_finite(math.isfinite(loss), f"the loss is {loss} at step {progress.step}")
                progress.loss_sum += loss
                progress.step += 1
            run.report.step(progress.step, progress.loss_sum / (progress.step - first))
            if run.checkpoint.due():
                run.save(progress)
        _go_on_together(run)
    weights = run.model.state_dict().values()
    finite = all(bool(t.isfinite().all()) for t in weights if t.is_floating_point())
    check_finite(finite, f"weights are not finite at step {progress.step}")
    return progress.loss_sum / (until - first)


def _next_parts(run: Trainer, batches: Iterator[Sample]) -> list[Sample]:
    """This process's share of the next step, once it is clear that the whole team goes on.

    Raises:
        KeyboardInterrupt: a process of the team was interrupted.
        WsssError: one could not load its share.
    """
    parts, error = [], None
    try:
        parts = [next(batches) for _ in range(run.compute.shares.parts)]
    except WsssError as err:
        error = err
        run.compute.team.claim(FAILED)
    _go_on_together(run, error)
    return parts


def _go_on_together(run: Trainer, error: WsssError | None = None) -> None:
    """Raise `error`, or what stops another process of the team."""
    interrupted, failed = run.compute.team.count(run.interrupts.pending, error is not None)
    if error is not None:
        raise error
    if failed:
        raise LeftAlone
    if interrupted:
        raise KeyboardInterrupt


def fit(
    model: nn.Module,
    loss: Loss,
    batches_from: Callable[[int], Iterator[Sample]],
    optimizer: Optimizer,
    *,
    schedule: Poly,
    epochs: int,
    compute: Compute,
    seed: int,
    checkpoint: Checkpoint,
    report: Report,
    measure: Measure | None = None,
    start: Callable[[nn.Module], None] | None = None,
) -> list[dict[str, Any]]:
    """Train from wherever the checkpoint left off to the end.

    Args:
        model: on compute.device already, in channels-last format.
        loss: of outputs and batch.
        batches_from: the batches of the run from a given step on, as many a step as
            `compute.shares` has parts.
        optimizer: over the model's parameters, at its base rates.
        schedule: its total is a multiple of `epochs`.
        epochs: rounds through the data; 0 leaves what `start` makes.
        seed: of everything random inside a step.
        checkpoint: entered, so that no other process trains the same.
        report: hears of each step and epoch.
        measure: figures to add to an epoch's history, from the model after it and its number.
        start: first touches to the fresh model, before the first step of all; what it made is
            measured as epoch 0.

    Returns:
        the history: for each epoch, its number, mean loss and `measure`'s figures; where there
            is a `start`, a row without a loss for it.

    Raises:
        WsssError: the loss is not finite; or the checkpoint is another run's or cannot be kept.
        KeyboardInterrupt: interrupted; the state up to the last whole step is kept.
    """
    per_epoch = schedule.total // max(1, epochs)
    scaler = compute.scaler()
    with Interrupts() as interrupts:
        run = Trainer(
            model, loss, optimizer, scaler, schedule, compute, seed, checkpoint, report, interrupts
        )
        progress = checkpoint.restore(model, optimizer, scaler)
        try:
            report.start(progress.step)
            if start is not None and not progress.history:
                start(model)
                _end_epoch(run, progress, {"epoch": 0}, measure)
            stepping = compute.stepping(model)
            batches = iter(()) if progress.step == schedule.total else batches_from(progress.step)
            while (epoch := progress.epoch) < epochs:
                first = epoch * per_epoch
                mean = train_one_epoch(run, stepping, batches, progress, first, first + per_epoch)
                run.save(progress)
                _end_epoch(run, progress, {"epoch": epoch + 1, "loss": mean}, measure)
            run.save(progress)
        except KeyboardInterrupt:
            if not interrupts.torn:
                with interrupts.held(compute.team.world > 1):
                    run.save(progress)
            raise
    return progress.history


def _end_epoch(
    run: Trainer, progress: Progress, row: dict[str, Any], measure: Measure | None
) -> None:
    """Write an epoch, with what is measured after it, into the history."""
    if measure is not None:
        row |= measure(run.model, row["epoch"])
    with run.interrupts.whole():
        progress.history.append(row)
        progress.loss_sum = 0.0
    run.report.epoch(row)


def predictions(
    model: nn.Module, batches: Iterable[Sample], compute: Compute
) -> Iterator[tuple[Any, Sample]]:
    """The model's float32 outputs for each batch, in eval mode; the batch comes back with them."""
    model.eval()
    for batch in batches:
        part = compute.move(batch)
        with memory_errors(), torch.inference_mode(), compute.autocast():
            outputs = model(part["image"])
        yield float32(outputs), part


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Turn a lack of memory, of the device or of the machine, into one clear line."""
    try:
        yield
    except (MemoryError, RuntimeError) as err:
        if isinstance(err, RuntimeError) and not NO_MEMORY.search(str(err)):
            raise
        raise WsssError(
            "not enough memory for a batch",
            "--accumulate 2 or more splits batches; a smaller --crop needs less too",
        ) from err


@contextlib.contextmanager
def compile_errors(compiled: bool) -> Iterator[None]:
    """Turn a network that cannot be compiled, or a machine that cannot, into one clear line."""
    if not compiled:
        yield
        return
    from torch._dynamo.exc import TorchDynamoException

    try:
        yield
    except TorchDynamoException as err:
        lines = [line for line in str(err).splitlines() if line and not line.startswith("backend=")]
        raise WsssError(
            f"the network cannot be compiled here ({lines[0] if lines else type(err).__name__})",
            "leave --compile out",
        ) from err


def check_finite(finite: bool, found: str) -> None:
    """Raise WsssError where training has gone astray, as `found` shows."""
    if not finite:
        raise WsssError(
            f"training went astray: {found}",
            "lower --lr (a tenth, say), or give --clip-grad 10; what was saved before is kept",
        )
