"""Errors that a user can cause: their exit codes and hints."""

from __future__ import annotations

import errno

import pytest
from made import wsss

from wsss_cli.errors import BUG, INPUT, INTERRUPTED, USAGE, UsageError, WsssError


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
    assert (result.exit_code, result.stderr) == (3, "wsss: error: not enough memory\n")
