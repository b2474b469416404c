"""What a training tells its user on the way."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..console import log, track

if TYPE_CHECKING:
    from .data import Plan
    from .job import Job

FIGURES = {"val_map": "val mAP", "val_miou": "val mIoU", "val_pixel_accuracy": "pixel accuracy"}


def best_epoch(history: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The row whose first validation figure is highest (of equals, the last); None without any."""
    for name in FIGURES:
        rows = [row for row in history if row.get(name) is not None]
        if rows:
            return max(rows, key=lambda row: (row[name], row["epoch"]))
    return None


class Talk:
    """Tells the user how training goes: a bar over the steps, a line for each epoch."""

    def __init__(self, job: Job, plan: Plan, quiet: bool) -> None:
        self._job, self._plan, self._quiet = job, plan, quiet
        self._bar: Iterator[int] = iter(())
        self._since = time.monotonic()

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        close = getattr(self._bar, "close", None)
        if close is not None:
            close()
        if kind is KeyboardInterrupt:
            self._say(f"interrupted; the same command goes on from {self._job.out}.partial")

    def start(self, step: int) -> None:
        plan = self._plan
        if step:
            epoch = min(step // plan.steps_per_epoch + 1, plan.epochs)
            self._say(f"going on at step {step}/{plan.steps}, epoch {epoch}")
        self._bar = track(itertools.count(), self._job.name, plan.steps, step, self._quiet)
        next(self._bar)
        self._since = time.monotonic()

    def step(self, step: int, loss: float) -> None:
        next(self._bar)

    def epoch(self, row: dict[str, Any]) -> None:
        now = time.monotonic()
        figures = "".join(
            f", {text} {'undefined' if row[name] is None else format(row[name], '.3f')}"
            for name, text in FIGURES.items()
            if name in row
        )
        loss = f": loss {row['loss']:.4f}{figures}" if "loss" in row else figures
        self._say(f"epoch {row['epoch']}/{self._plan.epochs}{loss} ({now - self._since:.0f} s)")
        self._since = now

    def end(self, history: Sequence[dict[str, Any]]) -> None:
        """What was done, and whether the last epoch was the best."""
        epochs = self._plan.epochs
        self._say(f"{len(self._job.ids)} images, {epochs} epochs -> {self._job.out}")
        best = best_epoch(history)
        if best is not None and best["epoch"] != epochs:
            name = next(name for name in FIGURES if best.get(name) is not None)
            self._say(
                f"the last epoch's weights are kept; {FIGURES[name]} was highest, "
                f"{best[name]:.3f}, after epoch {best['epoch']}"
            )

    def _say(self, text: str) -> None:
        log(f"{self._job.name}: {text}", self._quiet)
