"""Ctrl-C and SIGTERM during training: at once where nothing is torn, else after the part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext

import torch
from torch import nn

from ..machine import ending

TEAM = 25.0  # seconds for a team to finish its step and save; torchrun kills after 30
SAVING = 20.0  # seconds for a checkpoint on a slow disk


class Interrupts:
    """While active, signals raise KeyboardInterrupt, put off inside `whole()` and `held()`.

    Attributes:
        pending: a signal waits.
        torn: the state is amid a change, and must not be kept.
    """

    def __init__(self) -> None:
        self.pending = self.torn = False
        self._held = False
        self._catching = ExitStack()

    def __enter__(self) -> Interrupts:
        self._catching.enter_context(ending.catching(self._waits))
        return self

    def __exit__(self, *error: object) -> None:
        self._catching.close()

    @contextmanager
    def whole(self) -> Iterator[None]:
        """A short part that changes the state, and is either done or not."""
        self.torn = True
        yield  # an exception leaves it torn
        self._mended()

    @contextmanager
    def step(self, model: nn.Module) -> Iterator[Callable[[], None]]:
        """A step of training, which may take long.

        Until the function that is yielded is called, a signal stops the step and it is undone; from
        then on the weights change, and a signal waits.

        Args:
            model: whose buffers change before, such as a batch norm's running means.

        Raises:
            KeyboardInterrupt: a signal came, before the step or within it.
        """
        if not self._held and ending.told():  # KeyboardInterrupt was raised where nobody heard it
            raise KeyboardInterrupt
        buffers = list(model.buffers())
        former = [buffer.clone() for buffer in buffers]

        def change() -> None:
            self.torn = True

        try:
            yield change
        except BaseException:
            if not self.torn:
                with torch.no_grad():
                    for buffer, kept in zip(buffers, former, strict=True):
                        buffer.copy_(kept)
            raise
        self._mended()

    @contextmanager
    def held(self, hold: bool) -> Iterator[None]:
        """With `hold`: a part in which `pending` is looked at, since others must stop as well.

        However many signals come: torchrun and a scheduler may pass on the same one.
        """
        self._held = hold
        try:
            with ending.patient(TEAM) if hold else nullcontext():
                yield
        finally:
            self._held = False
        if self.pending:
            raise KeyboardInterrupt

    def _mended(self) -> None:
        self.torn = False
        if self.pending and not self._held:
            raise KeyboardInterrupt

    def _waits(self) -> bool:
        if self._held or self.torn:
            self.pending = True
        return self._held or self.torn
