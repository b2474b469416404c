"""What a command may say and leave, and what it may not."""

from __future__ import annotations

import re
import signal
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .child import Outcome
from .content import Content
from .recipes import Recipe
from .world import World, inputs, made

# What a finding is about, in the order of the summary's columns.
KINDS = ("lost", "misread", "traceback", "leftover", "hang", "memory", "orphan", "code", "words")
MEMORY = 1 << 30  # bytes that a tiny file may cost beyond what the undisturbed command takes

TRACE = re.compile(r"^Traceback|^  File \"|Exception ignored|^\w+(Error|Exception)\b", re.MULTILINE)
RAW = re.compile(r"^.*\b\w*Warning: .*$|^\[W|terminate called|\*\*\*", re.MULTILINE)


@dataclass(frozen=True)
class Finding:
    """Something that must not be.

    Attributes:
        kind: one of KINDS.
        text: what was seen.
    """

    kind: str
    text: str


def manner(outcome: Outcome) -> Iterator[Finding]:
    """Whatever happens to a command: no traceback, no raw warning, an end, a known exit code."""
    if outcome.code is None:
        yield Finding("hang", f"did not end in {outcome.seconds:.0f} s")
    both = outcome.err + outcome.out
    if TRACE.search(both):
        yield Finding("traceback", last_line(outcome))
    elif raw := RAW.search(outcome.err):
        yield Finding("words", f"a raw message: {raw.group()[:160]}")
    elif outcome.code not in (0, 2, 3, 130, None, -signal.SIGKILL):
        yield Finding("code", f"exit code {outcome.code}: {last_line(outcome)}")


def refusal(outcome: Outcome, names: Collection[str]) -> Iterator[Finding]:
    """Of a command that ended with 2 or 3: one line of error, a hint at most, the file's name.

    Args:
        outcome: its end.
        names: of which one must be said; empty for any.
    """
    lines = outcome.err.splitlines()
    if lines and lines[0].startswith("Usage: "):
        said = [line for line in lines if line.startswith("Error: ")]
        rest: list[str] = []
    else:
        said = [line for line in lines if line.startswith("wsss: error: ")]
        talk = ("wsss: error: ", "wsss: hint: ", "wsss: warning: ")
        rest = [line for line in lines if not line.startswith(talk)]
    if len(said) != 1:
        yield Finding("words", f"{len(said)} lines of error: {outcome.err[:300]!r}")
    if rest:
        yield Finding("words", f"a stray line: {rest[0][:160]}")
    if names and not any(name in outcome.err for name in names):
        yield Finding("words", f"names none of {', '.join(names)}: {last_line(outcome)}")


def greed(outcome: Outcome, usual: Outcome) -> Iterator[Finding]:
    """Memory beyond reason."""
    if outcome.peak - usual.peak > MEMORY:
        yield Finding("memory", f"{(outcome.peak - usual.peak) >> 20} MB more than undisturbed")


def kept(before: Mapping[str, bytes], folder: Path, recipe: Recipe) -> Iterator[Finding]:
    """Inputs are what they were, byte for byte."""
    now = inputs(folder, recipe)
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            yield Finding("lost", f"the input {name} was changed")


def result(world: World, recipe: Recipe, folder: Path, outcome: Outcome) -> Iterator[Finding]:
    """What a finished command left is what the undisturbed one leaves, and nothing else."""
    whole = world.whole(recipe)
    yield from differences(whole.made, made(folder, recipe))
    if recipe.prints and outcome.out != whole.outcome.out:
        yield Finding("lost", "prints another result than undisturbed")


def differences(wanted: Mapping[str, Content], found: Mapping[str, Content]) -> Iterator[Finding]:
    """Files that are missing, of other content, or too many."""
    missing = sorted(wanted.keys() - found.keys())
    if missing:
        yield Finding("lost", f"missing: {', '.join(missing)}"[:200])
    other = [name for name in sorted(wanted) if found.get(name, wanted[name]) != wanted[name]]
    if other:
        yield Finding("lost", f"differs from an undisturbed run's: {', '.join(other)}"[:200])
    extra = sorted(found.keys() - wanted.keys())
    if extra:
        yield Finding("leftover", f"left: {', '.join(extra)}"[:200])


def unfinished(folder: Path, recipe: Recipe, allowed: str = "") -> Iterator[Finding]:
    """Of a command that failed: no output, no temporary file; `allowed` is a pattern of names."""
    for name in made(folder, recipe):
        if not (allowed and re.search(allowed, name)):
            yield Finding("leftover", f"failed, and left {name}")


def last_line(outcome: Outcome) -> str:
    """What a command's messages come to: its error, or else its last line."""
    lines = [line for line in outcome.err.splitlines() if line.strip()]
    said = [line for line in lines if line.startswith("wsss: error: ")]
    return (said or lines[-1:] or ["(silence)"])[0][:200]
