"""Options in groups: what Typer is told, and what the function gets."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, Optional

import pytest
import typer
from typer.testing import CliRunner

from wsss_cli.options.annotations import Default
from wsss_cli.options.cards import Due
from wsss_cli.options.groups import Help, Without, given, grouped, spelled


class Kind(str, enum.Enum):
    small = "small"
    large = "large"


@dataclass(frozen=True, kw_only=True)
class Group:
    width: Annotated[int, typer.Option(min=1, help="Of it.")]
    name: Annotated[str, typer.Option("--called", help="Its name.")] = "it"
    round: Annotated[bool, typer.Option("--round/--square", help="Its form.")] = False


USUAL = {
    Kind.small: {"width": 1, "round": True, "depth": 7},
    Kind.large: {
        "width": 9,
        "round": False,
        "depth": Due(lambda options: 2 * options["width"], "twice the width"),
    },
}
GROUP = Group(width=3)
got: list[object] = []


@grouped()
def plain(
    first: int = 0,
    group: Annotated[Group, Without("round"), Help(name="What to say.")] = GROUP,
    last: int = 1,
) -> None:
    """Plain."""
    got.append((first, group, last))


@grouped(by="kind", usual=USUAL)
def usual(
    kind: Kind = Kind.small,
    depth: Annotated[int, typer.Option(help="Depth.")] = 0,
    group: Group = GROUP,
) -> None:
    """Usual."""
    got.append((kind, depth, group))


def call(command: object, *arguments: str) -> str:
    """Run; what was printed. What the function got is in `got`."""
    got.clear()
    app = typer.Typer(rich_markup_mode=None)
    app.command()(command)  # type: ignore[arg-type]
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "100"})
    return result.output


def test_a_group_is_an_option_a_field() -> None:
    call(plain)
    assert got == [(0, Group(width=3), 1)]
    call(plain, "--width", "5", "--called", "that", "--last", "2")
    assert got == [(0, Group(width=5, name="that"), 2)]
    text = call(plain, "--help")
    assert text.index("--first") < text.index("--width") < text.index("--called")
    assert text.index("--called") < text.index("--last")
    assert "What to say.  [default: it]" in text
    assert "Its name." not in text
    assert "--round" not in text


def test_a_fields_limits_hold() -> None:
    assert "Invalid value for '--width'" in call(plain, "--width", "0")
    assert "No such option" in call(plain, "--round")
    assert got == []


@pytest.mark.parametrize(
    ("arguments", "depth", "group"),
    [
        ([], 7, Group(width=1, round=True)),
        (["--kind", "large"], 18, Group(width=9)),
        (["--kind", "large", "--width", "4"], 8, Group(width=4)),
        (["--kind", "large", "--depth", "5"], 5, Group(width=9)),
        (["--width", "4", "--square", "--depth", "0"], 0, Group(width=4)),
    ],
)
def test_defaults_follow_another_option(arguments: list[str], depth: int, group: Group) -> None:
    call(usual, *arguments)
    assert [values[1:] for values in got] == [(depth, group)]  # type: ignore[index]


def test_such_defaults_are_said() -> None:
    text = call(usual, "--help")
    assert "Of it. Default: 1 (small), 9 (large)." in " ".join(text.split())
    assert "Its form. Default: yes (small), no (large)." in " ".join(text.split())
    assert "Depth. Default: 7 (small), twice the width (large)." in " ".join(text.split())


def test_what_was_given_is_what_is_not_left_out() -> None:
    assert given({"a": None, "b": 0, "c": False, "d": ""}) == {"b": 0, "c": False, "d": ""}


def test_a_field_as_it_is_typed() -> None:
    assert spelled(Group, "width") == "--width"
    assert spelled(Group, "name") == "--called"
    assert spelled(Group, "round") == "--round"


def test_an_option_that_defaults_to_none_keeps_what_it_is_annotated_with() -> None:
    """Python 3.10 wraps such a type in Optional, where Typer would not find its option."""

    def run(
        size: Annotated[int | None, typer.Option("--of-size", min=2, help="Its size.")] = None,
        group: Group = GROUP,
    ) -> None:
        """Wrapped."""
        got.append((size, group))

    run.__annotations__ = {
        "size": Optional[Annotated[Optional[int], typer.Option("--of-size", min=2, help="S.")]],  # noqa: UP045
        "group": Group,
        "return": None,
    }
    wrapped = grouped()(run)
    call(wrapped)
    assert got == [(None, GROUP)]
    call(wrapped, "--of-size", "5")
    assert got == [(5, GROUP)]
    assert "Invalid value for '--of-size'" in call(wrapped, "--of-size", "1")


def test_a_due_default_sees_options_that_are_settled_before_it() -> None:
    options = {"kind": Kind.large, "depth": None, "width": None, "name": "it", "round": None}
    usual.settle(options)
    assert options == {"kind": Kind.large, "depth": 18, "width": 9, "name": "it", "round": False}


def test_a_command_stays_what_it_was() -> None:
    assert (plain.__name__, plain.__doc__, plain.__module__) == ("plain", "Plain.", __name__)
    assert list(plain.__annotations__) == ["first", "width", "name", "last"]


@dataclass(frozen=True, kw_only=True)
class Told:
    height: Annotated[float | None, typer.Option(help="Height."), Default(2.5)] = None
    kind: Annotated[
        Kind | None, typer.Option(help="Kind."), Default({"it": Kind.small, "that": Kind.large})
    ] = None


def test_a_default_that_is_none_for_the_command_is_said() -> None:
    @grouped()
    def run(
        group: Told = Told(),
        file: Annotated[str | None, typer.Option(help="File."), Default("a.h5")] = None,
    ) -> None:
        """Run."""
        got.append((group, file))

    text = " ".join(call(run, "--help").split())
    assert "Height. Default: 2.5." in text
    assert "Kind. Default: small (it), large (that)." in text
    assert "File. Default: a.h5." in text
    call(run)
    assert got == [(Told(), None)]
    call(run, "--height", "2.5", "--file", "a.h5")
    assert got == [(Told(height=2.5), "a.h5")]


def test_help_that_tells_a_default_itself_is_left_alone() -> None:
    @grouped()
    def run(
        group: Annotated[Told, Help(kind="Which. Default: as fits.")] = Told(),
    ) -> None:
        """Run."""

    assert "Which. Default: as fits. " in " ".join(call(run, "--help").split()) + " "
