"""Ctrl-C and SIGTERM during training: at once where nothing is torn, else after the step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupts:
    """While active, SIGINT and SIGTERM raise KeyboardInterrupt, held back inside `whole()`.

    A second signal inside `whole()` no longer waits; `torn` then tells that the state it left
    behind must not be kept. Inside `held()` all signals wait.

    Attributes:
        pending: a signal waits.
        torn: the state is amid a change.
    """

    def __init__(self) -> None:
        self.pending = self.torn = False
        self._inside = self._held = False
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():  # only there can it be set
            for number in (signal.SIGINT, signal.SIGTERM):
                self._former[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """A part that changes the state, and is either done or not."""
        self._inside = self.torn = True
        yield  # an exception leaves it torn
        self._inside = self.torn = False
        if self.pending and not self._held:
            raise KeyboardInterrupt

    @contextmanager
    def held(self, hold: bool) -> Iterator[None]:
        """With `hold`: a part in which `pending` is looked at, since others must stop as well.

        However many signals come: torchrun and a scheduler may pass on the same one.
        """
        self._held = hold
        try:
            yield
        finally:
            self._held = False
        if self.pending:
            raise KeyboardInterrupt

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._held or (self._inside and not self.pending):
            self.pending = True
            return
        raise KeyboardInterrupt
