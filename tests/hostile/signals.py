"""Part `signals`: SIGINT and SIGTERM, early and late, with worker processes and without."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random

from . import child
from .judge import Finding, kept, last_line, manner, result
from .kills import THERE
from .recipes import RECIPES, Recipe, recipe
from .world import World, inputs

PATIENCE = 5.0  # seconds until what still runs counts
SLOW = 20.0  # seconds from signal to end, on a machine that does other things as well
TOO_EARLY = 0.1  # seconds in which Python may not yet have come to our first line


def names() -> list[str]:
    """What can be tried."""
    return [one.name for one in RECIPES]


def attempt(world: World, name: str, number: int, random: Random) -> Iterator[Finding]:
    """Send a signal to a process of its own, and repeat the command."""
    what = recipe(name)
    words = what.words
    if what.workers and random.random() < 0.5:
        words[words.index("--workers") + 1] = what.workers
    which = random.choice([signal.SIGINT, signal.SIGTERM])
    when = random.uniform(0, 1.02 * world.life(what))
    group = random.random() < 0.5
    folder = world.fresh(what)
    temporary = folder.with_name(f"{folder.name}.tmp")
    temporary.mkdir()
    before = inputs(folder, what)
    outcome = child.started(
        words,
        folder,
        moment=(when, which, group),
        patience=PATIENCE,
        environment={"TMPDIR": str(temporary)},
    )
    place = f"{which.name} to the {'group' if group else 'process'} after {when:.2f} s"
    if words != what.words:
        place += f", --workers {what.workers}"
    ended = list(kept(before, folder, what))
    if not _before_us(outcome, when) and not _behind_us(world, what, folder, outcome):
        ended += _judged(outcome, when, temporary)
    again = child.forked(what.words, folder) if outcome.code != 0 else outcome
    ended += manner(again)
    if again.code == 0 or (again.code == 2 and re.search(THERE, again.err)):
        if again.code == 2:
            again.out = world.whole(what).outcome.out
        ended += result(world, what, folder, again)
    else:
        ended.append(Finding("code", f"repeated, it ends with {again.code}: {last_line(again)}"))
    for finding in ended:
        yield Finding(finding.kind, f"{place}: {finding.text}")
    world.drop(folder)
    world.drop(temporary)


def _judged(outcome: child.Outcome, when: float, temporary: Path) -> Iterator[Finding]:
    """Exit code 130 or 0, one line at most, nobody left."""
    if outcome.left:
        yield Finding("orphan", f"{PATIENCE:.0f} s later runs: {outcome.left[0]}")
    if outcome.code is not None and outcome.seconds - when > SLOW:
        yield Finding("hang", f"ended {outcome.seconds - when:.0f} s after the signal")
    yield from manner(outcome)
    if outcome.code in (2, 3):
        yield Finding("code", f"exit code {outcome.code}: {last_line(outcome)}")
    said = _said(outcome)
    stray = [line for line in said if "interrupted" not in line.lower()]
    if outcome.code == 130 and (len(said) > 1 or stray):
        yield Finding("words", f"is not silent: {(stray or said)[0][:160]!r}")
    if any(temporary.iterdir()):
        yield Finding("leftover", f"left in TMPDIR: {next(temporary.iterdir()).name}")


def _before_us(outcome: child.Outcome, when: float) -> bool:
    """Whether Python was on its way to our first line, where it ends as it pleases."""
    ours = "wsss_cli" in outcome.err
    by_signal = outcome.code in (-signal.SIGINT, -signal.SIGTERM, 1, 130)
    python_alone = "KeyboardInterrupt" in outcome.err or not outcome.err
    return not ours and by_signal and python_alone and when < TOO_EARLY


def _behind_us(world: World, what: Recipe, folder: Path, outcome: child.Outcome) -> bool:
    """Whether all was done, and a silent death by the signal was of Python on its way out."""
    by_signal = outcome.code in (-signal.SIGINT, -signal.SIGTERM) and not _said(outcome)
    return by_signal and not list(result(world, what, folder, outcome))


def _said(outcome: child.Outcome) -> list[str]:
    """Lines of stderr but for warnings, which an undisturbed command may have, too."""
    return [line for line in outcome.err.splitlines() if not line.startswith("wsss: warning: ")]
