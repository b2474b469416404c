"""Commands that die without warning, for tests of what they leave behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

# Imports once, then forks a process for each death, before anything has started threads.
SCRIPT = """
import json, os, signal, sys
import wsss_cli.nets.inference, wsss_cli.nets.rebuild, wsss_cli.training.loop  # the slow ones
from wsss_cli.artifacts.journal import FRAME, Journal
from wsss_cli.cli import entry

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def arm(kind, count):
    append, write, left = Journal.append, Journal._write, [count]
    def noted(self, *item):
        append(self, *item)
        left[0] -= 1
        if left[0] == 0:
            die()
    def torn(self, payload):
        if left[0] == 0:
            self._stream.seek(0, os.SEEK_END)
            self._stream.write(FRAME.pack(len(payload), 0) + payload[: len(payload) // 2])
            self._stream.flush()
            die()
        left[0] -= 1
        return write(self, payload)
    if kind == "noted":
        Journal.append = noted
    elif kind == "torn":
        Journal._write = torn
    else:
        os.replace = die  # all is written, but not in place

for deaths, arguments in json.loads(sys.argv[1]):
    for kind, count in deaths:
        child = os.fork()
        if child == 0:
            arm(kind, count)
            sys.argv = ["wsss", *arguments]
            entry()
        status = os.waitpid(child, 0)[1]
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert killed, (arguments, kind, count, status)
"""

# Runs a command that kills itself without warning after so many calls of a function.
SUICIDE = """
import importlib, os, signal, sys
module, name, left = sys.argv.pop(1), sys.argv.pop(1), [int(sys.argv.pop(1))]
owner = importlib.import_module(module)
*path, last = name.split(".")
for part in path:
    owner = getattr(owner, part)
original = getattr(owner, last)
def fatal(*args):
    original(*args)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, last, fatal)
from wsss_cli.cli import entry
entry()
"""

Death = tuple[str, int]
Command = Sequence[str | Path | int]


def die_in_turn(*runs: tuple[Sequence[Death], Command]) -> None:
    """Run commands again and again, each time until a death by SIGKILL.

    Args:
        runs: the deaths to die of, in turn, and the command's arguments. ("noted", n) comes right
            after the n-th item is in the journal; ("torn", n) amid writing the journal's record
            after n others; ("placing", 0) when the finished file is about to be put in place.
    """
    job = json.dumps([[deaths, [str(arg) for arg in args]] for deaths, args in runs])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "WSSS_DATA": ""}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, job],
        capture_output=True,
        text=True,
        timeout=600,
        env=environment,
    )
    assert done.returncode == 0, done.stderr


def kill_after(items: int, *args: str | Path) -> None:
    """Run a command that dies once `items` are in its journals."""
    _kill_after("wsss_cli.artifacts.journal", "Journal.append", items, *args)


def kill_after_files(files: int, *args: str | Path) -> None:
    """Run a command that dies once `files` outputs are in place."""
    _kill_after("os", "replace", files, *args)


def _kill_after(module: str, name: str, count: int, *args: str | Path) -> None:
    command = [sys.executable, "-c", SUICIDE, module, name, str(count), *map(str, args)]
    # Returns once nobody holds the pipes: workers that outlive their parent would be noticed.
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == -signal.SIGKILL, done.stderr


STEPS = ("replace", "unlink", "fsync", "mkdir")  # of os: between these, nothing changes its name


def deaths(act: Callable[[], object]) -> Iterator[str]:
    """Do something in forked processes that die by SIGKILL, before and after each of its steps.

    Yields:
        where it died, each time; what it left behind is to be looked at, and mended, then.
    """
    for step in range(1, 1000):
        for before in (True, False):
            child = os.fork()
            if child == 0:  # pragma: no cover
                _arm(step, before)
                try:
                    act()
                finally:
                    os._exit(0)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if code == 0:  # it has fewer steps
                return
            assert code == -signal.SIGKILL, code
            yield f"{'before' if before else 'after'} step {step}"


def _arm(step: int, before: bool) -> None:  # pragma: no cover
    taken = 0

    def deadly(call: Callable[..., object]) -> Callable[..., object]:
        def taking(*args: object, **options: object) -> object:
            nonlocal taken
            taken += 1
            if taken == step and before:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return call(*args, **options)
            finally:
                if taken == step:
                    os.kill(os.getpid(), signal.SIGKILL)

        return taking

    for name in STEPS:
        setattr(os, name, deadly(getattr(os, name)))
