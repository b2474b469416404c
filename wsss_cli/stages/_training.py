"""What the three training stages share beside their options: the run itself."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..console import log, track
from ..options import Precision, free_cores, resolve_device
from ..training.config import Recipe

if TYPE_CHECKING:
    from torch import nn

    from ..artifacts.provenance import Source
    from ..training.data import Load
    from ..training.loop import Compute, LossFn

FIGURES = {"val_map": "val mAP", "val_miou": "val mIoU", "val_pixel_accuracy": "pixel accuracy"}


@dataclass(frozen=True)
class Setting:
    """Options of a run that leave its numbers alone."""

    out: Path
    force: bool
    quiet: bool
    device: str
    workers: int | None
    checkpoint_every: float


@dataclass
class Job:
    """A training run, all but the machine it runs on.

    Attributes:
        name: of the command.
        kind: of the weights it makes.
        model: on the CPU, initialised.
        groups: of the optimiser.
        config: what the network is rebuilt from.
        classes: names.
        params: all options that change the numbers, beside the recipe's.
        inputs: artifacts that are read.
        ids: training images.
        load: makes the sample of an id.
        loss: of outputs and batch.
        recipe, precision: how it trains.
        measure: figures of the model after an epoch.
        val_every: epochs between two measurements; 0 for none.
        finish: last touches to the trained model.
    """

    name: str
    kind: str
    model: nn.Module
    groups: list[dict[str, Any]]
    config: dict[str, Any]
    classes: Sequence[str]
    params: Mapping[str, Any]
    inputs: Sequence[Source]
    ids: Sequence[str]
    load: Load
    loss: LossFn
    recipe: Recipe
    precision: Precision
    measure: Callable[[nn.Module, Compute], dict[str, float]] | None = None
    val_every: int = 1
    finish: Callable[[nn.Module, Compute], None] | None = None


def begin(setting: Setting, recipe: Recipe) -> None:
    """Refuse early what would fail late, and make initial weights a matter of the seed."""
    import torch

    from ..artifacts.writer import check_target

    recipe.check()
    resolve_device(setting.device)
    check_target(setting.out, setting.force)
    torch.manual_seed(recipe.seed)


def train(job: Job, setting: Setting) -> list[dict[str, Any]]:
    """Run a job to the end, from wherever an earlier attempt was stopped.

    Returns:
        the history, as it stands in the weights.
    """
    import torch

    from ..artifacts.weights import read_torch, save_weights, weights_run, write_torch
    from ..artifacts.writer import partial_path
    from ..training.checkpoint import Checkpoint
    from ..training.data import Plan, Samples
    from ..training.interrupt import Interrupts
    from ..training.loop import Compute, fit
    from ..training.schedule import Poly

    recipe = job.recipe
    device = resolve_device(setting.device)
    compute = Compute(
        device,
        bf16=job.precision is Precision.bf16,
        accumulate=recipe.accumulate,
        clip=recipe.clip_grad,
        workers=default_workers(device) if setting.workers is None else setting.workers,
    )
    _repeatable(device)
    params = {**job.params, **asdict(recipe), "precision": job.precision.value}
    identity: dict[str, Any] = {
        "kind": job.kind,
        "params": params,
        "seed": recipe.seed,
        "classes": job.classes,
        "inputs": job.inputs,
        "ids": job.ids,
    }
    plan = Plan(len(job.ids), recipe.batch_size, recipe.epochs, recipe.seed)
    samples = Samples(job.load, job.ids, recipe.seed)
    model = job.model.to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(job.groups, lr=recipe.lr, momentum=recipe.momentum)
    with (
        Checkpoint(
            partial_path(setting.out),
            weights_run(**identity),
            read_torch,
            write_torch,
            setting.checkpoint_every,
            restart=setting.force,
        ) as checkpoint,
        _Talk(job.name, plan.steps, plan.steps_per_epoch, recipe.epochs, setting) as talk,
    ):
        history = fit(
            model,
            job.loss,
            lambda start: compute.batches(samples, plan.batches(start)),
            optimizer,
            schedule=Poly(plan.steps, warmup=recipe.warmup),
            epochs=recipe.epochs,
            compute=compute,
            seed=recipe.seed,
            checkpoint=checkpoint,
            report=talk,
            measure=_measure_each(job, compute),
            prepare=partial(_free_pretrained, job.groups, recipe.head_epochs),
        )
        with Interrupts():  # SIGTERM, like Ctrl-C, stops with a word and no lock left
            if job.finish is not None:
                job.finish(model, compute)
            weights = {name: t.contiguous() for name, t in model.state_dict().items()}
            save_weights(
                setting.out, **identity, config=job.config, state_dict=weights, history=history
            )
            checkpoint.remove()
    log(
        f"{job.name}: {len(job.ids)} images, {recipe.epochs} epochs -> {setting.out}", setting.quiet
    )
    best = best_epoch(history)
    if best is not None and best["epoch"] != recipe.epochs:
        name = next(name for name in FIGURES if best.get(name) is not None)
        log(
            f"{job.name}: the last epoch's weights are kept; {FIGURES[name]} was highest, "
            f"{best[name]:.3f}, after epoch {best['epoch']}",
            setting.quiet,
        )
    return history


def best_epoch(history: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The row whose first validation figure is highest (of equals, the last); None without any."""
    for name in FIGURES:
        rows = [row for row in history if row.get(name) is not None]
        if rows:
            return max(rows, key=lambda row: (row[name], row["epoch"]))
    return None


