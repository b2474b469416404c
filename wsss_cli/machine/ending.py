"""How a process ends when it is told to: by one handler, without a word, with exit code 130.

A program of ours calls `install` before it imports anything that takes time. From then on Ctrl-C,
SIGTERM and a closed terminal mean the same:

- Before and after a command's body nothing is open, and the process is gone at once.
- In the body KeyboardInterrupt is raised, once, so that every `with` and `finally` tidies up; see
  `guarded`. Training may put it off for moments, see `catching`.
- A thread hears of the signal as well. PATIENCE seconds later it ends a process that has not ended
  by then: one inside a library's long call, say, or one whose KeyboardInterrupt a library took.

Outputs are journals and renames, so that nothing is lost by either way. Processes that we start
leave signals to us, and end when we do: `follow_parent`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn, TypeVar

from ..errors import INTERRUPTED

T = TypeVar("T")

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows lacks the last
SIGNALS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))
PATIENCE = 2.0  # seconds for tidying up: with what a busy machine adds, an exit within 5
PARENT = "WSSS_PARENT"  # variable with the number of the process that started this one
SHOW_CURSOR = b"\x1b[?25h"  # a progress bar hides it
PR_SET_PDEATHSIG = 1  # of Linux's prctl


class _State:
    """What this process knows of its end."""

    owner = 0  # number of the process that `install` was called in; 0: it was not
    body = False  # a command's body runs
    over = False  # it has run, or a signal came: what fails in tidying up is no news
    came: float | None = None  # when the first signal did
    patience = PATIENCE
    waits: Callable[[], bool] | None = None


def install() -> None:
    """Take over the signals that end a process. Those that it was told to ignore stay ignored."""
    _State.owner = os.getpid()
    for number in _heeded():
        signal.signal(number, _receive)
    sys.excepthook = _unless("came", sys.excepthook)
    sys.unraisablehook = _unless("over", sys.unraisablehook)
    threading.excepthook = _unless("over", threading.excepthook)
    with contextlib.suppress(OSError):  # no file is left to open: the handler has to do
        _start_watch()


def guarded(body: Callable[[], T]) -> T:
    """What `body` returns; a signal ends the process once `body` has been left.

    Whatever comes out of `body` then: libraries turn KeyboardInterrupt into errors of their own.
    """
    if not _State.owner:
        return body()
    _State.body = True
    try:
        return body()
    finally:
        _State.body, _State.over = False, True  # from here on a signal does not raise
        if _State.came is not None:
            leave()
        _kill_children()  # Python would wait for those that an error has left


@contextlib.contextmanager
def catching(waits: Callable[[], bool]) -> Iterator[None]:
    """Ask `waits`, when a signal comes, whether to put KeyboardInterrupt off.

    Signals are heeded for that time in a process without `install`, too. In a thread other than
    the main one nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former_waits, _State.waits = _State.waits, waits
    former = {number: signal.signal(number, _receive) for number in _heeded()}
    try:
        yield
    finally:
        _State.waits = former_waits
        for number, handler in former.items():
            signal.signal(number, handler)


def stop() -> NoReturn:
    """Raise KeyboardInterrupt, as if a signal had come: another process has told of one.

    The signal itself may be on its way here, and must not interrupt what tidies up.
    """
    if _State.owner:
        _State.came, _State.over = _State.came or time.monotonic(), True
    raise KeyboardInterrupt


def told() -> bool:
    """Whether a signal has come to the program, be it that a library took its KeyboardInterrupt."""
    return bool(_State.owner) and _State.came is not None


@contextlib.contextmanager
def patient(seconds: float) -> Iterator[None]:
    """Leave that much time after a signal, and what is usual after the block."""
    former, _State.patience = _State.patience, max(seconds, _State.patience)
    try:
        yield
    finally:
        if _State.came is not None:
            _State.came = time.monotonic()
        _State.patience = former


def leave() -> NoReturn:
    """End this process at once, its children before it, so that none has something to say."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        if os.isatty(2):
            os.write(2, SHOW_CURSOR)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    _kill_children()
    os._exit(INTERRUPTED)


def follow_parent() -> None:
    """Have this process, started by one of ours, end when that one does, and be quiet.

    Signals are the parent's affair, who ends its children. On Linux the system ends this process,
    elsewhere a thread that looks each second.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    sys.excepthook = sys.unraisablehook = threading.excepthook = _say_nothing
    parent = os.getppid()
    if not _die_with_parent():
        threading.Thread(target=_poll, args=(parent,), daemon=True).start()
    if _is_orphan():
        os._exit(INTERRUPTED)


def _heeded() -> list[signal.Signals]:
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def _receive(number: int, frame: FrameType | None) -> None:
    if _State.owner not in (0, os.getpid()):
        return  # a fork that has not come as far as `follow_parent`
    first = _State.came is None
    if _State.owner:
        _State.came, _State.over = _State.came or time.monotonic(), True
        if not _State.body:
            leave()
    if _State.waits is not None and _State.waits():
        return
    if first:
        raise KeyboardInterrupt


def _start_watch() -> None:
    if not hasattr(os, "register_at_fork"):  # Windows, where this would have to be a socket
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=_forget_watch)
    threading.Thread(target=_watch, args=(reader,), daemon=True).start()


def _forget_watch() -> None:
    signal.set_wakeup_fd(-1)  # it is the parent's


def _watch(reader: int) -> None:
    """Wait for a signal's number, and then for the process to end."""
    while not set(got := os.read(reader, 64)) & set(SIGNALS):
        if not got:
            return
    _State.came, _State.over = time.monotonic(), True
    while (rest := _State.came + _State.patience - time.monotonic()) > 0:
        time.sleep(rest)
    leave()


def _kill_children() -> None:
    """End workers and the server that they are forked from."""
    if "multiprocessing" not in sys.modules or not hasattr(signal, "SIGCHLD"):  # Windows
        return
    import multiprocessing

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where torch would hear of their deaths
    numbers = [child.pid for child in multiprocessing.active_children()]
    server = sys.modules.get("multiprocessing.forkserver")
    numbers.append(getattr(getattr(server, "_forkserver", None), "_forkserver_pid", None))
    for number in filter(None, numbers):
        with contextlib.suppress(OSError):
            os.kill(number, signal.SIGKILL)


def _die_with_parent() -> bool:
    """Whether the system will kill this process when its parent dies."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        return ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL)) == 0
    except (AttributeError, OSError):
        return False


def _is_orphan() -> bool:
    """Whether the process that this one works for is gone already."""
    if "multiprocessing.process" in sys.modules:
        parent = sys.modules["multiprocessing.process"].parent_process()
        if parent is not None:
            return not parent.is_alive()
    return os.environ.get(PARENT, str(os.getppid())) != str(os.getppid())


def _poll(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(INTERRUPTED)


def _unless(known: str, hook: Callable[..., Any]) -> Callable[..., Any]:
    """One of Python's hooks for errors that nothing catches, silent once that is the state."""
    return lambda *error: None if getattr(_State, known) else hook(*error)


def _say_nothing(*error: Any) -> None:
    pass
