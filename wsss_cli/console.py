"""What a person sees: talk and progress on stderr, tables on stdout. The one user of rich."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

LOG_INTERVAL = 30.0  # seconds between plain progress lines where stderr is not a terminal


def log(message: str, quiet: bool = False) -> None:
    """Say something on stderr."""
    if not quiet and sys.stderr is not None:  # None where it was closed (2>&-)
        print(message, file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """Say on stderr what the user should know even with --quiet."""
    log(f"wsss: warning: {message}")


def track(
    items: Iterable[T],
    description: str,
    total: int | None = None,
    done: int = 0,
    quiet: bool = False,
) -> Iterator[T]:
    """Yield `items`, showing progress: a bar on a terminal, an occasional plain line in a log.

    Args:
        items: what to go through.
        description: what is being done, usually the command's name.
        total: how many there are in all; taken from len(items) where it has one.
        done: how many of the total an earlier, interrupted run has finished.
        quiet: show nothing.
    """
    if total is None and isinstance(items, Sequence):
        total = len(items) + done
    if quiet or sys.stderr is None:
        yield from items
    elif sys.stderr.isatty():
        yield from _bar(items, description, total, done)
    else:
        yield from _lines(items, description, total, done)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print an aligned table to stdout: first column left, the others right."""
    lines = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        print("  ".join(cells).rstrip())


def _bar(items: Iterable[T], description: str, total: int | None, done: int) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total, completed=done)
        for item in items:
            yield item
            progress.advance(task)


def _lines(items: Iterable[T], description: str, total: int | None, done: int) -> Iterator[T]:
    count, last = done, time.monotonic()
    of = f"/{total}" if total is not None else ""
    for item in items:
        yield item
        count += 1
        if time.monotonic() - last >= LOG_INTERVAL:
            last = time.monotonic()
            log(f"{description}: {count}{of}")
