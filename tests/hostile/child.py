"""Running one command: forked from this process, which has imported all, or started afresh."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import pkgutil
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

MEMORY = 2 << 30  # bytes that a command may ask for beyond what this process has
# Starts the program as `python -m wsss_cli` does, and says so right before it.
MARKED = """
import os, runpy, sys
os.write(int(os.environ.pop("HOSTILE_MARK")), b".")
sys.argv[0] = "wsss"
runpy.run_module("wsss_cli", run_name="__main__", alter_sys=True)
"""
LIMIT = 60.0  # seconds until a command counts as hanging

Moment = tuple[float, int, bool]  # seconds after the start, signal, whether the group gets it


@dataclass
class Outcome:
    """How a command ended.

    Attributes:
        code: its exit code, or minus the signal that ended it; None where it hung.
        out, err: what it wrote.
        seconds: how long it ran.
        peak: bytes of memory it had at most (a forked one: what it shares with this process too).
        left: processes of its group that were alive `patience` seconds after its end.
    """

    code: int | None
    out: str
    err: str
    seconds: float
    peak: int
    left: list[str] = field(default_factory=list)


def warm() -> None:
    """Import the whole program here, so that forked commands begin at once."""
    import torch

    import wsss_cli

    torch.set_num_threads(1)
    for module in pkgutil.walk_packages(wsss_cli.__path__, "wsss_cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    from typer.testing import CliRunner

    from wsss_cli.cli import app

    CliRunner().invoke(app, ["eval", os.devnull])  # what typer imports when it is first needed
    gc.freeze()  # pages that a fork's garbage collector would touch stay shared


def forked(
    words: Sequence[str],
    folder: Path,
    *,
    before: Callable[[], object] | None = None,
    moment: Moment | None = None,
    limit: float = LIMIT,
) -> Outcome:
    """Run a command in a fork of this process; `before` is called in the child."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        child = os.fork()
        if child == 0:
            _be_command(words, folder, before, out, err)
        return _wait(child, start, out, err, moment, limit, patience=0.0)


def started(
    words: Sequence[str],
    folder: Path,
    *,
    moment: Moment | None = None,
    limit: float = LIMIT,
    patience: float = 0.0,
    environment: dict[str, str] | None = None,
    shell: str = "",
    stdin: IO[bytes] | None = None,
) -> Outcome:
    """Run a command as a process of its own.

    Args:
        words: its arguments.
        folder: that it runs in.
        moment: of a signal; counted from where Python begins to run the program.
        limit: seconds until it is killed.
        patience: seconds until processes that it left count.
        environment: added to this process's; an empty value takes a variable away.
        shell: lines that a shell runs before it, and of which `"$@"` is the command.
        stdin: its standard input; by default it is empty.
    """
    command = [sys.executable, "-c", MARKED, *words]
    if shell:
        command = ["sh", "-c", shell, "sh", *command]
    mark, marked = os.pipe()
    changed = {**os.environ, "PYTHONPATH": import_path(), "HOSTILE_MARK": str(marked)}
    changed |= environment or {}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env={name: value for name, value in changed.items() if value},
            stdin=stdin or subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            pass_fds=[marked],
        )
        os.close(marked)
        os.read(mark, 1)  # the mark, or the end of a process that did not come so far
        os.close(mark)
        start = time.monotonic()
        outcome = _wait(child.pid, start, out, err, moment, limit, patience)
        child.returncode = outcome.code or 0  # it was waited for
        return outcome


def import_path() -> str:
    """Where this process's wsss_cli comes from, so that a fresh one takes the same."""
    import wsss_cli

    return str(Path(str(wsss_cli.__file__)).resolve().parents[1])


def _be_command(
    words: Sequence[str],
    folder: Path,
    before: Callable[[], object] | None,
    out: IO[bytes],
    err: IO[bytes],
) -> None:
    """In the child: be `wsss WORDS`, and end."""
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        if sys.platform == "linux":  # macOS has no limit that holds
            space = address_space() + MEMORY
            resource.setrlimit(resource.RLIMIT_AS, (space, space))
        sys.argv = ["wsss", *words]
        from wsss_cli.cli import entry

        if before is not None:
            before()
        try:
            entry()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
        except BaseException:
            traceback.print_exc()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def address_space() -> int:
    """Bytes of this process's address space (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _wait(
    child: int,
    start: float,
    out: IO[bytes],
    err: IO[bytes],
    moment: Moment | None,
    limit: float,
    patience: float,
) -> Outcome:
    status: int | None = None
    usage = None
    while time.monotonic() - start < limit:
        done, status_now, usage = os.wait4(child, os.WNOHANG)
        if done:
            status = status_now
            break
        now = time.monotonic() - start
        if moment is not None and now >= moment[0]:
            _send(child, moment[1], moment[2])
            moment = None
        time.sleep(min(0.002, max(0.0, moment[0] - now)) if moment is not None else 0.002)
    seconds = time.monotonic() - start
    end = time.monotonic() + patience
    left = processes(child) if patience else []
    while left and time.monotonic() < end and status is not None:
        time.sleep(0.1)
        left = processes(child)
    _send(child, signal.SIGKILL, group=True)
    if status is None:
        _, _, usage = os.wait4(child, 0)
    code = None if status is None else os.waitstatus_to_exitcode(status)
    scale = 1 if sys.platform == "darwin" else 1024
    return Outcome(
        code,
        _text(out),
        _text(err),
        seconds,
        usage.ru_maxrss * scale if usage else 0,
        left,
    )


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="backslashreplace")


def _send(child: int, number: int, group: bool) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended
        (os.killpg if group else os.kill)(child, number)


def processes(group: int) -> list[str]:
    """Live processes of a group but its leader, as `pid command`."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,pgid=,stat=,args="], capture_output=True, text=True, check=True
    )
    rows = (line.split(None, 3) for line in listed.stdout.splitlines())
    return [
        f"{row[0]} {row[3][:80]}"
        for row in rows
        if len(row) == 4 and row[1] == str(group) and row[0] != row[1] and row[2][0] != "Z"
    ]
