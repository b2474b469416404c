"""Learning rates over the steps of a run."""

from __future__ import annotations

from dataclasses import dataclass

from torch.optim import Optimizer

POWER = 0.9  # of the poly schedule, in every recipe that this project follows


@dataclass(frozen=True)
class Poly:
    """lr(t) = lr(0) * (1 - t / total) ** power, with an optional linear warm-up.

    Attributes:
        total: steps of the whole run.
        power: exponent.
        warmup: the first `warmup` steps are further scaled by (t + 1) / (warmup + 1).

    Source: the poly policy of DeepLab (Chen et al., PAMI 2018), step counted from 0 and the
    rate set before the step is taken.
    """

    total: int
    power: float = POWER
    warmup: int = 0

    def factor(self, step: int) -> float:
        """What step `step` (0 .. total-1) multiplies the base rates by.

        >>> round(Poly(total=100).factor(50), 4)
        0.5359
        """
        rate = (1 - step / self.total) ** self.power
        return rate * min(1.0, (step + 1) / (self.warmup + 1))

    def apply(self, optimizer: Optimizer, step: int) -> None:
        """Set each group's rate for `step`; from `total` on, rates stay as they are."""
        for group in optimizer.param_groups:
            base = group.setdefault("initial_lr", group["lr"])
            if step < self.total:
                group["lr"] = base * self.factor(step)
