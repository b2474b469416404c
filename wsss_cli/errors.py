"""The errors that a user can cause and mend; anything else is a bug of ours."""

from __future__ import annotations

import errno
import re

BUG, USAGE, INPUT, INTERRUPTED = 1, 2, 3, 130  # exit codes


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


NO_MEMORY = "not enough memory"
_LACKS = re.compile(
    "out of memory|not enough memory|(can't|cannot|could not|unable to|failed to) allocate memory"
    "|memory allocation failed|alloc_failed",
    re.IGNORECASE,
)


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, be it Python's, the system's or torch's.

    >>> lacks_memory(MemoryError()), lacks_memory(ValueError("x"))
    (True, False)
    """
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return isinstance(error, RuntimeError) and bool(_LACKS.search(str(error)))
