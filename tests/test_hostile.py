"""The sample of tests/hostile that runs with the tests, and what its verdicts are made by."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hostile import recipes
from hostile.child import Outcome
from hostile.content import content
from hostile.judge import differences, manner, refusal
from hostile.run import PARTS

import wsss_cli
from wsss_cli import commands

RUN = Path(__file__).with_name("hostile") / "run.py"
PATH = str(Path(wsss_cli.__file__).resolve().parents[1])


@pytest.fixture(scope="module")
def sample() -> str:
    """What the harness says of its seeded sample."""
    done = subprocess.run(
        [sys.executable, str(RUN), "--ci"],
        capture_output=True,
        text=True,
        timeout=1800,
        env={**os.environ, "PYTHONPATH": PATH},
    )
    assert re.search(r"^\d+ tries, \d+ with findings", done.stdout, re.MULTILINE), (
        done.stdout + done.stderr
    )
    return done.stdout


@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_lost_misread_or_left(part: str, sample: str) -> None:
    found = re.findall(rf"^\w+: {part} .*\n +python .*$", sample, re.MULTILINE)
    assert not found, "\n".join(found)
    assert re.search(rf"^{part}, all +{PARTS[part]}\b", sample, re.MULTILINE)


def test_a_command_without_a_recipe_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert recipes.without_recipe() == []
    more = (*commands.COMMANDS, SimpleNamespace(NAME="count"))
    monkeypatch.setattr(commands, "COMMANDS", more)
    assert recipes.without_recipe() == ["count"]


def ended(code: int | None, err: str = "", out: str = "") -> Outcome:
    return Outcome(code, out, err, 1.0, 0)


@pytest.mark.parametrize(
    ("outcome", "kinds"),
    [
        (ended(0), []),
        (ended(-signal.SIGKILL), []),
        (ended(3, "wsss: error: x.h5: damaged\n"), []),
        (ended(1, "Traceback (most recent call last):\n  ...\n"), ["traceback"]),
        (ended(3, "OSError: [Errno 28]\n"), ["traceback"]),
        (ended(0, "a.py:3: RuntimeWarning: invalid value\n"), ["words"]),
        (ended(-signal.SIGSEGV), ["code"]),
        (ended(1), ["code"]),
        (ended(None), ["hang"]),
    ],
)  # fmt: skip
def test_manner(outcome: Outcome, kinds: list[str]) -> None:
    assert [one.kind for one in manner(outcome)] == kinds


@pytest.mark.parametrize(
    ("err", "count"),
    [
        ("wsss: error: x.h5: damaged\nwsss: hint: rerun it\n", 0),
        ("wsss: warning: y\nwsss: error: x.h5: damaged\n", 0),
        ("Usage: wsss info FILE\nTry 'wsss info -h'\n\nError: 'x.h5' is no file\n", 0),
        ("wsss: error: other.h5: damaged\n", 1),
        ("wsss: error: x.h5: a\nwsss: error: x.h5: b\n", 1),
        ("wsss: error: x.h5: a\nand more\n", 1),
        ("", 2),
    ],
)
def test_refusal(err: str, count: int) -> None:
    assert len(list(refusal(ended(3, err), {"x.h5"}))) == count


def test_differences() -> None:
    wanted = {"a": "1", "b": "2", "c": "3"}
    assert list(differences(wanted, dict(wanted))) == []
    found = differences(wanted, {"a": "1", "b": "4", ".b.tmp": "5"})
    assert [(one.kind, one.text.rpartition(" ")[2]) for one in found] == [
        ("lost", "c"),
        ("lost", "b"),
        ("leftover", ".b.tmp"),
    ]


def test_contents_are_equal_where_values_are(tiny_data: Path) -> None:
    copy = tiny_data.with_name("copy.h5")
    copy.write_bytes(tiny_data.read_bytes())
    home = tiny_data.parent
    assert content(copy, home) == content(tiny_data, home)
    copy.write_bytes(copy.read_bytes()[:-9])
    assert content(copy, home) != content(tiny_data, home)
    script = home / "a.sh"
    script.write_text(f"cd {home}\n")
    other = home / "b"
    other.mkdir()
    (other / "a.sh").write_text(f"cd {other}\n")
    assert content(script, home) == content(other / "a.sh", other)
