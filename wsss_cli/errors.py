"""The errors that a user can cause and mend; anything else is a bug of ours."""

from __future__ import annotations

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
