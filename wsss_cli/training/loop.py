"""One plain training loop for all networks, in one process or in a team of them.

What differs is passed in: the loss, the batches, and what to measure after an epoch. The state of
a run is its weights, its optimizer and `Progress`; everything random in a step follows from
(seed, step), so a run stopped anywhere and taken up again, by however many processes, ends in the
same weights.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn
from torch.amp import GradScaler
from torch.optim import Optimizer

from ..errors import WsssError
from ..machine import ending
from .checkpoint import Checkpoint, Progress
from .compute import Compute, float32, memory_errors
from .data import Sample, seed_step
from .interrupt import SAVING, Interrupts
from .losses import Loss
from .schedule import Schedule
from .team import FAILED, LeftAlone

Measure = Callable[[nn.Module, int], dict[str, Any]]


class Report(Protocol):
    """What the loop tells its caller, who may print it."""

    def start(self, step: int) -> None:
        """The run begins, or goes on, at `step`."""

    def step(self, step: int, loss: float) -> None:
        """`step` steps are done; mean loss of the epoch so far."""

    def epoch(self, row: dict[str, Any]) -> None:
        """An epoch is done; `row` went into the history."""


def train_step(
    model: nn.Module,
    loss: Loss,
    parts: list[Sample],
    optimizer: Optimizer,
    compute: Compute,
    scaler: GradScaler,
    change: Callable[[], None] = lambda: None,
) -> float:
    """One update of the weights.

    Args:
        model: maps batch["image"] to outputs; from `compute.stepping`.
        loss: of outputs and batch.
        parts: this process's share of the batch, (B, ...) tensors on the CPU, one after another
            through the network.
        scaler: from `compute.scaler`.
        change: called before the weights change; see `Interrupts.step`.

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
    change()
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
    schedule: Schedule
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
            with run.interrupts.step(run.model) as change:
                if run.checkpoint.extra:  # which the step itself changes
                    change()
                seed_step(run.seed, progress.step)
                run.schedule.apply(run.optimizer, progress.step)
                with (
                    memory_errors(),
                    compile_errors(run.compute.compiled),
                    run.compute.team.connected(),
                ):
                    loss = train_step(
                        stepping, run.loss, parts, run.optimizer, run.compute, run.scaler, change
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
        ending.stop()


def fit(
    model: nn.Module,
    loss: Loss,
    batches_from: Callable[[int], Iterator[Sample]],
    optimizer: Optimizer,
    *,
    schedule: Schedule,
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
                with interrupts.held(compute.team.world > 1), ending.patient(SAVING):
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
