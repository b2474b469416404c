"""What a person sees: talk and progress on stderr, tables on stdout."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import pytest

from wsss_cli import console
from wsss_cli.console import log, table, track, warn


def test_talk_goes_to_stderr_unless_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    log("hello")
    log("not this", quiet=True)
    warn("this all the same")
    assert capsys.readouterr() == ("", "hello\nwsss: warning: this all the same\n")


def test_without_stderr_nothing_is_said_and_all_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    log("hello")
    warn("hello")
    assert list(track([1, 2], "make-cam")) == [1, 2]


def test_a_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    table(["class", "iou"], [["a cat", 0.5], ["dog", "12.25"], ["", ""]])
    assert capsys.readouterr().out == "class    iou\na cat    0.5\ndog    12.25\n\n"
    table(["name", "size", "of"], [])
    assert capsys.readouterr() == ("name  size  of\n", "")


def slowly(clock: list[float], seconds: list[float]) -> Iterator[int]:
    for number, passed in enumerate(seconds):
        clock[0] += passed
        yield number


def test_a_log_gets_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: clock[0])
    seconds = [1.0, 29.0, 20.0, 9.0, 31.0, 2.0]
    assert list(track(slowly(clock, seconds), "make-cam", total=9, done=3)) == list(range(6))
    # after 30 seconds, and 31 more than 30 later; 29 of them were not enough
    assert capsys.readouterr().err == "make-cam: 5/9\nmake-cam: 8/9\n"
    list(track(slowly(clock, [31.0]), "make-cam"))
    assert capsys.readouterr().err == "make-cam: 1\n"
    list(track(slowly(clock, [31.0]), "make-cam", quiet=True))
    assert capsys.readouterr().err == ""


def test_the_total_is_known_of_a_list(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "LOG_INTERVAL", 0.0)
    assert list(track(["a", "b"], "eval", done=2)) == ["a", "b"]
    assert capsys.readouterr().err == "eval: 3/4\neval: 4/4\n"


class Terminal(io.StringIO):
    """A terminal, as far as a program can tell."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "stderr", terminal)
    assert list(track(iter([5, 6]), "eval", total=4, done=2)) == [5, 6]
    said = terminal.getvalue()
    assert "eval" in said
    assert "2/4" in said  # of an earlier run
    assert "4/4" in said
    terminal.seek(0)
    terminal.truncate()
    assert list(track([5, 6], "eval", quiet=True)) == [5, 6]
    assert terminal.getvalue() == ""
