"""What a training run is told: the numbers of its recipe."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UsageError


@dataclass(frozen=True)
class Recipe:
    """Everything about a run's optimisation that changes its numbers.

    Attributes:
        epochs: rounds through the data.
        batch_size: images per update of the weights.
        lr: rate of pretrained weights at step 0 (and of all others, where there is no head).
        head_multiplier: rate of new layers over that of pretrained ones.
        momentum: of SGD.
        weight_decay: of weights.
        warmup: steps over which the rate rises linearly to its base.
        head_epochs: first epochs in which pretrained weights stay as they are and only new
            layers learn: a linear probe, then fine-tuning (Kumar et al., ICLR 2022).
        accumulate: parts that a batch is split into, to fit in memory.
        clip_grad: largest gradient norm; None leaves gradients alone.
        seed: of everything random.
    """

    epochs: int
    batch_size: int
    lr: float
    head_multiplier: float
    momentum: float
    weight_decay: float
    warmup: int = 0
    head_epochs: int = 0
    accumulate: int = 1
    clip_grad: float | None = None
    seed: int = 0

    def check(self) -> None:
        """Raise UsageError for numbers that make no recipe."""
        rules = (
            ("--epochs", self.epochs >= 1, "at least 1"),
            ("--batch-size", self.batch_size >= 1, "at least 1"),
            ("--lr", self.lr > 0, "above 0"),
            ("--head-multiplier", self.head_multiplier > 0, "above 0"),
            ("--momentum", 0 <= self.momentum < 1, "0 or more, below 1"),
            ("--weight-decay", self.weight_decay >= 0, "at least 0"),
            ("--warmup", self.warmup >= 0, "at least 0"),
            ("--head-epochs", 0 <= self.head_epochs <= self.epochs, "0 to --epochs"),
            ("--accumulate", 1 <= self.accumulate <= self.batch_size, "1 to --batch-size"),
            ("--clip-grad", self.clip_grad is None or self.clip_grad > 0, "above 0"),
        )
        for option, holds, need in rules:
            if not holds:
                raise UsageError(f"{option}: must be {need}")
