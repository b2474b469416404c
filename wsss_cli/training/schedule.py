"""Learning rates over the steps of a run."""

from __future__ import annotations

from dataclasses import dataclass

from torch.optim import Optimizer

POWER = 0.9  # of the poly schedule, in every recipe that this project follows


@dataclass(frozen=True)
class Schedule:
    """What a step multiplies the base rates by: all of it but for an optional linear warm-up.

    Attributes:
        total: steps of the whole run.
        warmup: the first `warmup` steps are scaled by (t + 1) / (warmup + 1).
    """

    total: int
    warmup: int = 0

    def decay(self, step: int) -> float:
        """The factor of step `step` without the warm-up."""
        return 1.0

    def factor(self, step: int) -> float:
        """What step `step` (0 .. total-1) multiplies the base rates by."""
        return self.decay(step) * min(1.0, (step + 1) / (self.warmup + 1))

    def apply(self, optimizer: Optimizer, step: int) -> None:
        """Set each group's rate for `step`; from `total` on, rates stay as they are."""
        for group in optimizer.param_groups:
            base = group.setdefault("initial_lr", group["lr"])
            if step < self.total:
                group["lr"] = base * self.factor(step)


@dataclass(frozen=True)
class Poly(Schedule):
    """lr(t) = lr(0) * (1 - t / total) ** power.

    Source: the poly policy of DeepLab (Chen et al., PAMI 2018), step counted from 0 and the
    rate set before the step is taken.

    >>> round(Poly(total=100).factor(50), 4)
    0.5359
    """

    power: float = POWER

    def decay(self, step: int) -> float:
        return (1 - step / self.total) ** self.power


@dataclass(frozen=True)
class Drop(Schedule):
    """lr(t) = lr(0), and a tenth of it in the last third of the run.

    Source: OAA (Jiang et al., ICCV 2019), published code: 10 of 15 epochs at the full rate.

    >>> [Drop(total=15).factor(step) for step in (0, 9, 10, 14)]
    [1.0, 1.0, 0.1, 0.1]
    """

    def decay(self, step: int) -> float:
        return 1.0 if 3 * step < 2 * self.total else 0.1


@dataclass(frozen=True)
class Stairs(Schedule):
    """lr(t) = lr(0) * ratio ** k in the k-th of `parts` equal parts of the run, k from 0.

    Source: SEC (Kolesnikov and Lampert, ECCV 2016): a tenth every 2,000 of 8,000 steps.

    >>> [Stairs(total=8, parts=4, ratio=0.5).factor(step) for step in (0, 1, 2, 7)]
    [1.0, 1.0, 0.5, 0.125]
    """

    parts: int = 4
    ratio: float = 0.1

    def decay(self, step: int) -> float:
        return self.ratio ** (step * self.parts // self.total)


@dataclass(frozen=True)
class Restart(Schedule):
    """Two phases, in each of which the rate falls from its start to 0 by the poly rule.

    Attributes:
        until: the share of the run that is the first phase.
        first: what the base rates are multiplied by in the first phase.
        flat: all groups' rate at the start of the second phase, in place of their own; None for
            their own.

    Source: RRM (Zhang et al., AAAI 2020), published code: half of the run at rates from 0.01 on,
    then all groups at 0.0007.

    >>> [round(Restart(total=8, until=0.5, first=10).factor(step), 2) for step in (0, 2, 4, 6)]
    [10.0, 5.36, 1.0, 0.54]
    """

    until: float = 0.5
    first: float = 1.0
    flat: float | None = None

    @property
    def turn(self) -> int:
        """The first step of the second phase."""
        return round(self.until * self.total)

    def decay(self, step: int) -> float:
        if step < self.turn:
            return self.first * (1 - step / self.turn) ** POWER
        return (1 - (step - self.turn) / (self.total - self.turn)) ** POWER

    def apply(self, optimizer: Optimizer, step: int) -> None:
        super().apply(optimizer, step)
        if self.flat is not None and self.turn <= step < self.total:
            for group in optimizer.param_groups:
                group["lr"] = self.flat * self.factor(step)
