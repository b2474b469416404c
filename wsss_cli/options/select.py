"""How a command chooses among its methods' cards: what chooses, and the options of each card."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, Optional, get_type_hints

from ..errors import UsageError
from .annotations import (
    annotated,
    in_words,
    marks,
    spelled_as,
    typed,
    with_default,
    with_marks,
)
from .cards import Card, Chosen, Due, due

Refusal = Callable[[str, str, Sequence[str]], UsageError]


@dataclass(frozen=True)
class Second:
    """A second option that chooses among the cards of one value of --method, as --loss does.

    Attributes:
        option: its name, the cards' `by`.
        under: the value of --method under which there is this choice.
        text: what --help says of it.
        said: what --help says of that value of --method.
    """

    option: str
    under: str
    text: str
    said: str


class Select:
    """Annotation of a command's parameter `method`, which is one of several cards.

    The parameter becomes the option --method, and all the cards' own options with it. The command
    gets a `Chosen`.

    Args:
        cards: to choose from; the first is the default.
        text: what --help says of --method; what each card does is added.
        default: the name of the card where none is chosen, if it follows from other options.
        second: where some cards are chosen by another option.
        words: help of some own options in place of what they are declared with.
        refusal: makes the error of an option's spelling, the chosen card and the option's owners.
    """

    def __init__(
        self,
        cards: Sequence[Card],
        text: str,
        default: Due | None = None,
        second: Second | None = None,
        words: Mapping[str, str] | None = None,
        refusal: Refusal | None = None,
    ) -> None:
        self.cards = {card.name: card for card in cards}
        self.text, self.second = text, second
        self.own = merged(cards)
        self._default, self._refusal = default, refusal
        for name, said in (words or {}).items():
            self.own[name].info.help = said

    @property
    def switches(self) -> dict[str, dict[str, str]]:
        """The options that choose: names of their values and what these do."""
        found: dict[str, dict[str, str]] = {"method": {}}
        if self.second is not None:
            found["method"][self.second.under] = self.second.said
            found[self.second.option] = {}
        for card in self.cards.values():
            found[card.by][card.name] = card.said
        return found

    def help(self, switch: str) -> str:
        """What --help says of an option that chooses."""
        text = self.text if switch == "method" else str(self.second and self.second.text)
        each = "; ".join(f"{name}: {said}" for name, said in self.switches[switch].items())
        default = next(iter(self.switches[switch]))
        if switch == "method" and self._default is not None:
            default = self._default.said
        return with_default(f"{text} {each}.", default)

    @property
    def dependent(self) -> dict[str, dict[str, Any]]:
        """The command's options whose defaults depend on the card: those defaults by card."""
        names = {name for card in self.cards.values() for name in card.usual}
        names -= self.own.keys()
        for name in names:
            lacking = [c.name for c in self.cards.values() if name not in (*c.usual, *c.lacks)]
            if lacking:
                raise TypeError(f"{', '.join(lacking)} give no default of {name}")
        return {
            name: {c.name: c.usual[name] for c in self.cards.values() if name in c.usual}
            for name in names
        }

    def settle(self, given: dict[str, Any], defaults: Mapping[str, Any]) -> None:
        """Put the names chosen and all defaults that depend on them in their places.

        Args:
            given: options by name as Typer read them, None where own and dependent ones were not
                given; changed.
            defaults: of the other options.

        Raises:
            UsageError: an option of another card.
        """
        card = self._choose(given)
        others = [name for name in self.own if given[name] is not None and name not in card.own]
        if others:  # that of another --method first: it says more than that of another --loss
            raise self._refused(min(others, key=lambda name: self._near(name, card)), card)
        for name in card.lacks:
            if given[name] != defaults.get(name):
                raise _no_such_thing(typed(name), card)
        usual = {**card.own, **card.usual}
        for name in sorted(usual, key=lambda name: isinstance(usual[name], Due)):  # these look
            if given[name] is None:
                given[name] = due(usual[name], given)

    def _choose(self, given: dict[str, Any]) -> Card:
        """The card; its name or names are put into `given`."""
        switches, second = self.switches, self.second
        for switch, names in switches.items():
            found = given[switch]
            given[switch] = getattr(found, "value", found)
            if given[switch] is None and switch == "method":
                usual = next(iter(names)) if self._default is None else self._default
                given[switch] = due(usual, given)
        if second is None:
            return self.cards[given["method"]]
        if given["method"] == second.under:
            given[second.option] = given[second.option] or next(iter(switches[second.option]))
            return self.cards[given[second.option]]
        card = self.cards[given["method"]]
        if given[second.option] is not None:
            raise _no_such_thing(f"--{second.option}", card)
        return card

    def chosen(self, given: dict[str, Any]) -> Chosen:
        """The choice that settled options hold; its switches and own options leave `given`."""
        names = {switch: given.pop(switch) for switch in self.switches}
        second = self.second
        by = second.option if second and names["method"] == second.under else "method"
        card = self.cards[names[by]]
        values = {name: given.pop(name) for name in self.own}
        return Chosen(card, card.options(**{name: values[name] for name in card.own}))

    def _near(self, name: str, card: Card) -> bool:
        """Whether an own option is of a card that the same option chooses as this one."""
        return any(name in one.own for one in self.cards.values() if one.by == card.by)

    def _refused(self, name: str, card: Card) -> UsageError:
        spelled = spelled_as(name, self.own[name].info)
        owners = [one for one in self.cards.values() if name in one.own]
        if self._refusal is not None:
            return self._refusal(spelled, card.name, [one.name for one in owners])
        if self.second and card.by != "method" and all(one.by == "method" for one in owners):
            card = Card(name=self.second.under, said="")
        return _no_such_thing(spelled, card, owners)


def _no_such_thing(spelled: str, card: Card, owners: Sequence[Card] = ()) -> UsageError:
    having = " or ".join(f"--{one.by} {one.name}" for one in owners)
    said = f"{spelled}: --{card.by} {card.name} has no such thing"
    return UsageError(said, f"{having} and {spelled} go together" if having else None)


@dataclass
class OwnOption:
    """An option of some cards, as all of a command's cards together have it."""

    kind: Any
    info: Any
    home: type  # the class that declares it
    defaults: dict[str, Any]  # by card
    marks: tuple[Any, ...] = ()  # what else it is annotated with

    def annotation(self, n_cards: int) -> Any:
        """For Typer: optional, its help naming the cards that have it and their defaults."""
        info = copy.copy(self.info)
        owners = f"{', '.join(self.defaults)}: " if len(self.defaults) < n_cards else ""
        info.help = with_default(f"{owners}{info.help}", in_words(self.defaults))
        return with_marks(Optional[self.kind], info, self.marks)  # noqa: UP045


def merged(cards: Sequence[Card]) -> dict[str, OwnOption]:
    """All cards' own options by name."""
    found: dict[str, OwnOption] = {}
    for card in cards:
        hints = get_type_hints(card.options, include_extras=True)
        for one in fields(card.options):
            home = next(c for c in card.options.__mro__ if one.name in vars(c)["__annotations__"])
            kind, info = annotated(hints[one.name])
            own = OwnOption(kind, copy.copy(info), home, {}, marks(hints[one.name]))
            known = found.setdefault(one.name, own)
            if known.home is not home:
                raise TypeError(f"{home.__name__} and {known.home.__name__} declare {one.name}")
            if card.own[one.name] is MISSING:
                raise TypeError(f"{home.__name__}.{one.name} needs a default")
            known.defaults[card.name] = card.own[one.name]
    return found
