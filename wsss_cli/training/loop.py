"""One plain training loop for all networks.

What differs is passed in: the loss, the batches, and what to measure after an epoch. The state of
a run is its weights, its optimizer and `Progress`; everything random in a step follows from
(seed, step), so a run stopped anywhere and taken up again ends in the same weights.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..core.images import batch_to_input
from ..errors import WsssError
from .checkpoint import Checkpoint, Progress
from .data import Key, Sample, Samples, loader, seed_step
from .interrupt import Interrupts
from .schedule import Poly

NO_MEMORY = re.compile("out of memory|not enough memory|can't allocate memory", re.IGNORECASE)
LossFn = Callable[[Any, Sample], Tensor]
Measure = Callable[[nn.Module, int], dict[str, Any]]


@dataclass(frozen=True)
class Compute:
    """Where and how to compute.

    Attributes:
        device: of model and batches.
        bf16: run the network in bfloat16 where autocast sees fit; losses are float32 always.
        accumulate: batches are split into this many parts, whose gradients are added up.
        clip: largest gradient norm; None leaves gradients alone.
        workers: processes that load images; 0 loads them in this one.
    """

    device: torch.device
    bf16: bool = False
    accumulate: int = 1
    clip: float | None = None
    workers: int = 0

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The context that the network's forward pass runs in."""
        if not self.bf16:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

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
    model: nn.Module, loss_fn: LossFn, batch: Sample, optimizer: Optimizer, compute: Compute
) -> float:
    """One update of the weights.

    Args:
        model: maps batch["image"] to outputs.
        loss_fn: maps float32 outputs and the batch to a scalar, a mean over the batch.
        batch: (B, ...) tensors on the CPU.

    Returns:
        the loss; where it is not finite, the weights are as before.
    """
    optimizer.zero_grad(set_to_none=True)
    count = len(batch["image"])
    size = math.ceil(count / compute.accumulate)
    total = 0.0
    for first in range(0, count, size):
        part = compute.move({name: t[first : first + size] for name, t in batch.items()})
        with compute.autocast():
            outputs = model(part["image"])
        loss = loss_fn(float32(outputs), part) * (len(part["image"]) / count)
        loss.backward()
        total += float(loss.detach())
    if math.isfinite(total):
        if compute.clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), compute.clip)
        optimizer.step()
    return total


@dataclass
class Trainer:
    """What stays the same over a run's epochs; see `fit`."""

    model: nn.Module
    loss_fn: LossFn
    optimizer: Optimizer
    schedule: Poly
    compute: Compute
    seed: int
    checkpoint: Checkpoint
    report: Report
    interrupts: Interrupts


def train_one_epoch(
    run: Trainer, batches: Iterator[Sample], progress: Progress, first: int, until: int
) -> float:
    """Take the steps progress.step .. until-1, following each in `progress`.

    Args:
        batches: yields the batch of step progress.step first.
        first: the epoch's first step; before progress.step where the epoch is resumed.
        until: the step after its last.

    Returns:
        mean loss of the epoch's steps.

    Raises:
        WsssError: the loss is not a finite number any more.
    """
    run.model.train()
    while progress.step < until:
        batch = next(batches)
        with run.interrupts.whole():
            seed_step(run.seed, progress.step)
            run.schedule.apply(run.optimizer, progress.step)
            with memory_errors():
                loss = train_step(run.model, run.loss_fn, batch, run.optimizer, run.compute)
            _check_finite(math.isfinite(loss), f"the loss is {loss} at step {progress.step}")
            progress.loss_sum += loss
            progress.step += 1
        run.report.step(progress.step, progress.loss_sum / (progress.step - first))
        if run.checkpoint.due():
            run.checkpoint.save(run.model, run.optimizer, progress)
    weights = run.model.state_dict().values()
    finite = all(bool(t.isfinite().all()) for t in weights if t.is_floating_point())
    _check_finite(finite, f"weights are not finite at step {progress.step}")
    return progress.loss_sum / (until - first)


def fit(
    model: nn.Module,
    loss_fn: LossFn,
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
    prepare: Callable[[int], None] | None = None,
) -> list[dict[str, Any]]:
    """Train from wherever the checkpoint left off to the end.

    Args:
        model: on compute.device already, in channels-last format.
        loss_fn: maps float32 outputs and a batch to a scalar.
        batches_from: the batches of the run from a given step on, one a step.
        optimizer: over the model's parameters, at its base rates.
        schedule: its total is a multiple of `epochs`.
        epochs: rounds through the data.
        seed: of everything random inside a step.
        checkpoint: entered, so that no other process trains the same.
        report: hears of each step and epoch.
        measure: figures to add to an epoch's history, from the model after it and its number.
        prepare: called with the number of each epoch, from 0, before its first step here.

    Returns:
        the history: for each epoch, its number, mean loss and `measure`'s figures.

    Raises:
        WsssError: the loss is not finite; or the checkpoint is another run's or cannot be kept.
        KeyboardInterrupt: interrupted; the state up to the last whole step is kept.
    """
    per_epoch = schedule.total // epochs
    with Interrupts() as interrupts:
        run = Trainer(
            model, loss_fn, optimizer, schedule, compute, seed, checkpoint, report, interrupts
        )
        progress = checkpoint.restore(model, optimizer)
        try:
            report.start(progress.step)
            batches = iter(()) if progress.step == schedule.total else batches_from(progress.step)
            while (epoch := len(progress.history)) < epochs:
                first = epoch * per_epoch
                if prepare is not None:
                    prepare(epoch)
                loss = train_one_epoch(run, batches, progress, first, first + per_epoch)
                checkpoint.save(model, optimizer, progress)
                figures = measure(model, epoch + 1) if measure else {}
                row = {"epoch": epoch + 1, "loss": loss, **figures}
                with interrupts.whole():
                    progress.history.append(row)
                    progress.loss_sum = 0.0
                report.epoch(row)
            checkpoint.save(model, optimizer, progress)
        except KeyboardInterrupt:
            if not interrupts.torn:
                checkpoint.save(model, optimizer, progress)
            raise
    return progress.history


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


def _check_finite(finite: bool, found: str) -> None:
    if not finite:
        raise WsssError(
            f"training went astray: {found}",
            "lower --lr (a tenth, say), or give --clip-grad 10; what was saved before is kept",
        )
