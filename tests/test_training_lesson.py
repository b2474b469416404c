"""Lessons: refused before anything is opened, and nothing is left open after them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from wsss_cli.artifacts.supervision import POINTS, TAGS
from wsss_cli.errors import UsageError
from wsss_cli.options.cards import Chosen
from wsss_cli.options.training import Recipe, Setting
from wsss_cli.training import lesson as module
from wsss_cli.training.lesson import TrainingCard, teach
from wsss_cli.training.team import Team

RECIPE, SETTING = Recipe(epochs=2, batch_size=3, lr=0.5), Setting(device="cpu")


class Spy:
    """A lesson of at least two epochs, and all that happens to it."""

    fewest_epochs = 2

    def __init__(self) -> None:
        self.told: list[Any] = []

    @property
    def method(self) -> Chosen:
        """A method whose lesson it is, and which learns from tags."""
        options: dict[str, Any] = {"name": "x", "said": "x", "network": Spy, "learns": (TAGS,)}
        return Chosen(TrainingCard(**options, lesson=lambda task, options: self), None)

    def job(self, team: Team, files: ExitStack) -> Any:
        self.told.append("opened")
        files.callback(self.told.append, "closed")
        return "the job"


def test_a_lesson_is_trained_with_its_files_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = Spy()
    monkeypatch.setattr(module, "train", lambda *given: lesson.told.append(given))
    teach(lesson.method, "the task", tmp_path / "x.pt", RECIPE, SETTING)
    opened, (job, recipe, setting, team, learns), closed = lesson.told
    assert (opened, job, closed) == ("opened", "the job", "closed")
    assert (recipe, setting) == (RECIPE, SETTING)
    assert (team.world, learns) == (1, (TAGS,))


def test_files_are_closed_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = Spy()

    def fail(*given: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "train", fail)
    with pytest.raises(KeyboardInterrupt):
        teach(lesson.method, "the task", tmp_path / "x.pt", RECIPE, SETTING)
    assert lesson.told == ["opened", "closed"]


def test_what_is_refused_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    lesson, out = Spy(), tmp_path / "x.pt"
    with pytest.raises(UsageError, match="--epochs: must be at least 2"):
        teach(lesson.method, "the task", out, Recipe(epochs=1, batch_size=3, lr=0.5), SETTING)
    out.write_bytes(b"")
    with pytest.raises(UsageError, match="exists already"):
        teach(lesson.method, "the task", out, RECIPE, SETTING)
    assert lesson.told == []


def test_a_method_starts_from_no_probe_unless_its_card_says_so() -> None:
    options: dict[str, Any] = {"name": "x", "said": "x", "lesson": Spy, "network": Spy}
    with pytest.raises(TypeError, match="learns"):  # from what it learns may not stay unsaid
        TrainingCard(**options)
    options["learns"] = (POINTS,)
    assert TrainingCard(**options).probes({"probe": True}) is False
    card = TrainingCard(**options, probes=lambda given: given["probe"])
    assert card.probes({"probe": True}) is True