def default_workers(device: Any) -> int:
    """Loading keeps up with a CPU's training from one process; a GPU needs more."""
    return 1 if device.type == "cpu" else min(8, free_cores())


def _free_pretrained(groups: Sequence[dict[str, Any]], head_epochs: int, epoch: int) -> None:
    """Hold the pretrained weights fast while only the head trains, and free them after that."""
    for group in groups:
        if group["name"].startswith("pretrained"):
            for parameter in group["params"]:
                parameter.requires_grad_(epoch >= head_epochs)


def _measure_each(job: Job, compute: Compute) -> Callable[[nn.Module, int], dict[str, Any]] | None:
    """`job.measure` at the epochs it is due, undefined figures as None."""
    measure = job.measure
    if measure is None or not job.val_every:
        return None

    def figures(model: nn.Module, epoch: int) -> dict[str, Any]:
        if epoch % job.val_every and epoch != job.recipe.epochs:
            return {}
        found = measure(model, compute)
        return {name: None if math.isnan(value) else value for name, value in found.items()}

    return figures


def _repeatable(device: Any) -> None:
    """Have CUDA choose kernels that give the same sums each time."""
    import torch

    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)


class _Talk:
    """Tells the user how training goes: a bar over the steps, a line for each epoch."""

    def __init__(
        self, name: str, steps: int, per_epoch: int, epochs: int, setting: Setting
    ) -> None:
        self._name, self._steps, self._per_epoch, self._epochs = name, steps, per_epoch, epochs
        self._out, self._quiet = setting.out, setting.quiet
        self._bar: Iterator[int] = iter(())
        self._since = time.monotonic()

    def __enter__(self) -> _Talk:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        close = getattr(self._bar, "close", None)
        if close is not None:
            close()
        if kind is KeyboardInterrupt:
            log(
                f"{self._name}: interrupted; the same command goes on from {self._out}.partial",
                self._quiet,
            )

    def start(self, step: int) -> None:
        if step:
            epoch = min(step // self._per_epoch + 1, self._epochs)
            log(f"{self._name}: going on at step {step}/{self._steps}, epoch {epoch}", self._quiet)
        self._bar = track(itertools.count(), self._name, self._steps, step, self._quiet)
        next(self._bar)
        self._since = time.monotonic()

    def step(self, step: int, loss: float) -> None:
        next(self._bar)

    def epoch(self, row: dict[str, Any]) -> None:
        now = time.monotonic()
        figures = "".join(
            f", {text} {'undefined' if row[name] is None else format(row[name], '.3f')}"
            for name, text in FIGURES.items()
            if name in row
        )
        log(
            f"{self._name}: epoch {row['epoch']}/{self._epochs}: loss {row['loss']:.4f}{figures} "
            f"({now - self._since:.0f} s)",
            self._quiet,
        )
        self._since = now
