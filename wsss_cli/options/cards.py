"""Cards: what a method is, and how a command's --method (or --loss) chooses among them.

A method is a card: its name, what it does in a few words, its own options, its defaults of the
command's options, what it needs and makes. A command lists its cards and learns everything from
them: the choices of --method, the options and their help, which options are refused, and the table
of methods in the docs.
"""

from __future__ import annotations

import copy
import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Annotated, Any, Optional, get_args, get_type_hints

from ..errors import UsageError

Refusal = Callable[[str, str, Sequence[str]], UsageError]


@dataclass(frozen=True)
class Due:
    """A default that follows from other options.

    Attributes:
        of: makes it of all options by name; those before it in the table have their values.
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
        return f"{text} {each}. Default: {default}."

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
        for name in self.own:
            if given[name] is not None and name not in card.own:
                raise self._refused(name, card)
        for name in card.lacks:
            if given[name] != defaults.get(name):
                raise _no_such_thing(_typed(name), card)
        for name, usual in {**card.own, **card.usual}.items():
            if given[name] is None:
                given[name] = due(usual, given)

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

    def annotation(self, n_cards: int) -> Any:
        """For Typer: optional, its help naming the cards that have it and their defaults."""
        info = copy.copy(self.info)
        owners = f"{', '.join(self.defaults)}: " if len(self.defaults) < n_cards else ""
        said = in_words(self.defaults)
        info.help = f"{owners}{info.help}" + ("" if said is None else f" Default: {said}.")
        return Annotated[Optional[self.kind], info]  # noqa: UP045


def merged(cards: Sequence[Card]) -> dict[str, OwnOption]:
    """All cards' own options by name."""
    found: dict[str, OwnOption] = {}
    for card in cards:
        hints = get_type_hints(card.options, include_extras=True)
        for one in fields(card.options):
            home = next(c for c in card.options.__mro__ if one.name in vars(c)["__annotations__"])
            kind, info = annotated(hints[one.name])
            known = found.setdefault(one.name, OwnOption(kind, copy.copy(info), home, {}))
            if known.home is not home:
                raise TypeError(f"{home.__name__} and {known.home.__name__} declare {one.name}")
            if card.own[one.name] is MISSING:
                raise TypeError(f"{home.__name__}.{one.name} needs a default")
            known.defaults[card.name] = card.own[one.name]
    return found


def annotated(hint: Any) -> tuple[Any, Any]:
    """A field's type without its Typer option, and that option."""
    kind, *extras = get_args(hint)
    return kind, next(one for one in extras if hasattr(one, "param_decls"))


def in_words(values: Mapping[Any, Any]) -> str | None:
    """What an option is when it is not given, in words; None where there is nothing to say.

    Args:
        values: by method.
    """

    def word(value: Any) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        return str(getattr(value, "value", value))

    words = {str(getattr(key, "value", key)): word(value) for key, value in values.items()}
    if len(set(words.values())) == 1:
        only = next(iter(words.values()))
        return None if only == "None" else only
    by_value: dict[str, list[str]] = {}
    for key, said in words.items():
        by_value.setdefault("none" if said == "None" else said, []).append(key)
    return ", ".join(f"{said} ({', '.join(keys)})" for said, keys in by_value.items())


def spelled_as(name: str, info: Any) -> str:
    """An option's parameter as it is typed."""
    names = [info.default, *(info.param_decls or ())]  # the first name stands in default's place
    own = [text for text in names if isinstance(text, str) and text.startswith("--")]
    return own[0].split("/")[0] if own else _typed(name)


def _typed(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def plain(options: Any) -> dict[str, Any]:
    """A method's own options as an artifact keeps them: plain values by name."""
    values = {one.name: getattr(options, one.name) for one in fields(options)}
    return {k: v.value if isinstance(v, enum.Enum) else v for k, v in values.items()}
