"""The processes that train one network together: as many as torchrun started, or one alone.

Rank 0 leads: it alone writes and talks. The first process that leaves before the end says why in
the store that all share, so that the others can leave without a word.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import WsssError
from ..machine import ending
from ..nets.norms import synchronised, trains_statistics
from .shares import SharedDropout, Shares

T = TypeVar("T")

LOST = re.compile(r"gloo|nccl|connection (closed|reset|refused)|broken pipe", re.IGNORECASE)
FAREWELL = timedelta(seconds=10)  # torchrun waits 30 before it kills
INTERRUPTED, FAILED = "interrupted", "failed"
# PyTorch 2.15 renames the one to the other and warns of the old name
SYNC_BUFFERS = "forward_sync_buffers"
if SYNC_BUFFERS not in inspect.signature(DistributedDataParallel).parameters:
    SYNC_BUFFERS = "broadcast_buffers"


class LeftAlone(WsssError):
    """Another process of the team is gone."""

    def __init__(self) -> None:
        super().__init__(
            "another process of this training died",
            "torchrun tells which; the same command goes on from what was saved",
        )


class Team:
    """One of the processes, and what it does with the others. Alone, all of it is trivial."""

    def __init__(
        self,
        device: torch.device | None = None,
        rank: int = 0,
        world: int = 1,
        store: dist.Store | None = None,
    ) -> None:
        self.device = device or torch.device("cpu")
        self.rank, self.world = rank, world
        self._store = store

    @property
    def leads(self) -> bool:
        """Whether this process writes and talks."""
        return self.rank == 0

    def total(self, values: Tensor) -> Tensor:
        """Sum of every process's tensor; on its device (a GPU's tensors on the GPU)."""
        if self.world == 1:
            return values
        values = values.clone()
        with self.connected():
            dist.all_reduce(values)
        return values

    def count(self, *flags: bool) -> list[int]:
        """In how many processes each flag is set."""
        return self.total(torch.tensor(flags, dtype=torch.int64)).tolist()

    def gather(self, value: T) -> list[T]:
        """Every process's value, by rank."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        with self.connected():
            dist.all_gather_object(values, value)
        return values

    def share(self, value: T) -> T:
        """The leader's value."""
        if self.world == 1:
            return value
        values = [value]
        with self.connected():
            dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        return values[0]

    def mine(self, items: Sequence[T]) -> Sequence[T]:
        """Every world-th of the items, so that all are looked at by one process."""
        return items[self.rank :: self.world]

    def adapt(self, model: nn.Module, shares: Shares) -> None:
        """Have layers that look beyond one image see all of a part's images, in place.

        Batch norms that train are synchronised, on CUDA; elsewhere each process normalises its
        own images. Dropout draws for all images of a part and takes its own. Parameters and
        state-dict keys stay.
        """
        if self.world == 1:
            return
        for parent in list(model.modules()):
            for name, child in list(parent.named_children()):
                if trains_statistics(child) and self.device.type == "cuda":
                    setattr(parent, name, synchronised(child))
                elif isinstance(child, nn.modules.dropout._DropoutNd) and child.p:
                    setattr(parent, name, SharedDropout(child, shares))

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model with gradients that are means over the processes.

        To be wrapped anew when other parameters train.
        """
        if self.world == 1:
            return model
        # a batch norm's own statistics would drift from the leader's, which are kept
        own = any(trains_statistics(module) for module in model.modules())
        options: dict[str, Any] = {SYNC_BUFFERS: own, "gradient_as_bucket_view": True}
        if self.device.type == "cuda":
            options["device_ids"] = [self.device]
        with self.connected():
            return DistributedDataParallel(model, **options)

    def exchange(self, model: nn.Module, part: int, parts: int) -> AbstractContextManager[Any]:
        """Context of a part's forward and backward; gradients are exchanged in the last part's."""
        if not isinstance(model, DistributedDataParallel):
            return nullcontext()
        for module in model.modules():
            if isinstance(module, SharedDropout):
                module.part = part
        return model.no_sync() if part < parts - 1 else nullcontext()

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Turn the loss of another process into what it left for.

        Raises:
            KeyboardInterrupt: the other was interrupted.
            LeftAlone: it failed.
        """
        try:
            yield
        except RuntimeError as err:
            if self.world == 1 or not LOST.search(str(err)):
                raise
            if self._reason().endswith(INTERRUPTED):
                ending.stop()
            raise LeftAlone from err

    def claim(self, reason: str) -> bool:
        """Be the process that says why all stop, if no other is already."""
        if self._store is None:
            return True
        try:
            said = self._store.compare_set("end", "", f"{self.rank} {reason}").decode()
        except RuntimeError:  # the store went down with torchrun
            return self.leads
        return said.startswith(f"{self.rank} ")

    def _reason(self) -> str:
        """What the first to leave said; nothing where it died."""
        if self._store is None:
            return ""
        try:
            return self._store.compare_set("end", "", "").decode()
        except RuntimeError:
            return ""

    def bid_farewell(self) -> None:
        """Stay until the leader has saved: torchrun ends all others when one leaves."""
        if self._store is None:
            return
        try:
            if self.leads:
                self._store.set("left", "1")
            else:
                self._store.wait(["left"], FAREWELL)
        except RuntimeError:
            pass
