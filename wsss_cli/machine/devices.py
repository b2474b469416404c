"""What --device and --precision mean on this machine."""

from __future__ import annotations

import enum
import functools
from typing import TYPE_CHECKING, TypeVar

from ..console import warn
from ..errors import UsageError
from .cores import free_cores
from .heap import keep_heap

if TYPE_CHECKING:
    import torch


class Precision(str, enum.Enum):
    """Arithmetic of the network's convolutions; everything else stays in float32."""

    f32 = "f32"
    bf16 = "bf16"
    auto = "auto"


class TrainPrecision(str, enum.Enum):
    """The same for training, where float16 needs scaled gradients."""

    f32 = "f32"
    bf16 = "bf16"
    fp16 = "fp16"
    auto = "auto"


AnyPrecision = TypeVar("AnyPrecision", Precision, TrainPrecision)


def resolve_device(name: str) -> torch.device:
    """The torch device of a --device option, made ready; `auto` takes a GPU where there is one.

    On CUDA float32 is float32 from here on, whatever the precision of the network: see
    `forbid_tf32`. A numbered GPU is the current one, or threads that pin memory and whatever else
    asks for the current one would take memory of GPU 0 too. Torch sees the cores that a process is
    bound to, and not a container's quota: its threads are held to that here. On a CPU, freed memory
    is kept: see `keep_heap`.

    Raises:
        UsageError: no such device here.
    """
    import torch

    from .precision import forbid_tf32

    device = _device(name)
    if device.type == "cuda":
        forbid_tf32()
        if device.index is not None:
            torch.cuda.set_device(device)
    if device.type == "cpu":
        keep_heap()
    if torch.get_num_threads() > free_cores():
        torch.set_num_threads(free_cores())
    return device


def _device(name: str) -> torch.device:
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"--device {name}: unknown", "auto, cpu, cuda, cuda:N or mps") from None
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }.get(device.type, False)
    if not available:
        raise UsageError(f"--device {name}: not available here", "--device auto takes what is")
    return device


def resolve_precision(precision: AnyPrecision, device: torch.device) -> AnyPrecision:
    """The precision of a --precision option; `auto` is what the device does well.

    Warns once where bf16 is emulated.

    Raises:
        UsageError: not on this device.
    """
    from .precision import emulates_bf16, suited_precision

    if precision.value == "auto":
        return type(precision)(suited_precision(device))
    if precision.value == "fp16" and device.type != "cuda":
        raise UsageError("--precision fp16: needs a CUDA device", "bf16, f32 and auto do without")
    if precision.value == "bf16" and emulates_bf16(device):
        _warn_once(
            f"--precision bf16: this {'processor' if device.type == 'cpu' else 'GPU'} has no "
            "instructions for bfloat16 and emulates it, many times slower than f32 "
            "(auto takes f32 here)"
        )
    return precision


@functools.cache
def _warn_once(message: str) -> None:
    warn(message)
