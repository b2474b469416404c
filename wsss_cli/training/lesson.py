"""Lessons: what a method of a training command is, and how it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..options.cards import Card, Chosen
from ..options.training import Recipe, Setting
from .job import Job, begin, train

if TYPE_CHECKING:
    from torch import nn

    from .team import Team


class Lesson(Protocol):
    """A method with its options, all of them checked."""

    @property
    def fewest_epochs(self) -> int:
        """The least that makes a network."""

    def job(self, team: Team, files: ExitStack) -> Job:
        """What there is to train; `files` closes what it opens."""


@dataclass(frozen=True, kw_only=True)
class TrainingCard(Card):
    """A method of a training command.

    Attributes:
        lesson: of what the command is told and the method's own options.
        network: that weights of the method hold, untrained, of their config and the number of
            its outputs.
        probes: whether training starts from a linear probe, of all options by parameter.
        learns: as of all cards; no method of training may leave it unsaid.
    """

    lesson: Callable[[Any, Any], Lesson]
    network: Callable[[Mapping[str, Any], int], nn.Module]
    probes: Callable[[Mapping[str, Any]], bool] = lambda _: False
    learns: tuple[str, ...] = field()


def teach(method: Chosen, task: Any, out: Path, recipe: Recipe, setting: Setting) -> None:
    """Train by a method, from wherever an earlier attempt was stopped.

    Args:
        method: whose lesson it is.
        task: what the command is told.
        out, recipe, setting: of the weights and the run.
    """
    lesson: Lesson = method.card.lesson(task, method.options)
    with begin(out, recipe, setting, lesson.fewest_epochs) as team, ExitStack() as files:
        train(lesson.job(team, files), recipe, setting, team, method.card.learns)
