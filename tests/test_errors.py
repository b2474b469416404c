"""Errors that a user can cause: their exit codes and hints."""

from __future__ import annotations

import errno
import os

import pytest
from made import wsss

from wsss_cli.errors import (
    BUG,
    INPUT,
    INTERRUPTED,
    STANDARD_OUTPUT,
    USAGE,
    UsageError,
    WsssError,
    shortage,
)


def test_exit_codes_are_those_of_the_manual() -> None:
    assert (BUG, USAGE, INPUT, INTERRUPTED) == (1, 2, 3, 130)


@pytest.mark.parametrize(
    ("error", "hint", "code"),
    [
        (WsssError("x.h5: wrong"), None, 3),
        (WsssError("x.h5: wrong", "do this"), "do this", 3),
        (WsssError("x.h5: wrong", "do this", exit_code=7), "do this", 7),
        (UsageError("x.h5: wrong"), None, 2),
        (UsageError("x.h5: wrong", "do this"), "do this", 2),
    ],
)
def test_an_error_is_its_line_and_its_hint(error: WsssError, hint: str | None, code: int) -> None:
    assert (str(error), error.hint, error.exit_code) == ("x.h5: wrong", hint, code)


def test_a_wrong_command_is_an_error_of_ours() -> None:
    with pytest.raises(WsssError):
        raise UsageError("--x: wrong")


def of(number: int, name: str | None = None) -> OSError:
    """What the system raises."""
    return OSError(number, os.strerror(number), name)


@pytest.mark.parametrize(
    ("error", "said", "hint"),
    [
        (MemoryError(), "not enough memory", "--workers"),
        (of(errno.ENOMEM), "not enough memory", "ulimit -v"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "memory", "--"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "memory", "--batch-size"),
        (ImportError("libtorch.so: failed to map segment from shared object"), "memory", "--"),
        (of(errno.EMFILE, "x.h5"), "too many open files", "ulimit -n"),
        (OSError("unable to open file (errno = 24, 'Too many open files')"), "open files", "-n"),
        (of(errno.ENOSPC, "x.h5"), "x.h5: no space left", "TMPDIR"),
        (of(errno.ENOSPC), "no space left on a disk", "TMPDIR"),
        (OSError("AF_UNIX path too long"), "TMPDIR is too long", "such as /tmp"),
        (RuntimeError("can't start new thread"), "no further process or thread", "ulimit -u"),
        (of(errno.EAGAIN), "no further process or thread", "ulimit -u"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_was_short_is_named(error: Exception, said: str, hint: str) -> None:
    found = shortage(error)
    assert found is not None
    assert said in str(found)
    assert hint in (found.hint or "")
    assert found.exit_code == INPUT


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes do not match"),
        ValueError("out of memory"),
        of(errno.ENOENT, "x.h5"),
        of(errno.ENOSPC, STANDARD_OUTPUT),
        ImportError("no module named torch"),
    ],
    ids=repr,
)
def test_any_other_error_is_no_shortage(error: Exception) -> None:
    assert shortage(error) is None


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 5 bytes."),
    ],
)
def test_a_lack_of_memory_is_one_line_wherever_it_shows(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def lacking(*_: object) -> None:
        raise error

    monkeypatch.setattr("wsss_cli.report.facts.describe", lacking)
    result = wsss("info", "x.h5")
    assert result.exit_code == 3
    error, hint = result.stderr.splitlines()
    assert error == "wsss: error: not enough memory"
    assert hint.startswith("wsss: hint: fewer --workers")
