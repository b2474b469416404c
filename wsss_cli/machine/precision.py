"""Which arithmetic where: half precision for convolutions on devices that are built for it, and
float32 where it is worth its price: small heads, whose outputs get exponentiated and compared."""

from __future__ import annotations

import re
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from torch import Tensor

CPU_FLAGS = re.compile(r"\b(avx512_bf16|amx_bf16)\b")  # of Linux, for products of bfloat16


def autocast_type(precision: str) -> torch.dtype | None:
    """What autocast computes in; None for float32 throughout.

    Args:
        precision: f32, bf16 or fp16.
    """
    return {"f32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def suited_precision(device: torch.device) -> str:
    """bf16 where the device multiplies bfloat16 natively, else f32."""
    if device.type == "cuda":
        # is_bf16_supported counts emulation in, and cannot be told not to in every PyTorch
        ampere = torch.cuda.get_device_capability(device) >= (8, 0)
        native = ampere or torch.version.hip is not None
    elif device.type == "cpu":
        native = _cpu_multiplies_bf16() is True
    else:
        native = False
    return "bf16" if native else "f32"


def emulates_bf16(device: torch.device) -> bool:
    """Whether the device is known to have no instructions for products of bfloat16."""
    if device.type == "cuda":
        return suited_precision(device) != "bf16"
    return device.type == "cpu" and _cpu_multiplies_bf16() is False


def forbid_tf32() -> None:
    """Have CUDA multiply float32 with all 23 bits of its fraction, not with TF32's ten.

    Convolutions use TF32 unless told otherwise, matrix products where the environment says so, as
    NVIDIA's containers do.
    """
    # PyTorch 2.9 and some later ones warn of these names. 2.4 does not have the names that they
    # ask for, and once those are set, reading these is an error, also where torch.compile does.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False


def _cpu_multiplies_bf16(description: Path = Path("/proc/cpuinfo")) -> bool | None:
    """None where it cannot be told: not Linux, or another family of processors."""
    try:
        text = description.read_text()
    except OSError:
        return None
    if CPU_FLAGS.search(text):
        return True
    return False if re.search(r"^flags\b", text, re.MULTILINE) else None


def no_autocast(like: Tensor) -> AbstractContextManager[object]:
    """Context in which operations run in their inputs' own precision."""
    kind = like.device.type
    if not torch.amp.is_autocast_available(kind):  # asking to disable it there is an error
        return nullcontext()
    return torch.autocast(device_type=kind, enabled=False)


def autocast_to(like: Tensor) -> torch.dtype | None:
    """What autocast computes in around the caller; None where it is off."""
    kind = like.device.type
    if not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
        return None
    return torch.get_autocast_dtype(kind)


def full_precision(x: Tensor) -> Tensor:
    """The same values in at least float32.

    >>> full_precision(torch.ones(1, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
