"""The processes that train one network together: as many as torchrun started, or one alone.

torchrun says by environment variables who is who. Rank 0 leads: it alone writes and talks. The
first process that leaves before the end says why in the store that all share, so that the others
can leave without a word.
"""

from __future__ import annotations

import inspect
import itertools
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import UsageError, WsssError
from .data import Key

T = TypeVar("T")

LOST = re.compile(r"gloo|nccl|connection (closed|reset|refused)|broken pipe", re.IGNORECASE)
PATIENCE = timedelta(hours=1)  # for the slowest process; torchrun itself notices a dead one
FAREWELL = timedelta(seconds=10)  # torchrun waits 30 before it kills
INTERRUPTED, FAILED = "interrupted", "failed"
# PyTorch 2.15 renames the one to the other and warns of the old name
SYNC_BUFFERS = "forward_sync_buffers"
if SYNC_BUFFERS not in inspect.signature(DistributedDataParallel).parameters:
    SYNC_BUFFERS = "broadcast_buffers"

_teams = itertools.count()  # of this process, which may run one command after another


class LeftAlone(WsssError):
    """Another process of the team is gone."""

    def __init__(self) -> None:
        super().__init__(
            "another process of this training died",
            "torchrun tells which; the same command goes on from what was saved",
        )


@dataclass(frozen=True)
class Shares:
    """How the images of a step are dealt out: to parts one after another, in each to all ranks.

    Attributes:
        images: of a step; at least parts * world.
        parts: how often each rank runs forward and backward in a step.
        world, rank: processes, and which of them this one is.
    """

    images: int = 1
    parts: int = 1
    world: int = 1
    rank: int = 0

    def deal(self, batches: Iterable[list[Key]]) -> Iterator[list[Key]]:
        """This rank's keys of each part of each batch."""
        for batch in batches:
            for part in range(self.parts):
                first, last = span(len(batch), self.parts, part)
                mine = span(last - first, self.world, self.rank)
                yield batch[first + mine[0] : first + mine[1]]

    def place(self, part: int) -> tuple[int, int]:
        """Where this rank's images begin among those of a part, and how many the part has."""
        first, last = span(self.images, self.parts, part)
        return span(last - first, self.world, self.rank)[0], last - first


def span(count: int, parts: int, part: int) -> tuple[int, int]:
    """The range of 0..count-1 that falls to one of `parts` parts, whose sizes differ by 1 at most.

    >>> [span(7, 3, part) for part in range(3)]
    [(0, 2), (2, 4), (4, 7)]
    """
    return count * part // parts, count * (part + 1) // parts


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
                    setattr(parent, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))
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
                raise KeyboardInterrupt from None
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


@contextmanager
def assemble(device: torch.device) -> Iterator[Team]:
    """The team of this process, on its own device; a process that fails after another says nothing.

    Raises:
        UsageError: the environment is not torchrun's, or there is no GPU for each process.
        SystemExit: another process has failed and said why.
    """
    rank, world = _number("RANK", 0), _number("WORLD_SIZE", 1)
    if world == 1 or "RANK" not in os.environ:
        yield Team(device)
        return
    try:
        device = own_device(device)
    except UsageError as err:
        if rank:  # the leader finds the same, and says so
            raise SystemExit(err.exit_code) from None
        raise
    team = _join(device, rank, world)
    lost = True
    try:
        yield team
        lost = False
    except KeyboardInterrupt:
        team.claim(INTERRUPTED)
        team.bid_farewell()
        lost = False
        raise
    except WsssError as err:
        lost = isinstance(err, LeftAlone)
        if not team.claim(FAILED):
            raise SystemExit(err.exit_code) from None
        raise
    except BaseException:
        team.claim(FAILED)
        raise
    finally:
        if not lost:  # with a process gone this may wait for it
            dist.destroy_process_group()


def _join(device: torch.device, rank: int, world: int) -> Team:
    """Find the other processes."""
    # a 1 x 1 convolution's gradient is channels-last and not, which is the same: no cause to warn
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    try:
        store, _, _ = next(dist.rendezvous("env://", timeout=timedelta(minutes=10)))
    except (ValueError, RuntimeError) as err:
        raise UsageError(
            f"RANK and WORLD_SIZE are set, but the other processes were not found ({err})",
            "start them with torchrun, or unset these",
        ) from None
    name = f"{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}.{next(_teams)}"
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
        store=dist.PrefixStore(f"wsss group {name}", store),
        rank=rank,
        world_size=world,
        timeout=PATIENCE,
    )
    return Team(device, rank, world, dist.PrefixStore(f"wsss team {name}", store))


def own_device(device: torch.device) -> torch.device:
    """The device of this process among those that torchrun started on this machine.

    Raises:
        UsageError: not one for each.
    """
    if device.type == "cpu":
        return device
    local, here = _number("LOCAL_RANK", 0), local_processes()
    if device.type != "cuda" or device.index is not None:
        raise UsageError(f"--device {device}: {here} processes train", "give --device cuda or cpu")
    if here > torch.cuda.device_count():
        raise UsageError(
            f"--device cuda: {here} processes for {torch.cuda.device_count()} GPUs",
            "torchrun --nproc-per-node takes the number of GPUs",
        )
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


def local_processes() -> int:
    """How many processes of the team share this machine."""
    return _number("LOCAL_WORLD_SIZE", 1)


def trains_statistics(module: nn.Module) -> bool:
    """Whether a module is a batch norm of its own process's statistics, which it updates."""
    # by type: fixed batch norms and synchronised ones are subclasses
    return type(module) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class SharedDropout(nn.Module):
    """Drops what one process would drop, had it all images of the part.

    Every process has the same random state, draws for all images, and applies its own rows.

    Attributes:
        part: which of the step's parts is being computed.
    """

    def __init__(self, dropout: nn.Module, shares: Shares) -> None:
        super().__init__()
        self.dropout, self.shares, self.part = dropout, shares, 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        first, count = self.shares.place(self.part)
        kept = x.new_ones((count, *x.shape[1:]))
        if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
            kept = kept.contiguous(memory_format=torch.channels_last)
        return x * self.dropout(kept)[first : first + len(x)]


def _number(name: str, default: int) -> int:
    try:
        return int(os.environ.get(name, default))
    except ValueError:
        raise UsageError(f"{name}={os.environ[name]}: not torchrun's") from None
