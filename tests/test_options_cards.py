"""Cards: a method's own options with its defaults, and as an artifact keeps them."""

from __future__ import annotations

import enum
from dataclasses import MISSING, dataclass
from typing import Annotated

import pytest
import typer

from wsss_cli.options.cards import Card, Chosen, Due, NoOptions, due, plain


class Kind(str, enum.Enum):
    small = "small"
    large = "large"


@dataclass(frozen=True, kw_only=True)
class Shared:
    size: Annotated[int, typer.Option(help="Its size.")] = 3


@dataclass(frozen=True, kw_only=True)
class Own(Shared):
    kind: Annotated[Kind, typer.Option(help="Its kind.")] = Kind.small
    depth: Annotated[int | None, typer.Option(help="Its depth.")] = None


def test_a_default_that_is_due_is_made_of_other_options() -> None:
    twice = Due(lambda options: 2 * options["size"], "twice --size")
    assert str(twice) == "twice --size"
    assert due(twice, {"size": 4}) == 8
    assert due(5, {"size": 4}) == 5
    assert due(None, {}) is None


def test_own_options_with_the_methods_defaults() -> None:
    assert Card(name="x", said="x").own == {}
    assert Card(name="x", said="x", options=Own).own == {
        "size": 3,
        "kind": Kind.small,
        "depth": None,
    }
    wider = Due(lambda options: 1, "one")
    card = Card(name="x", said="x", options=Own, usual={"size": 7, "depth": wider, "rate": 0.5})
    assert card.own == {"size": 7, "kind": Kind.small, "depth": wider}  # --rate is the command's
    assert list(card.own) == ["size", "kind", "depth"]  # what is shared comes first


def test_what_a_card_says_unless_told() -> None:
    card = Card(name="x", said="what it does")
    assert (card.options, card.usual, card.lacks, card.by) == (NoOptions, {}, (), "method")
    assert (card.needs, card.makes, card.source, card.page) == ("", "", "", "")


def test_an_option_without_a_default_is_known_by_that() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Needy:
        size: int

    assert Card(name="x", said="x", options=Needy).own == {"size": MISSING}
    assert Card(name="x", said="x", options=Needy, usual={"size": 4}).own == {"size": 4}


def test_a_choice_goes_by_its_cards_name() -> None:
    card = Card(name="x", said="x", options=Own)
    chosen = Chosen(card, Own(size=1))
    assert chosen.name == "x"
    assert chosen.options.size == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (NoOptions(), {}),
        (Own(), {"size": 3, "kind": "small", "depth": None}),
        (Own(size=4, kind=Kind.large, depth=2), {"size": 4, "kind": "large", "depth": 2}),
    ],
)
def test_options_as_an_artifact_keeps_them(options: object, expected: dict[str, object]) -> None:
    found = plain(options)
    assert found == expected
    assert type(found.get("kind", "")) is str  # and not the enum, which compares as one
