"""Options that name files say so: what a command reads and writes is known before it runs."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..artifacts import ledger
from ..errors import UsageError
from .annotations import annotated, hints, spelled_as


@dataclass(frozen=True)
class Reads:
    """Annotation of an option or argument that names files, or folders of them, to read.

    Attributes:
        but: values that name no file.
        after: what stands before the file's name; a value without it names none.
    """

    but: tuple[str, ...] = ()
    after: str = ""

    def paths(self, value: Any) -> Iterator[Path]:
        """The files that an option's value names."""
        for one in value if isinstance(value, list | tuple) else [value]:
            name = str(one).partition(self.after)[2] if self.after else one
            if name and name not in self.but:
                yield Path(name)


@dataclass(frozen=True)
class Writes(Reads):
    """Annotation of an option that names a file to write, or a folder to write files into.

    Attributes:
        folder: which of both.
        numbered: no file of this very name is written, but some with a number in it, which are
            promised once the numbers are known.
    """

    folder: bool = False
    numbered: bool = False


def declared(run: Callable[..., Any]) -> dict[str, tuple[Reads, str]]:
    """What a command's parameters say of files, and how they are typed, by parameter."""
    found = {}
    for name, hint in hints(run).items():
        marks = [mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Reads)]
        if marks:
            found[name] = marks[0], spelled_as(name, annotated(hint)[1])
    return found


def _refuse_output(path: Path, option: str, named: dict[str, str]) -> None:
    """See that an output is no stream, nor that of another option, however spelled.

    Args:
        named: which option named an output, by its place; this one is added.

    Raises:
        UsageError: it is.
    """
    if str(path) == "-":
        raise UsageError(f"{option} -: is not printed", "./- is a file of that name")
    other = named.setdefault(os.path.realpath(path), option)
    if other != option:
        raise UsageError(f"{path}: named by {other} and by {option}")


def with_ledger(run: Callable[..., None], typed: str = "") -> Callable[..., None]:
    """A command that refuses, before anything else, an output that is one of its inputs or outputs.

    Inputs that no option names are refused when they are opened: see `artifacts/ledger.py`. So are
    those of an option's default, which the chosen method may have no use for.

    Args:
        run: the command.
        typed: its name.
    """
    files = declared(run)
    parameters = inspect.signature(run).parameters

    @functools.wraps(run)
    def command(**options: Any) -> None:
        with ledger.opened(typed) as book:
            named: dict[str, str] = {}
            for name, (mark, option) in files.items():
                if isinstance(mark, Writes):
                    for path in mark.paths(options[name]):
                        _refuse_output(path, option, named)
                        if mark.folder:
                            book.promise_folder(path, option)
                        elif not mark.numbered:
                            book.promise(path, f"give another name with {option}")
            for name, (mark, _) in files.items():
                if not isinstance(mark, Writes) and options[name] != parameters[name].default:
                    for path in mark.paths(options[name]):
                        book.read(path)
            run(**options)

    return command
