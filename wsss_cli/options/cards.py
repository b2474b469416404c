"""Cards: what a method is.

A method is a card: its name, what it does in a few words, its own options, its defaults of the
command's options, what it needs and makes. A command lists its cards and learns everything from
them (`select.Select`): the choices of --method, the options and their help, which options are
refused, and the table of methods in the docs.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Due:
    """A default that follows from other options.

    Attributes:
        of: makes it of all options by name. Plain defaults have their values by then, and so have
            `Due` ones before it in the table.
        said: what --help says of it.
    """

    of: Callable[[Mapping[str, Any]], Any]
    said: str

    def __str__(self) -> str:
        return self.said


def due(usual: Any, options: Mapping[str, Any]) -> Any:
    """A default, be it a `Due` one."""
    return usual.of(options) if isinstance(usual, Due) else usual


@dataclass(frozen=True, kw_only=True)
class NoOptions:
    """The options of a method that has none of its own."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a method is. A command's methods have cards of a class derived from this one, which
    says what that command has a method do.

    Attributes:
        name: as --method takes it.
        said: what it does, in a few words, for --help and the docs.
        options: dataclass of its own options: fields Annotated as Typer wants them, each with its
            true default. What several methods share, they inherit from one class.
        usual: its defaults of the command's options, by name, where these differ between methods,
            and of inherited own options; `Due` ones may look at all options.
        lacks: options of the command that it has no use for, by name.
        needs: what it reads beside what its command always reads, in words.
        makes: what it writes beside the command's usual output, in words.
        source: the paper and the published code.
        page: of docs/methods, without .md; empty where --help says it all.
        by: the option that chooses it.
        learns: the kinds of labels of the data set (KINDS of artifacts/supervision.py) that it
            reads itself, beside those that taught its input files.
    """

    name: str
    said: str
    options: type = NoOptions
    usual: Mapping[str, Any] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    needs: str = ""
    makes: str = ""
    source: str = ""
    page: str = ""
    by: str = "method"
    learns: tuple[str, ...] = ()

    @property
    def own(self) -> dict[str, Any]:
        """Its own options by name, with their defaults, be they `Due` ones."""
        return {one.name: self.usual.get(one.name, one.default) for one in fields(self.options)}


@dataclass(frozen=True)
class Chosen:
    """What a command gets of --method: the card, and its own options with all defaults settled."""

    card: Any
    options: Any

    @property
    def name(self) -> str:
        """The card's."""
        return str(self.card.name)


def plain(options: Any) -> dict[str, Any]:
    """A method's own options as an artifact keeps them: plain values by name."""
    values = {one.name: getattr(options, one.name) for one in fields(options)}
    return {k: v.value if isinstance(v, enum.Enum) else v for k, v in values.items()}
