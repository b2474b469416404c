"""Part `environments`: full disks, few files, little memory, odd streams, folders and locales."""

from __future__ import annotations

import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from . import child
from .judge import Finding, kept, last_line, manner, refusal, result, unfinished
from .mutations import ALLOWED, LIMIT
from .recipes import RECIPES, recipe
from .rights import can_be_refused, lay_down_rights
from .world import World, inputs

LINUX = sys.platform == "linux"
NO_LOCKS = """
#include <errno.h>
#include <stdlib.h>
int flock(int file, int how) { errno = atoi(getenv("NO_LOCKS")); return -1; }
"""
Run = Callable[[list[str], Path, Random], child.Outcome]


def full_disk(words: list[str], folder: Path, random: Random) -> child.Outcome:
    """Files that cannot grow: what a full disk does, without filling one."""
    size = random.choice([4096, 8192, 16384, 65536, 1 << 20])

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return child.forked(words, folder, before=limit)


def little_memory(words: list[str], folder: Path, random: Random) -> child.Outcome:
    """A few megabytes more than what the imports took."""
    space = random.choice([1 << 20, 8 << 20, 32 << 20, 64 << 20])

    def limit() -> None:
        most = child.address_space() + space
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    return child.forked(words, folder, before=limit)


def few_files(words: list[str], folder: Path, random: Random) -> child.Outcome:
    return child.started(words, folder, shell='ulimit -n 16; exec "$@"')


def read_only_folder(words: list[str], folder: Path, random: Random) -> child.Outcome:
    folder.chmod(0o555)
    try:
        return child.forked(words, folder, before=lay_down_rights)
    finally:
        folder.chmod(0o755)


def long_temporary_folder(words: list[str], folder: Path, random: Random) -> child.Outcome:
    with tempfile.TemporaryDirectory() as place:
        long = Path(place) / ("t" * 120)
        long.mkdir()
        return child.started(words, folder, environment={"TMPDIR": str(long)})


def no_temporary_folder(words: list[str], folder: Path, random: Random) -> child.Outcome:
    return child.started(words, folder, environment={"TMPDIR": "/nowhere"})


def closed_streams(words: list[str], folder: Path, random: Random) -> child.Outcome:
    which = random.choice(["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
    return child.started(words, folder, shell=f'exec "$@" {which}')


def plain_locale(words: list[str], folder: Path, random: Random) -> child.Outcome:
    plain = {"LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    return child.started(words, folder, environment=plain)


def no_home(words: list[str], folder: Path, random: Random) -> child.Outcome:
    return child.started(words, folder, environment={"HOME": "", "USER": "", "PATH": ""})


def no_folder(words: list[str], folder: Path, random: Random) -> child.Outcome:
    """In a folder that was deleted, so that no name leads to a file."""
    return child.started(words, folder, shell='mkdir gone; cd gone; rmdir ../gone; exec "$@"')


def no_locks(words: list[str], folder: Path, random: Random) -> child.Outcome:
    """A file system that knows no locks, as some of networks."""
    number = random.choice(["37", "38", "5"])
    environment = {"LD_PRELOAD": str(_library(folder.parent)), "NO_LOCKS": number}
    return child.started(words, folder, environment=environment)


def _library(place: Path) -> Path:
    """Compiled once in each process's folder of tries."""
    library = place / "flock.so"
    if not library.exists():
        (place / "flock.c").write_text(NO_LOCKS)
        command = ["gcc", "-shared", "-fPIC", "-o", library.name, "flock.c"]
        subprocess.run(command, cwd=place, check=True)
    return library


# Each with whether the command has to be done all the same, and whether it can be tried here.
ENVIRONMENTS: dict[str, tuple[Run, bool, bool]] = {
    "full disk": (full_disk, False, True),
    "little memory": (little_memory, False, LINUX),
    "few files": (few_files, False, True),
    "read-only folder": (read_only_folder, False, can_be_refused()),
    "long TMPDIR": (long_temporary_folder, True, True),
    "no TMPDIR": (no_temporary_folder, True, True),
    "closed streams": (closed_streams, False, True),
    "plain locale": (plain_locale, True, True),
    "no home": (no_home, True, True),
    "no folder": (no_folder, False, True),
    "no locks": (no_locks, True, LINUX and shutil.which("gcc") is not None),
}


def names() -> list[str]:
    """What can be tried on this machine; the rest is said."""
    for name, (_, _, possible) in ENVIRONMENTS.items():
        if not possible:
            print(f"skipped here: environments {name}")
    return [name for name, (_, _, possible) in ENVIRONMENTS.items() if possible]


def attempt(world: World, name: str, number: int, random: Random) -> Iterator[Finding]:
    """Run a command there, and once more where all is well."""
    run, must_do, _ = ENVIRONMENTS[name]
    order = [one.name for one in RECIPES]
    Random(name).shuffle(order)
    what = recipe(order[number % len(order)])
    words = what.words
    if what.workers and random.random() < 0.5:
        words[words.index("--workers") + 1] = what.workers
    world.whole(what)  # before anything is scarce
    folder = world.fresh(what)
    before = inputs(folder, what)
    outcome = run(words, folder, random)
    found = [*manner(outcome), *kept(before, folder, what)]
    if outcome.code == 0:
        if outcome.out or not what.prints or must_do:
            found += result(world, what, folder, outcome)
    else:
        if outcome.code in (2, 3) and outcome.err:
            found += refusal(outcome, ())
            found += unfinished(folder, what, ALLOWED)
        if must_do:
            found.append(Finding("code", f"exit code {outcome.code}: {last_line(outcome)}"))
        if re.search("standard output", outcome.err) and name != "closed streams":
            found.append(Finding("words", f"at the wrong door: {last_line(outcome)}"))
        again = child.forked(what.words, folder, limit=LIMIT)
        if again.code == 0:
            found += result(world, what, folder, again)
        else:
            found.append(Finding("code", f"where all is well, it ends so: {last_line(again)}"))
    for finding in found:
        yield Finding(finding.kind, f"{' '.join(words[:4])}: {finding.text}")
    world.drop(folder)
