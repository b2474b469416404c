"""Where float32 is worth its price: small heads, whose outputs get exponentiated and compared."""

from __future__ import annotations

import torch
from torch import Tensor


def no_autocast(like: Tensor) -> torch.autocast:
    """Context in which operations run in their inputs' own precision."""
    return torch.autocast(device_type=like.device.type, enabled=False)


def full_precision(x: Tensor) -> Tensor:
    """The same values in at least float32.

    >>> full_precision(torch.ones(1, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
