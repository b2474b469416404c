"""From image ids to batches, such that every batch is a function of (seed, step) alone.

The order of an epoch follows from (seed, epoch) and what happens to an image from
(seed, epoch, index), so that any number of worker processes and a run resumed in the middle of an
epoch see the very same batches.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator, Philox, SeedSequence
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..errors import BUG, WsssError
from ..machine.ending import follow_parent

Sample = dict[str, Tensor]
Load = Callable[[str, Generator], Sample]
Key = tuple[int, int]  # epoch, index

_ORDER, _SAMPLE, _STEP = 0, 1, 2  # keep the three uses of one seed apart


def order_of_epoch(count: int, seed: int, epoch: int) -> np.ndarray:
    """(count,) int64 permutation of 0..count-1, the order of an epoch."""
    return Generator(Philox(SeedSequence([seed, _ORDER, epoch]))).permutation(count)


def sample_generator(seed: int, epoch: int, index: int) -> Generator:
    """The generator for augmenting sample `index` in `epoch`."""
    return Generator(Philox(SeedSequence([seed, _SAMPLE, epoch, index])))


def seed_step(seed: int, step: int) -> None:
    """Seed torch for one step, for dropout: no random state outlives a step, so none is saved."""
    low, high = SeedSequence([seed, _STEP, step]).generate_state(2)
    torch.manual_seed(int(high) << 31 | int(low) >> 1)


@dataclass(frozen=True)
class Plan:
    """Which samples make up each step.

    Attributes:
        count: samples there are, at least 1.
        batch_size: samples per step; a smaller data set makes one smaller batch an epoch.
        epochs: how often all of them are gone through.
        seed: of the run.
        drop_last: leave out the last batch of an epoch where it is not full.
    """

    count: int
    batch_size: int
    epochs: int
    seed: int
    drop_last: bool = True

    @property
    def steps_per_epoch(self) -> int:
        """Batches per epoch; at least 1."""
        full, rest = divmod(self.count, self.batch_size)
        return max(1, full if self.drop_last or not rest else full + 1)

    @property
    def steps(self) -> int:
        """Batches in the whole run."""
        return self.steps_per_epoch * self.epochs

    def batches(self, start: int = 0) -> Iterator[list[Key]]:
        """The (epoch, index) pairs of each batch from step `start` on."""
        per_epoch = self.steps_per_epoch
        for epoch in range(start // per_epoch, self.epochs):
            order = order_of_epoch(self.count, self.seed, epoch)
            for number in range(max(0, start - epoch * per_epoch), per_epoch):
                first = number * self.batch_size
                yield [(epoch, int(i)) for i in order[first : first + self.batch_size]]


class Samples(Dataset["Sample | WsssError"]):
    """Samples by (epoch, index).

    Args:
        load: makes the sample of an image id with a generator. Must pickle, where workers are
            spawned, and survive a fork: artifacts open for reading do both.
        ids: image ids; a sample's index is its place here.
        seed: of the run.
        keyed: give each sample its `key`, (2,) int64 epoch and index.
    """

    def __init__(self, load: Load, ids: Sequence[str], seed: int = 0, keyed: bool = False) -> None:
        self.load, self.ids, self.seed, self.keyed = load, list(ids), seed, keyed

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, key: Key) -> Sample | WsssError:
        epoch, index = key
        try:
            sample = self.load(self.ids[index], sample_generator(self.seed, epoch, index))
        except WsssError as err:
            return err  # raised in a worker, it would come out wrapped in a traceback
        return {**sample, "key": torch.tensor(key)} if self.keyed else sample


def stack(samples: Sequence[Sample | WsssError]) -> Sample | WsssError:
    """Samples of equal shapes as one batch, field by field; the first error, if there is one."""
    good: list[Sample] = []
    for sample in samples:
        if isinstance(sample, WsssError):
            return sample
        good.append(sample)
    return {name: torch.stack([sample[name] for sample in good]) for name in good[0]}


def loader(
    samples: Samples, batches: Iterable[list[Key]], workers: int, pin: bool
) -> Iterator[Sample]:
    """Batches in the order asked for, loaded by `workers` processes (0: in this one).

    Args:
        batches: keys of each batch.
        workers: processes.
        pin: put batches into page-locked memory (for CUDA).

    Raises:
        WsssError: as `samples.load` raises it, or a worker process died.
    """
    batches_of = DataLoader(
        samples,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=stack,
        pin_memory=pin,
        worker_init_fn=_begin,
        generator=torch.Generator(),  # or the loader would draw from torch's global state
    )
    try:
        for batch in batches_of:
            if isinstance(batch, WsssError):
                raise batch
            yield batch
    except RuntimeError as err:
        if "DataLoader worker" not in str(err):
            raise
        raise WsssError(
            f"a loading process died ({str(err).splitlines()[0]})",
            "fewer --workers need less memory and open files; 0 loads in the training process",
        ) from err


def in_order(count: int, batch_size: int) -> list[list[Key]]:
    """Keys that go once through 0..count-1 in order, the last batch short."""
    return [
        [(0, i) for i in range(first, min(first + batch_size, count))]
        for first in range(0, count, batch_size)
    ]


def _begin(worker: int) -> None:
    """What a loading process does first."""
    from multiprocessing import queues, reduction

    follow_parent()
    # What cannot be sent would be dropped with a traceback, and waited for without end.
    queues.Queue._on_queue_feeder_error = staticmethod(_give_up)  # type: ignore[attr-defined]
    if hasattr(reduction, "DupFd"):  # tensors go by a socket, which is tried here: errors are told
        with open(os.devnull) as stream:
            os.close(reduction.DupFd(stream.fileno()).detach())


def _give_up(error: Exception, item: object) -> None:
    os._exit(getattr(error, "errno", None) or BUG)
