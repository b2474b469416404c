"""How a command's methods are chosen: defaults, refusals and help, all from the cards."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, make_dataclass
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from wsss_cli.errors import UsageError
from wsss_cli.options.cards import Card, Chosen, Due
from wsss_cli.options.groups import grouped
from wsss_cli.options.select import Second, Select


class Kind(str, enum.Enum):
    small = "small"
    large = "large"


@dataclass(frozen=True, kw_only=True)
class Sized:
    size: Annotated[int, typer.Option(help="Its size.")] = 3


@dataclass(frozen=True, kw_only=True)
class Deep(Sized):
    deep: Annotated[bool, typer.Option("--deep/--flat", help="Its form.")] = False
    kind: Annotated[Kind, typer.Option("--sort", help="Its kind.")] = Kind.small


@dataclass(frozen=True, kw_only=True)
class Named(Sized):
    name: Annotated[str | None, typer.Option("--called", help="Its name.")] = None


ONE = Card(
    name="one",
    said="the first",
    options=Deep,
    usual={"rate": 0.5, "steps": Due(lambda o: 2 * o["crop"] + o["size"], "by --crop")},
)
TWO = Card(
    name="two",
    said="the second",
    options=Named,
    usual={"rate": 0.25, "size": 9},
    lacks=("steps", "crop"),
)
THREE = Card(name="three", said="the third", usual={"rate": 0.5, "steps": 1})
CARDS = (ONE, TWO, THREE)

got: dict[str, Any] = {}


def command(select: Select) -> Any:
    """Of options --crop, --rate and --steps; what it is called with is in `got`."""

    def run(
        method: Annotated[Chosen, select],
        crop: Annotated[int, typer.Option(help="The crop.")] = 4,
        rate: Annotated[float, typer.Option(help="The rate.")] = 0.1,
        steps: Annotated[int, typer.Option(help="The steps.")] = 0,
    ) -> None:
        """Run."""
        got.update(method=method, crop=crop, rate=rate, steps=steps)

    run.__annotations__["method"] = Annotated[Chosen, select]
    return grouped()(run)


RUN = command(Select(CARDS, "How."))


def invoke(run: Any, *arguments: str) -> Any:
    got.clear()
    app = typer.Typer(rich_markup_mode=None)
    app.command()(run)
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


def call(run: Any, *arguments: str) -> dict[str, Any]:
    """What the command gets."""
    result = invoke(run, *arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return dict(got)


def refusal(run: Any, *arguments: str) -> tuple[str, str | None]:
    """The error and its hint."""
    error = invoke(run, *arguments).exception
    assert isinstance(error, UsageError), error
    assert got == {}
    return str(error), error.hint


def said(run: Any) -> dict[str, str]:
    """The help of each option, by its first name."""
    return {one.opts[0]: " ".join((one.help or "").split()) for one in click_of(run).params}


def click_of(run: Any) -> Any:
    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    app.command()(run)
    return typer.main.get_command(app)


# defaults


def test_the_first_card_is_the_default() -> None:
    found = call(RUN)
    assert found["method"].card is ONE
    assert found["method"].options == Deep(size=3, deep=False, kind=Kind.small)
    assert (found["crop"], found["rate"], found["steps"]) == (4, 0.5, 11)


def test_a_card_has_its_own_defaults_of_everything() -> None:
    found = call(RUN, "--method", "two")
    assert found["method"].card is TWO
    assert found["method"].options == Named(size=9, name=None)
    assert (found["rate"], found["steps"]) == (0.25, None)  # which it has no use for
    found = call(RUN, "--method", "three")
    assert found["method"].options == THREE.options()
    assert (found["rate"], found["steps"]) == (0.5, 1)


def test_what_is_given_stands() -> None:
    options = ["--size", "5", "--deep", "--sort", "large", "--rate", "2", "--steps", "0"]
    found = call(RUN, "--method", "one", *options)
    assert found["method"].options == Deep(size=5, deep=True, kind=Kind.large)
    assert (found["rate"], found["steps"]) == (2.0, 0)
    assert call(RUN, "--method", "two", "--called", "it")["method"].options.name == "it"
    assert call(RUN, "--flat")["method"].options.deep is False


def test_a_default_that_is_due_follows_what_is_given() -> None:
    assert call(RUN, "--crop", "10", "--size", "1")["steps"] == 21


def test_a_choice_of_no_card_is_no_choice() -> None:
    result = invoke(RUN, "--method", "four")
    assert result.exit_code == 2
    assert "'four' is not one of 'one', 'two', 'three'" in result.output


def test_the_default_card_may_follow_from_other_options() -> None:
    default = Due(lambda options: "two" if options["size"] else "three", "two with --size")
    run = command(Select(CARDS, "How.", default=default))
    assert call(run)["method"].name == "three"
    assert call(run, "--size", "5")["method"].name == "two"
    assert call(run, "--size", "5", "--method", "one")["method"].name == "one"
    assert said(run)["--method"].endswith("three: the third. Default: two with --size.")


def test_options_can_be_settled_without_running() -> None:
    """As a plan does, which wants to know what a command would do."""
    options = {
        "method": "two", "size": None, "deep": None, "kind": None, "name": None,
        "crop": 4, "rate": None, "steps": None,
    }  # fmt: skip
    RUN.settle(options)
    assert (options["method"], options["size"], options["rate"]) == ("two", 9, 0.25)
    assert RUN.select.cards == {"one": ONE, "two": TWO, "three": THREE}


# refusals


@pytest.mark.parametrize(
    ("arguments", "words", "hint"),
    [
        (
            ["--method", "two", "--deep"],
            "--deep: --method two has no such thing",
            "--method one and --deep go together",
        ),
        (  # given at its default it is given all the same
            ["--method", "two", "--flat"],
            "--deep: --method two has no such thing",
            "--method one and --deep go together",
        ),
        (
            ["--method", "two", "--sort", "small"],
            "--sort: --method two has no such thing",
            "--method one and --sort go together",
        ),
        (
            ["--called", "it"],
            "--called: --method one has no such thing",
            "--method two and --called go together",
        ),
        (
            ["--method", "three", "--size", "3"],
            "--size: --method three has no such thing",
            "--method one or --method two and --size go together",
        ),
    ],
)
def test_an_option_of_another_card(arguments: list[str], words: str, hint: str) -> None:
    assert refusal(RUN, *arguments) == (words, hint)


def test_an_option_that_a_card_has_no_use_for() -> None:
    error = "--steps: --method two has no such thing", None
    assert refusal(RUN, "--method", "two", "--steps", "5") == error
    error = "--crop: --method two has no such thing", None
    assert refusal(RUN, "--method", "two", "--crop", "5") == error
    assert call(RUN, "--method", "two", "--crop", "4")["crop"] == 4  # which says nothing


def test_a_command_may_have_words_of_its_own_for_a_foreign_option() -> None:
    def words(option: str, method: str, owners: Sequence[str]) -> UsageError:
        return UsageError(f"{option} / {method} / {' '.join(owners)}", "hint")

    run = command(Select(CARDS, "How.", refusal=words))
    assert refusal(run, "--method", "three", "--size", "3") == ("--size / three / one two", "hint")
    # what no card has for its own stays as it is
    assert refusal(run, "--method", "two", "--steps", "5")[0].startswith("--steps: --method two")


# a second option that chooses

SECOND = Second("loss", "labels", "Which loss.", "with a loss")
MANY = (
    Card(name="ce", said="plain", by="loss", options=Sized, usual={"rate": 1.0}),
    Card(name="sec", said="seeded", by="loss", options=Deep, usual={"rate": 2.0, "size": 8}),
    Card(name="rrm", said="of its own", options=Named, usual={"rate": 3.0}),
)
LOSSES = command(Select(MANY, "How.", second=SECOND))


@pytest.mark.parametrize(
    ("arguments", "name", "size"),
    [
        ([], "ce", 3),
        (["--method", "labels"], "ce", 3),
        (["--loss", "sec"], "sec", 8),
        (["--method", "labels", "--loss", "sec", "--size", "1"], "sec", 1),
        (["--method", "rrm"], "rrm", 3),
    ],
)
def test_two_options_choose(arguments: list[str], name: str, size: int) -> None:
    found = call(LOSSES, *arguments)
    assert (found["method"].name, found["method"].options.size) == (name, size)
    assert found["rate"] == {"ce": 1.0, "sec": 2.0, "rrm": 3.0}[name]


@pytest.mark.parametrize(
    ("arguments", "words", "hint"),
    [
        (["--method", "rrm", "--loss", "ce"], "--loss: --method rrm has no such thing", None),
        (
            ["--deep"],
            "--deep: --loss ce has no such thing",
            "--loss sec and --deep go together",
        ),
        (
            ["--method", "rrm", "--deep"],
            "--deep: --method rrm has no such thing",
            "--loss sec and --deep go together",
        ),
        (  # an option of another --method: the loss has no part in it
            ["--loss", "sec", "--called", "it"],
            "--called: --method labels has no such thing",
            "--method rrm and --called go together",
        ),
    ],
)
def test_refusals_name_the_option_that_chose(
    arguments: list[str], words: str, hint: str | None
) -> None:
    assert refusal(LOSSES, *arguments) == (words, hint)


def test_both_are_explained() -> None:
    text = said(LOSSES)
    assert text["--method"] == "How. labels: with a loss; rrm: of its own. Default: labels."
    assert text["--loss"] == "Which loss. ce: plain; sec: seeded. Default: ce."
    select: Select = LOSSES.select
    assert select.switches == {
        "method": {"labels": "with a loss", "rrm": "of its own"},
        "loss": {"ce": "plain", "sec": "seeded"},
    }


# help


def test_help_is_made_of_the_cards() -> None:
    text = said(RUN)
    expected = {
        "--method": "How. one: the first; two: the second; three: the third. Default: one.",
        "--size": "one, two: Its size. Default: 3 (one), 9 (two).",
        "--deep": "one: Its form. Default: no.",
        "--sort": "one: Its kind. Default: small.",
        "--called": "two: Its name.",  # by default there is none
        "--rate": "The rate. Default: 0.5 (one, three), 0.25 (two).",
        "--steps": "The steps. Default: by --crop (one), 1 (three).",
        "--crop": "The crop.",
    }
    assert {name: text[name] for name in expected} == expected
    output = invoke(RUN, "--help").output
    assert "Default: one." in output
    assert "[default: 4]" in output  # Typer's own, of --crop alone
    assert output.count("[default:") == 1


def test_an_option_that_all_cards_have_names_none() -> None:
    text = said(command(Select((ONE, TWO), "How.")))
    assert text["--size"] == "Its size. Default: 3 (one), 9 (two)."


def test_a_command_may_say_it_in_other_words() -> None:
    run = command(Select(CARDS, "How.", words={"size": "Other words."}))
    assert said(run)["--size"] == "one, two: Other words. Default: 3 (one), 9 (two)."
    # of this command alone, though an annotation that is not written as text is one object
    hint = Annotated[int, typer.Option(help="Its size.")]
    built = make_dataclass("Built", [("size", hint, 3)])
    cards = (Card(name="built", said="built", options=built, usual={"rate": 1.0}),)
    for words, expected in (({"size": "Other."}, "Other."), ({}, "Its size.")):
        run = command(Select(cards, "How.", words=words))
        assert said(run)["--size"] == f"{expected} Default: 3."
    with pytest.raises(KeyError):
        Select(CARDS, "How.", words={"sise": "A slip."})


# cards that do not go together


def test_cards_that_forget_a_default_of_the_command() -> None:
    bare = Card(name="bare", said="bare", usual={"steps": 1})
    with pytest.raises(TypeError, match="bare give no default of rate"):
        command(Select((ONE, bare), "How."))


@dataclass(frozen=True, kw_only=True)
class OtherSize:
    size: Annotated[int, typer.Option(help="Its size.")] = 3


@dataclass(frozen=True, kw_only=True)
class Needy:
    need: Annotated[int, typer.Option(help="What it needs.")]


def test_an_option_is_declared_once() -> None:
    other = Card(name="other", said="other", options=OtherSize)
    with pytest.raises(TypeError, match="OtherSize and Sized declare size"):
        Select((ONE, other), "How.")


def test_every_option_has_a_default() -> None:
    with pytest.raises(TypeError, match=r"Needy\.need needs a default"):
        Select((Card(name="x", said="x", options=Needy),), "How.")
    given = Card(name="x", said="x", options=Needy, usual={"need": 4})
    assert Select((given,), "How.").own["need"].defaults == {"x": 4}
