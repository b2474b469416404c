"""Where a network computes, and in what arithmetic."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Place:
    """Where a network computes, and in what arithmetic.

    Attributes:
        device: of the network and what it is given.
        half: what the network runs in where autocast sees fit, bfloat16 or float16; None for
            float32 throughout.
    """

    device: torch.device
    half: torch.dtype | None = None

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The context that the network's forward pass runs in."""
        if self.half is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.half)

    def record(self) -> dict[str, str]:
        """For the artifact: what changes the numbers."""
        names = {None: "f32", torch.bfloat16: "bf16", torch.float16: "fp16"}
        return {"precision": names[self.half]}
