"""The errors that a user can cause and mend; anything else is a bug of ours."""

from __future__ import annotations

import errno
import re

BUG, USAGE, INPUT, INTERRUPTED = 1, 2, 3, 130  # exit codes

STANDARD_OUTPUT = "standard output"
# As torch, h5py, NumPy, the dynamic loader and the C library put it.
NO_MEMORY = re.compile(
    "out of memory|not enough memory|(can't|cannot|could not|unable to|failed to) allocate"
    "|bad_alloc|alloc_failed|memory allocation failed|failed to map segment",
    re.IGNORECASE,
)
NO_FILES = re.compile("too many open files", re.IGNORECASE)
NO_TASKS = re.compile("can't start new thread|cannot create thread", re.IGNORECASE)


class WsssError(Exception):
    """One line that names the file and what is wrong, and a hint that says what to do."""

    def __init__(self, message: str, hint: str | None = None, exit_code: int = INPUT) -> None:
        super().__init__(message)
        self.hint = hint
        self.exit_code = exit_code


class UsageError(WsssError):
    """The command itself is wrong: options that contradict, a value out of range."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint, USAGE)


def short_of_memory(err: BaseException) -> bool:
    """Whether an error says that there was too little memory, of the machine or a device."""
    if isinstance(err, OSError) and err.errno == errno.ENOMEM:
        return True
    kinds = (RuntimeError, OSError, ImportError, SystemError)
    return isinstance(err, MemoryError) or (
        isinstance(err, kinds) and NO_MEMORY.search(str(err)) is not None
    )


def shortage(err: BaseException) -> WsssError | None:
    """The line and the hint for what the machine was short of; None where it was not that.

    Whoever turns errors into words about a file asks this first: a file that memory did not
    suffice for is not damaged.
    """
    number, text = getattr(err, "errno", None), str(err)
    place = getattr(err, "filename", None)
    if place == STANDARD_OUTPUT:
        return None
    if short_of_memory(err):
        return WsssError(
            "not enough memory",
            "fewer --workers, a smaller --batch-size, --crop or --max-side need less; "
            "a limit (ulimit -v, a job's, a container's) may be lower than the machine's memory",
        )
    if not isinstance(err, OSError | RuntimeError | ImportError):
        return None
    if number in (errno.EMFILE, errno.ENFILE) or NO_FILES.search(text):
        return WsssError(
            "too many open files", "raise the limit (ulimit -n 1024), or use fewer --workers"
        )
    if number in (errno.ENOSPC, errno.EDQUOT):
        return WsssError(
            f"{place}: no space left" if place else "no space left on a disk",
            "free some; temporary files go where TMPDIR says",
        )
    if "AF_UNIX path too long" in text:
        return WsssError(
            "the path of TMPDIR is too long for the sockets of worker processes",
            "set TMPDIR to a short one, such as /tmp",
        )
    if number == errno.EAGAIN or NO_TASKS.search(text):
        return WsssError(
            "no further process or thread can be started",
            "use fewer --workers; ulimit -u and the job's or container's limit say how many",
        )
    return None
