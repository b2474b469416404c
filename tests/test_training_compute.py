"""Where and how networks compute: what moves, in which type, and what a lack of memory says."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from wsss_cli.core.images import IMAGENET_MEAN, IMAGENET_STD
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.options.training import Recipe, Setting
from wsss_cli.training import compute as module
from wsss_cli.training.compute import (
    Compute,
    default_workers,
    float32,
    memory_errors,
    predictions,
    set_up,
)
from wsss_cli.training.data import Plan, Samples, in_order
from wsss_cli.training.team import Team

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=3, batch_size=2, lr=0.5)
SETTING = Setting(device="cpu", workers=0, quiet=True, seed=5)


def test_images_are_normalised_on_the_device_and_the_rest_moves() -> None:
    pixels = torch.zeros(2, 3, 4, 5, dtype=torch.uint8)
    pixels[:, 1] = 51  # a fifth
    labels = torch.arange(2)
    moved = Compute(CPU).move({"image": pixels, "label": labels})
    assert moved.keys() == {"image", "label"}
    image = moved["image"]
    assert image.dtype == torch.float32
    assert image.is_contiguous(memory_format=torch.channels_last)
    for channel, value in enumerate((0.0, 0.2, 0.0)):
        expected = (value - IMAGENET_MEAN[channel]) / IMAGENET_STD[channel]
        assert image[:, channel].unique().tolist() == pytest.approx([expected])
    assert torch.equal(moved["label"], labels)
    ready = torch.randn(2, 3, 4, 5)
    found = Compute(CPU).move({"image": ready})["image"]
    assert torch.equal(found, ready)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_floats_of_any_nest_are_float32() -> None:
    half, whole = torch.ones(2, dtype=torch.bfloat16), torch.arange(2)
    found = float32({"a": (half, [whole]), "b": half.double()})
    assert found["a"][0].dtype == found["b"].dtype == torch.float32
    assert found["a"][1][0] is whole
    assert type(found["a"]) is tuple
    assert type(found["a"][1]) is list
    assert torch.equal(found["a"][0], torch.ones(2))


@pytest.mark.parametrize(
    ("half", "scales"), [(None, False), (torch.bfloat16, False), (torch.float16, True)]
)
def test_the_network_alone_runs_in_half_precision(half: torch.dtype | None, scales: bool) -> None:
    compute = Compute(CPU, half)
    assert compute.scaler().is_enabled() is scales
    x = torch.ones(2, 2)
    with compute.autocast():
        assert (x @ x).dtype == (half or torch.float32)
    assert (x @ x).dtype == torch.float32


def load(image_id: str, rng: np.random.Generator) -> dict[str, Tensor]:
    return {"image": torch.full((3, 2, 2), float(image_id))}


class Spy(nn.Module):
    """The mean of an image, in the type that the network runs in, and what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.line.weight, 2.0)
        self.seen: list[tuple[Any, ...]] = []

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        found = self.line(x.mean((1, 2, 3))[:, None])
        self.seen.append((self.training, torch.is_inference_mode_enabled(), found.dtype))
        return found, torch.arange(len(x))


@pytest.mark.parametrize("half", [None, torch.bfloat16])
def test_predictions_come_in_order_from_eval_mode_in_float32(half: torch.dtype | None) -> None:
    compute, model = Compute(CPU, half), Spy().train()
    samples = Samples(load, [str(n) for n in range(5)])
    batches = compute.batches(samples, in_order(5, 2))
    found = list(predictions(model, batches, compute))
    assert [out[0].flatten().tolist() for out, _ in found] == [[0, 2], [4, 6], [8]]
    assert [part["image"][:, 0, 0, 0].tolist() for _, part in found] == [[0, 1], [2, 3], [4]]
    assert {out[0].dtype for out, _ in found} == {torch.float32}
    assert model.seen == [(False, True, half or torch.float32)] * 3


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        torch.cuda.OutOfMemoryError("Out Of Memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("not enough memory: you tried to allocate"),
    ],
    ids=lambda error: str(error)[:12],
)
def test_a_lack_of_memory_is_one_line(error: Exception) -> None:
    with (
        pytest.raises(WsssError, match="not enough memory for a batch") as caught,
        memory_errors(),
    ):
        raise error
    assert "--accumulate" in (caught.value.hint or "")
    assert "--crop" in (caught.value.hint or "")
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes do not match"), ValueError("out of memory")]
)
def test_any_other_error_stays_itself(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, memory_errors():
        raise error
    assert caught.value is error


def test_a_network_is_compiled_where_asked_and_drops_as_it_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, told = nn.Linear(1, 1), []

    def compiled(given: nn.Module, **options: Any) -> nn.Module:
        told.append((given, options))
        return nn.Sequential(given)

    monkeypatch.setattr(torch, "compile", compiled)
    assert Compute(CPU).stepping(model) is model
    assert told == []
    found = Compute(CPU, compiled=True).stepping(model)
    assert isinstance(found, nn.Sequential)
    assert told == [(model, {"options": {"fallback_random": True}})]


def compute(count: int, batch: int, accumulate: int, world: int, **setting: Any) -> Compute:
    recipe = dataclasses.replace(RECIPE, batch_size=batch, accumulate=accumulate, clip_grad=0.5)
    plan = Plan(count, batch, 1, 0)
    team = Team(CPU, world - 1, world)
    return set_up(plan, recipe, dataclasses.replace(SETTING, **setting), team, "bf16")


def test_a_steps_images_go_to_parts_and_processes() -> None:
    found = compute(count=50, batch=8, accumulate=3, world=2)
    shares = found.shares
    assert (shares.images, shares.parts, shares.world, shares.rank) == (8, 3, 2, 1)
    assert (found.half, found.clip, found.workers) == (torch.bfloat16, 0.5, 0)
    assert compute(50, 8, 8, 2).shares.parts == 4  # an image for each process in each part
    assert compute(3, 8, 1, 2).shares.images == 3  # a small data set
    assert compute(50, 8, 1, 1, workers=None).workers == 1
    with pytest.raises(UsageError, match="3 processes: a step takes 2 images") as caught:
        compute(2, 8, 1, 3)
    assert "--nproc-per-node" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("kind", "processes", "cores", "expected"),
    [
        ("cpu", 1, 64, 1),
        ("cuda", 1, 64, 8),
        ("cuda", 1, 6, 6),
        ("cuda", 4, 6, 1),
        ("cuda", 8, 4, 1),
        ("cuda", 2, 8, 4),
    ],
)
def test_a_gpu_is_loaded_for_by_more_processes(
    kind: str, processes: int, cores: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "free_cores", lambda: cores)
    assert default_workers(torch.device(kind), processes) == expected
