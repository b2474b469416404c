"""Where float32 is worth its price: small heads, whose outputs get exponentiated and compared."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def no_autocast(like: Tensor) -> AbstractContextManager[object]:
    """Context in which operations run in their inputs' own precision."""
    kind = like.device.type
    if not torch.amp.is_autocast_available(kind):  # asking to disable it there is an error
        return nullcontext()
    return torch.autocast(device_type=kind, enabled=False)


def full_precision(x: Tensor) -> Tensor:
    """The same values in at least float32.

    >>> full_precision(torch.ones(1, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
