"""Which labels teach a network, told to the command's ledger before it is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from ..artifacts.supervision import Taught
    from .compute import Compute
    from .job import Job


@dataclass(frozen=True)
class Measure:
    """Figures of the model after an epoch, and the labels that they are taken by.

    Attributes:
        what: kind of labels (KINDS of artifacts/supervision.py).
        ids: whose they are.
        figures: the figures.
    """

    what: str
    ids: Sequence[str]
    figures: Callable[[nn.Module, Compute], dict[str, float]]

    def __call__(self, model: nn.Module, compute: Compute) -> dict[str, float]:
        return self.figures(model, compute)


def note_taught(job: Job, learns: Sequence[str] | None) -> None:
    """Tell the command's ledger what teaches the network: its weights say so, and other outputs."""
    from ..artifacts import ledger
    from ..artifacts.supervision import CHOSEN, Taught, of_images, record_of

    more: list[Taught] = []
    for module in job.model.modules():
        more += getattr(module, "taught", ())  # backbones know what they were filled with
    if job.measure is not None and job.val_every:
        data: Any = next((one for one in job.inputs if one.kind == "wsss/dataset"), None)
        more.append(of_images(Taught(job.measure.what, CHOSEN), job.measure.ids, data))
    if learns is not None:
        found = record_of(job.inputs, job.ids, learns, trains=True, more=more)
        ledger.current().taught = found
