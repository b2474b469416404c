"""How photographs come to a network: loaded ahead, in batches of one size, on its device."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from ..machine.cores import free_cores

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..artifacts import DatasetReader
    from ..machine.place import Place
    from .images import ImageFiles

T = TypeVar("T")
# What a GPU sees at once by default, reckoned by the pixels of the largest copies. A ResNet-50 in
# float32 takes some 500 bytes for each, its mirror image's included; other networks more. Scores of
# each pixel, label and mirror image, of 4 bytes, are there three times while means are added up.
GPU_BYTES = 8_000_000_000
PIXEL_BYTES, SCORE_BYTES = 1000, 24
AHEAD_BYTES = 1 << 29  # of copies that wait in memory, unless there are fewer than threads


class Copies(Protocol):
    """An image as the network takes it, one (3, H_s, W_s) uint8 a scale; and whatever else."""

    @property
    def copies(self) -> list[Tensor]: ...
    def _replace(self: Seen, *, copies: list[Tensor]) -> Seen: ...


Seen = TypeVar("Seen", bound=Copies)


def load_ahead(
    load: Callable[[str], T],
    ids: Sequence[str],
    threads: int,
    ahead: Callable[[str, T], int] = lambda _id, _loaded: 0,
) -> Iterator[tuple[str, T]]:
    """Yield (id, load(id)) in order, `threads` threads loading the next ones.

    Threads suffice where processes would have to copy the pixels: decoding, resizing and numpy's
    arithmetic release the GIL. An error of `load` comes up when its id's turn comes.

    Args:
        ahead: how many to have under way or waiting beside one like this, if more than threads.
    """
    if threads == 0:
        for image_id in ids:
            yield image_id, load(image_id)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="load")
    waiting: deque[tuple[str, Future[T]]] = deque()
    coming, most = iter(ids), threads
    try:
        while True:
            for image_id in itertools.islice(coming, max(0, 1 + most - len(waiting))):
                waiting.append((image_id, pool.submit(load, image_id)))
            if not waiting:
                return
            first, result = waiting.popleft()
            loaded = result.result()
            most = max(threads, ahead(first, loaded))
            yield first, loaded
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def one_ahead(items: Iterator[T], prepare: Callable[[], object] | None = None) -> Iterator[T]:
    """The same items, the next one being made in a thread while one is used.

    Args:
        prepare: what that thread does first.
    """
    with ThreadPoolExecutor(1, "ahead", prepare) as maker:
        coming = maker.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = maker.submit(next, items, None)
            yield item


@dataclass(frozen=True)
class Feed:
    """How images come to the network.

    Attributes:
        place: of the network.
        threads: that load, see `threads`.
        batch_size: images at once at most; None for what suits the device.
        max_side: see `options.looking.Views`.
        scores: of each pixel that the network gives.
    """

    place: Place
    threads: int
    batch_size: int | None
    max_side: int
    scores: int = 0

    def batches(
        self, load: Callable[[str], Seen], ids: Sequence[str], source: DatasetReader | ImageFiles
    ) -> Iterator[list[tuple[str, Seen]]]:
        """Images of one size, loaded ahead and their copies on the device.

        A batch may hold images without copies besides. Where batches are of more than one image,
        ids come ordered by their images' sizes: a size is known without decoding.
        """
        size = partial(self._size, source)
        several = self.on_cuda if self.batch_size is None else self.batch_size > 1
        ids = sorted(ids, key=size) if several else ids
        load = self._pinned(load) if self.on_cuda else load
        loaded = load_ahead(load, ids, self.threads, partial(self._ahead, size))
        return self._placed(self._grouped(loaded, size))

    @property
    def on_cuda(self) -> bool:
        return self.place.device.type == "cuda"

    def _size(self, source: DatasetReader | ImageFiles, image_id: str) -> tuple[int, int]:
        from ..core.views import working_size

        return working_size(source.size(image_id), self.max_side)

    def _at_once(self, copies: Sequence[Tensor], work: tuple[int, int]) -> int:
        """How many images of these copies and that working size make a batch."""
        if self.batch_size is not None or not self.on_cuda:
            return self.batch_size or 1
        pixels = max(math.prod(work), *(copy[0].numel() for copy in copies))
        return max(1, GPU_BYTES // (pixels * (PIXEL_BYTES + SCORE_BYTES * self.scores)))

    def _ahead(self, size: Callable[[str], tuple[int, int]], image_id: str, seen: Copies) -> int:
        """How many images to load beside one: two batches, if memory allows."""
        most = self._at_once(seen.copies, size(image_id)) if seen.copies else 1
        if most == 1:
            return 0
        return min(2 * most, AHEAD_BYTES // sum(copy.nbytes for copy in seen.copies))

    def _grouped(
        self, items: Iterable[tuple[str, Seen]], size: Callable[[str], tuple[int, int]]
    ) -> Iterator[list[tuple[str, Seen]]]:
        """Neighbours of one size."""
        batch: list[tuple[str, Seen]] = []
        shapes, most = None, 1
        for image_id, seen in items:
            if seen.copies:
                work = size(image_id)
                own = work, [copy.shape for copy in seen.copies]
                if shapes not in (None, own):
                    yield batch
                    batch = []
                shapes, most = own, self._at_once(seen.copies, work)
            batch.append((image_id, seen))
            if shapes is None or len(batch) >= most:
                yield batch
                batch, shapes = [], None
        if batch:
            yield batch

    @staticmethod
    def _pinned(load: Callable[[str], Seen]) -> Callable[[str], Seen]:
        """`load`, its copies in memory that a GPU fetches from by itself."""

        def pinned(image_id: str) -> Seen:
            seen = load(image_id)
            return seen._replace(copies=[copy.pin_memory() for copy in seen.copies])

        return pinned

    def _placed(
        self, batches: Iterable[list[tuple[str, Seen]]]
    ) -> Iterator[list[tuple[str, Seen]]]:
        """Batches on the device; on CUDA the next comes together and travels in the meantime."""
        import torch

        if not self.on_cuda:
            for batch in batches:
                yield _moved(batch, self.place.device)
            return
        stream, device = torch.cuda.Stream(self.place.device), self.place.device
        sent = ((_moved(batch, device), stream.record_event()) for batch in batches)
        # the thread stays with that stream, and so with that GPU
        for batch, event in one_ahead(sent, partial(torch.cuda.set_stream, stream)):
            yield _arrived(batch, event, device)


def _moved(batch: list[tuple[str, Seen]], device: torch.device) -> list[tuple[str, Seen]]:
    return [
        (name, seen._replace(copies=[copy.to(device, non_blocking=True) for copy in seen.copies]))
        for name, seen in batch
    ]


def _arrived(
    batch: list[tuple[str, Seen]], event: torch.cuda.Event, device: torch.device
) -> list[tuple[str, Seen]]:
    """A batch that the device may now work on: what follows waits for the transfer."""
    import torch

    current = torch.cuda.current_stream(device)
    current.wait_event(event)
    for _, seen in batch:
        for copy in seen.copies:
            copy.record_stream(current)  # so that its memory is not given to the next transfer
    return batch


def threads(workers: int | None, place: Place) -> int:
    """How many threads load: one keeps ahead of a CPU's networks, a GPU needs more."""
    if workers is not None:
        return workers
    return 1 if place.device.type == "cpu" else min(8, free_cores())
