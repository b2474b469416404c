"""Part `points`: death right before and right after each rename, deletion and sync."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from . import child
from .judge import Finding
from .kills import after_kill, put_old
from .recipes import RECIPES, recipe
from .world import World, inputs

CALLS = [
    "replace", "rename", "link", "symlink", "unlink", "remove", "rmdir", "mkdir",
    "fsync", "fdatasync", "truncate", "ftruncate",
]  # fmt: skip


def names() -> list[str]:
    """Recipes that write something."""
    return [one.name for one in RECIPES if one.makes]


def attempt(world: World, name: str, number: int, random: Random) -> Iterator[Finding]:
    """Die at one point: the `number`-th of a random order, so that many tries meet all."""
    what = recipe(name)
    replaces = number % 3 == 2
    words = what.words + ["--force"] * replaces
    points = calls_of(world, name, replaces)
    deaths = [(index, late) for index in range(len(points)) for late in (False, True)]
    Random(name).shuffle(deaths)
    index, late = deaths[number % len(deaths)]
    folder = world.fresh(what)
    if replaces:
        put_old(world, what, folder)
    before = inputs(folder, what)
    outcome = child.forked(words, folder, before=lambda: die_at(index, late))
    place = f"{'after' if late else 'before'} call {index + 1} of {len(points)}: {points[index]}"
    for finding in after_kill(world, what, words, folder, before, outcome):
        yield Finding(finding.kind, f"{place}: {finding.text}")
    if outcome.code != -signal.SIGKILL:
        yield Finding("code", f"{place}: was not reached, exit code {outcome.code}")
    world.drop(folder)


def calls_of(world: World, name: str, replaces: bool) -> list[str]:
    """The calls that an undisturbed run makes, found once."""
    key = f"points {name} {replaces}"
    if key not in world.kept:
        what = recipe(name)
        folder = world.fresh(what)
        if replaces:
            put_old(world, what, folder)
        log = world.root / f"{key.replace(' ', '-')}.{os.getpid()}"
        done = child.forked(
            what.words + ["--force"] * replaces, folder, before=lambda: note_calls(log)
        )
        if done.code != 0:
            raise SystemExit(f"{name}: fails while its calls are counted\n{done.err}")
        world.kept[key] = log.read_text().splitlines()
        world.drop(folder)
    found: list[str] = world.kept[key]
    return found


def note_calls(log: Path) -> None:
    """In the child: write down each call."""
    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(name: str, arguments: tuple[Any, ...]) -> None:
        last = next((str(one) for one in reversed(arguments) if isinstance(one, str | Path)), "")
        os.write(stream, f"{name} {os.path.basename(last)}\n".encode())

    _watch(note, lambda: None)


def die_at(index: int, late: bool) -> None:
    """In the child: be killed at the call of this number, from 0."""
    left = [index]

    def count(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0 and not late:
            os.kill(os.getpid(), signal.SIGKILL)

    def after() -> None:
        if left[0] < 0 and late:
            os.kill(os.getpid(), signal.SIGKILL)

    _watch(count, after)


def _watch(before: Callable[[str, tuple[Any, ...]], None], after: Callable[[], None]) -> None:
    """Wrap the calls of `os`, in this process alone and not in those that it forks."""
    owner = os.getpid()

    def wrapped(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            if os.getpid() != owner:
                return call(*arguments, **options)
            before(name, arguments)
            try:
                return call(*arguments, **options)
            finally:
                after()

        return watched

    for name in CALLS:
        if hasattr(os, name):
            setattr(os, name, wrapped(name, getattr(os, name)))
