"""Part `kills`: SIGKILL at random moments of a command's life, then the same command again."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random

from . import child
from .judge import Finding, differences, kept, last_line, manner, result
from .recipes import RECIPES, Recipe, recipe
from .world import World, inputs, made

OLD = b"an older file, which --force gives away\n"
THERE = "exists? already"  # what is said of an output that is there, or of a folder's files
FRESH = 8  # one try of so many is a process of its own, killed while it starts, too


def names() -> list[str]:
    """What can be tried."""
    return [one.name for one in RECIPES]


def attempt(world: World, name: str, number: int, random: Random) -> Iterator[Finding]:
    """Kill a command once, and repeat it."""
    what = recipe(name)
    fresh = number % FRESH == FRESH - 1
    replaces = what.can_force and random.random() < 0.3
    group = random.random() < 0.5
    words = what.words + ["--force"] * replaces
    folder = world.fresh(what)
    usual = world.whole(what).outcome.seconds
    if replaces:
        put_old(world, what, folder)
    before = inputs(folder, what)
    if fresh:
        life = world.life(what)
        moment = (random.uniform(0, 1.05 * life), signal.SIGKILL, group)
        outcome = child.started(words, folder, moment=moment)
    else:
        moment = (random.uniform(0, 1.1 * usual), signal.SIGKILL, group)
        outcome = child.forked(words, folder, moment=moment)
    yield from after_kill(world, what, words, folder, before, outcome)
    world.drop(folder)


def put_old(world: World, what: Recipe, folder: Path) -> None:
    """Put a file where each of the recipe's outputs will be."""
    for one in world.whole(what).made:
        if (world.whole(what).folder / one).is_file():
            (folder / one).parent.mkdir(parents=True, exist_ok=True)
            (folder / one).write_bytes(OLD)


def after_kill(
    world: World,
    what: Recipe,
    words: list[str],
    folder: Path,
    before: dict[str, bytes],
    outcome: child.Outcome,
) -> Iterator[Finding]:
    """Look at what a killed command left, repeat it, and look again."""
    yield from manner(outcome)
    yield from kept(before, folder, what)
    whole = world.whole(what)
    there = made(folder, what)
    torn = [
        name
        for name, content in whole.made.items()
        if there.get(name, content) != content
        and not ("--force" in words and (folder / name).read_bytes() == OLD)
    ]
    if torn:
        yield Finding("lost", f"left as neither the old nor the new file: {', '.join(torn)}"[:200])
    if outcome.code == 0:
        yield from result(world, what, folder, outcome)
        return
    again = child.forked(words, folder)
    yield from manner(again)
    yield from kept(before, folder, what)
    if again.code == 2 and re.search(THERE, again.err) and "--force" not in words:
        # Killed when all was done: nothing tells it from a finished run.
        rest = list(differences(whole.made, made(folder, what)))
        if rest:
            yield Finding("code", f"repeated, it says: {last_line(again)}")
            yield from rest
        return
    if again.code != 0:
        yield Finding("code", f"repeated, it ends with {again.code}: {last_line(again)}")
        return
    yield from result(world, what, folder, again)
