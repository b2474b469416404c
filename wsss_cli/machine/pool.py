"""Image-by-image work in several processes, with the same results for any number of them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import queue
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Generic, TypeVar

from ..errors import WsssError
from .cores import free_cores
from .ending import PARENT, SIGNALS, follow_parent

R = TypeVar("R")

# What takes long to import, so that the server that workers are forked from does it once.
PRELOAD = [
    "wsss_cli.machine.following",
    "wsss_cli.artifacts.dataset",
    "wsss_cli.core.cam",
    "wsss_cli.core.refine",
    "pydensecrf.densecrf",
]
WORTHWHILE = 4  # jobs per worker below which starting it takes longer than it saves
BEHIND = 10  # niceness that gives a process beside it nine times as much of a core
AHEAD = 2  # jobs under way or waiting per worker: enough to keep it busy, few enough to hold


class WorkerPool(Generic[R]):
    """Processes that each run `work`; a context manager.

    Workers are forked from a server process that holds nothing but imported modules (or started
    afresh, where the system has no such server): a fork of this process would share its threads'
    locks, its GPU context and its open HDF5 files. They are killed when the block is left, and
    end by themselves when this process dies, whatever it dies of.

    Args:
        work: called as work(*job); a picklable function or object, sent to each worker once.
        workers: how many processes; with 0 or 1 the work is done in this one.
        behind: this process computes besides, in threads on all cores that wait for each other.
            Workers then take what it leaves them: all, whenever it is so far ahead that it waits.
            (Fewer threads would leave cores idle, and sums would depend on how many workers
            there are.)
    """

    def __init__(self, work: Callable[..., R], workers: int, behind: bool = False) -> None:
        self._work = work
        self._niceness = BEHIND if behind else 0
        self._count = workers if workers > 1 else 0
        self._processes: list[BaseProcess] = []
        self._free: queue.SimpleQueue[tuple[BaseProcess, Connection]] = queue.SimpleQueue()
        # Each thread holds one worker's hand: it sends a job and waits for the answer.
        self._threads = ThreadPoolExecutor(max(1, self._count))

    def __enter__(self) -> WorkerPool[R]:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def map(self, jobs: Iterable[tuple[Any, ...]]) -> Iterator[tuple[str, R]]:
        """Do every job, at most a few ahead of what has been taken; results come as they finish.

        Args:
            jobs: tuples of arguments for `work`, the first an image's id. Drawn from lazily, and
                in this process, so that it can prepare the next while workers are busy.

        Yields:
            (id, result), in no particular order.

        Raises:
            WsssError: a worker died. And whatever `work` raises, of the same type.
        """
        if not self._count:
            for job in jobs:
                with one_thread():  # as in a worker: sums must not depend on where they are made
                    result = self._work(*job)
                yield job[0], result
            return
        pending: dict[Future[R], str] = {}
        for job in jobs:
            pending[self._threads.submit(self._ask, job)] = job[0]
            yield from _finished(pending, block=len(pending) >= AHEAD * self._count)
        while pending:
            yield from _finished(pending, block=True)

    def _ask(self, job: tuple[Any, ...]) -> R:
        """Have a free worker do one job; runs in one of the threads."""
        process, connection = self._free.get()
        try:
            connection.send(job)
            reply = connection.recv()
        except (EOFError, OSError):
            process.join(1)
            raise WsssError(
                f"a worker process died on {job[0]!r} (exit code {process.exitcode})",
                "if memory ran out, use fewer --workers; what is finished is kept",
            ) from None
        finally:
            self._free.put((process, connection))
        if isinstance(reply, _Failure):
            reply.throw()
        return reply

    def _start(self) -> None:
        if not self._count:
            return
        methods = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if context.get_start_method() == "forkserver":
            _start_server(context)
        for _ in range(self._count):
            ours, theirs = context.Pipe()
            given = theirs, self._work, self._niceness
            process = context.Process(target=_serve, args=given, daemon=True)  # type: ignore[attr-defined]
            with _worker_environment():
                process.start()
            theirs.close()  # so that a worker's death reads as the end of its pipe
            self._processes.append(process)
            self._free.put((process, ours))

    def _stop(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()
        self._threads.shutdown(wait=True, cancel_futures=True)


def worker_count(wanted: int | None, jobs: int, heavy: bool) -> int:
    """How many workers to start.

    Args:
        wanted: as the user says, if so.
        jobs: how many there are.
        heavy: a job takes long enough for workers to be worth their start, which takes as long as
            importing torch does.
    """
    if wanted is None:
        wanted = min(free_cores(), jobs // WORTHWHILE) if heavy else 1
    return min(wanted, jobs)


@contextmanager
def one_thread() -> Iterator[None]:
    """Have torch compute in one thread."""
    import torch

    former = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(former)


def _finished(pending: dict[Future[R], str], block: bool) -> Iterator[tuple[str, R]]:
    """Take what is done out of `pending`, after waiting for at least one if `block`."""
    done, _ = wait(pending, timeout=None if block else 0, return_when=FIRST_COMPLETED)
    for future in done:
        yield pending.pop(future), future.result()


class _Failure:
    """An exception on its way from a worker to the parent."""

    def __init__(self, error: Exception) -> None:
        self.trace = traceback.format_exc()
        try:
            self.error = pickle.loads(pickle.dumps(error))
        except Exception:  # an exception that cannot travel
            self.error = RuntimeError(f"{type(error).__name__}: {error}")

    def throw(self) -> None:
        if isinstance(self.error, WsssError):
            raise self.error
        raise self.error from _WorkerTraceback(f"\n{self.trace}")


class _WorkerTraceback(Exception):
    """Shows, as the cause of an error, where in the worker it arose."""


def _serve(connection: Connection, work: Callable[..., Any], niceness: int) -> None:
    """A worker's life: answer jobs until the other end of the pipe is gone."""
    follow_parent()
    import torch

    torch.set_num_threads(1)
    if niceness and hasattr(os, "nice"):  # which Windows lacks
        os.nice(niceness)
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        try:
            reply = work(*job)
        except Exception as err:
            reply = _Failure(err)
        try:
            connection.send(reply)
        except BrokenPipeError:
            return


def _start_server(context: Any) -> None:
    """Start the server that forks workers, deaf to signals while it imports and ever after."""
    from multiprocessing import forkserver, resource_tracker

    context.set_forkserver_preload(PRELOAD)
    resource_tracker.ensure_running()  # by itself it would lift the mask below
    with _worker_environment():
        former = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, former)


@contextmanager
def _worker_environment() -> Iterator[None]:
    """For processes started here: one thread, which libraries read when they are loaded."""
    given = {"OMP_NUM_THREADS": "1", PARENT: str(os.getpid())}
    former = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
