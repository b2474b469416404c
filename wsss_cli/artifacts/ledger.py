"""What the running command reads and writes, so that it cannot overwrite its own input.

A command's options declare the files that they name (`options/files.py`); they are noted here
before the command's body runs. What is found on the way (the data set that a file of maps records,
the images of a folder, a file beside the output) is noted by the functions that open and write
files. Whatever comes second, an input or an output, is refused where both are one file.

The ledger is the process's, and no context variable, which the threads that a command starts would
not see. Processes that it starts have none of their own: they read what it has opened before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import UsageError
from . import zips

PARTIAL = ".partial"  # added to the name of an output while it is unfinished
LOCK = ".lock"  # added to that of a training's unfinished work
HINT = "give another name with --out"

Place = tuple[int, int]  # device and number: what hard and symbolic links to a file share


class Ledger:
    """Inputs and outputs of one command. Only files that exist can be in each other's way.

    Attributes:
        command: its name; "" for a program of the user's.
        taught: what has taught the network that is being trained (`supervision.record_of`), and
            so what is written beside its weights; None where none is.
    """

    def __init__(self, command: str = "") -> None:
        self.command = command
        self.taught: list[dict[str, Any]] | None = None
        self._promised: set[str] = set()
        self._folders: set[str] = set()
        self._outputs: dict[Place, tuple[Path, str]] = {}  # that exist, each with its hint
        self._replaces = False  # one of them is no unfinished work
        self._inputs: dict[Path, None] = {}
        self._places: dict[Place, Path] = {}  # of the inputs that were looked at
        self._unseen: list[Path] = []  # inputs that were not: no output existed
        self._many: list[Callable[[], Iterable[Path]]] = []  # more of them

    def promise(self, path: Path, hint: str = HINT) -> None:
        """Note an output, and beside it what a stage keeps of unfinished work.

        Raises:
            UsageError: one of these is an input, or would be in a zip.
        """
        _refuse_in_zip(path)
        partial, lock = Path(f"{path}{PARTIAL}"), Path(f"{path}{PARTIAL}{LOCK}")
        self._promised |= {os.path.abspath(one) for one in (path, partial, lock)}
        self._replaces |= path.exists()
        self._note_output(path, hint, self._all_places)
        for beside in (partial, lock):
            self._note_output(beside, hint, self._seen_places)

    def promise_folder(self, path: Path, option: str = "--out") -> None:
        """Note a folder to write files into; each of them that exists has to be promised, too.

        Raises:
            UsageError: it is a file, or would be in a zip.
        """
        _refuse_in_zip(path)
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path}: is a file, {option} names a folder")
        self._folders.add(os.path.abspath(path))

    def read(self, path: Path) -> None:
        """Note an input, be it there or not.

        Raises:
            UsageError: it is an output.
        """
        if path in self._inputs:
            return
        self._inputs[path] = None
        if self._outputs:
            self._look_at(path)
        else:
            self._unseen.append(path)

    def read_many(self, paths: Callable[[], Iterable[Path]]) -> None:
        """Note inputs that are too many to look at each, unless an output exists already.

        Raises:
            UsageError: one of them is an output.
        """
        self._many.append(paths)
        if self._replaces:
            self._all_places()

    def check_written(self, path: Path) -> None:
        """Assert that something was promised under this name, before it is written."""
        name = os.path.abspath(path)
        if name in self._promised:
            return
        if not any(str(parent) in self._folders for parent in Path(name).parents):
            raise AssertionError(f"{path}: is written, but was not promised as an output")
        self.promise(path, "name another folder")

    def _note_output(self, path: Path, hint: str, inputs: Callable[[], dict[Place, Path]]) -> None:
        place = _place(path)
        if place is not None:
            self._outputs.setdefault(place, (path, hint))
            if place in inputs():
                raise _both(path, self._places[place], self._outputs[place][1])

    def _look_at(self, path: Path) -> None:
        place = _place(path)
        if place is None:
            return
        self._places.setdefault(place, path)
        if place in self._outputs:
            output, hint = self._outputs[place]
            raise _both(output, path, hint)

    def _seen_places(self) -> dict[Place, Path]:
        while self._unseen:
            self._look_at(self._unseen.pop())
        return self._places

    def _all_places(self) -> dict[Place, Path]:
        while self._many:
            for path in self._many.pop()():
                self._look_at(path)
        return self._seen_places()


def _place(path: Path) -> Place | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # ValueError: a name with a zero byte
        inside = zips.outer(path)  # who reads a member reads the zip
        if inside is None:
            return None
        found = os.stat(inside[0])
    return found.st_dev, found.st_ino


def _refuse_in_zip(path: Path) -> None:
    inside = zips.outer(path)
    if inside is not None and inside[1]:
        raise UsageError(
            f"{path}: would be in a zip file, {inside[0]}", "zips are read; name a place beside it"
        )


def _both(output: Path, source: Path, hint: str) -> UsageError:
    return UsageError(f"{output}: is an input ({source})", hint)


_running: Ledger | None = None
_looking_back = False


@contextmanager
def opened(command: str = "") -> Iterator[Ledger]:
    """The ledger of a command, for as long as it runs."""
    global _running
    before, _running = _running, Ledger(command)
    try:
        yield _running
    finally:
        _running = before


def current() -> Ledger:
    """The running command's ledger; outside a command, an empty one that nobody keeps."""
    return Ledger() if _running is None else _running


def read(path: str | Path) -> None:
    """Note that the running command reads a file, as `Ledger.read`."""
    if _running is not None and not _looking_back:
        _running.read(Path(path))


def read_many(paths: Callable[[], Iterable[Path]]) -> None:
    """Note that the running command reads many files, as `Ledger.read_many`."""
    if _running is not None and not _looking_back:
        _running.read_many(paths)


def check_written(path: Path) -> None:
    """Assert that the running command, if there is one, has promised an output."""
    if _running is not None:
        _running.check_written(path)


@contextmanager
def looking_back() -> Iterator[None]:
    """Within, a command reads what it has itself written in an earlier attempt: no input."""
    global _looking_back
    before, _looking_back = _looking_back, True
    try:
        yield
    finally:
        _looking_back = before
