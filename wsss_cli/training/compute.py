"""Where and how networks compute in training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler

from ..core.images import batch_to_input
from ..errors import UsageError, WsssError, short_of_memory
from ..machine.cores import free_cores
from ..machine.place import Place
from ..machine.precision import autocast_type
from ..options.training import Recipe, Setting
from .data import Key, Plan, Sample, Samples, loader
from .shares import Shares
from .team import Team


@dataclass(frozen=True)
class Compute(Place):
    """Where and how to compute; losses are float32 always.

    Attributes:
        device, half: see `Place`.
        clip: largest gradient norm; None leaves gradients alone.
        workers: processes that load images; 0 loads them in this one.
        compiled: train with the network compiled by `torch.compile`.
        team: the processes that train together.
        shares: of a step, for each process and part; gradients of the parts are added up.
    """

    clip: float | None = None
    workers: int = 0
    compiled: bool = False
    team: Team = field(default_factory=Team)
    shares: Shares = field(default_factory=Shares)

    def scaler(self) -> GradScaler:
        """Keeps float16's gradients from vanishing; does nothing for other types."""
        return GradScaler(self.device.type, enabled=self.half is torch.float16)

    def batches(self, samples: Samples, keys: Iterable[list[Key]]) -> Iterator[Sample]:
        """Batches of samples in the order of `keys`."""
        return loader(samples, keys, self.workers, pin=self.device.type == "cuda")

    def move(self, batch: Sample) -> Sample:
        """The batch on the device, its images normalised and channels-last.

        On CUDA its transfer comes after the work that is queued already.
        """
        moved = {name: t.to(self.device, non_blocking=True) for name, t in batch.items()}
        image = moved["image"]
        if image.dtype == torch.uint8:  # a quarter of the bytes to load and to transfer
            image = batch_to_input(image)
        moved["image"] = image.contiguous(memory_format=torch.channels_last)
        return moved

    def stepping(self, model: nn.Module) -> nn.Module:
        """The model as it is trained: compiled, and with the team's gradients, as the case is.

        Compiled, it drops what it would drop otherwise: the compiler's own random numbers differ.
        """
        if self.compiled:
            model = torch.compile(model, options={"fallback_random": True})  # type: ignore[assignment]
        return self.team.wrap(model)


def float32(outputs: Any) -> Any:
    """The same nest of tuples, lists and dicts with its floating tensors in float32."""
    if isinstance(outputs, Tensor):
        return outputs.float() if outputs.is_floating_point() else outputs
    if isinstance(outputs, dict):
        return {name: float32(value) for name, value in outputs.items()}
    return type(outputs)(float32(value) for value in outputs)


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
        if not short_of_memory(err):
            raise
        raise WsssError(
            "not enough memory for a batch",
            "--accumulate 2 or more splits batches; a smaller --crop needs less too",
        ) from err


def set_up(plan: Plan, recipe: Recipe, setting: Setting, team: Team, precision: str) -> Compute:
    """Where and how a run of training computes.

    Raises:
        UsageError: more processes than images in a step.
    """
    from .assemble import local_processes

    images = min(plan.count, plan.batch_size)
    if images < team.world:
        raise UsageError(
            f"{team.world} processes: a step takes {images} images, at least one for each is "
            "needed",
            "start fewer with torchrun --nproc-per-node, or raise --batch-size",
        )
    workers = setting.workers
    return Compute(
        team.device,
        half=autocast_type(precision),
        clip=recipe.clip_grad,
        workers=default_workers(team.device, local_processes()) if workers is None else workers,
        compiled=setting.compiled,
        team=team,
        shares=Shares(images, min(recipe.accumulate, images // team.world), team.world, team.rank),
    )


def default_workers(device: Any, processes: int = 1) -> int:
    """Loading keeps up with a CPU's training from one process; a GPU needs more."""
    return 1 if device.type == "cpu" else max(1, min(8, free_cores() // processes))
