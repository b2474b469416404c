"""Options that a command learns from the formats it reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from wsss_cli.errors import UsageError
from wsss_cli.formats.reading import Asked, Reader
from wsss_cli.formats.sample import Collection
from wsss_cli.options.sources import Source, sourced, splits_of


@dataclass(frozen=True, kw_only=True)
class Deep:
    depth: Annotated[int, typer.Option(help="How far down.")] = 3


def read(value: Any, asked: Asked, options: Any) -> Collection:
    return Collection((), (), notes={"value": str(value), "options": options, "asked": asked})


SPREAD = Reader(
    name="spread",
    source=Annotated[Path, typer.Option(metavar="FILE", help="A sheet.")],
    read=read,
    options=Deep,
    takes=("images", "link"),
    needs={"images": "it names their folder"},
)
DRAWN = Reader(
    name="drawn",
    source=Annotated[int, typer.Option(min=1, help="Draw some.")],
    read=read,
    takes=(),
    drawn=True,
)
GIVEN: list[tuple[Source, Path | None]] = []


@sourced([SPREAD, DRAWN])
def run(
    source: Source,
    images: Annotated[Path | None, typer.Option(help="Folder.")] = None,
    link: Annotated[bool, typer.Option("--link", help="Do not copy.")] = False,
) -> None:
    """Take one of {sources}."""
    GIVEN.append((source, images))


def command(*words: str) -> Any:
    GIVEN.clear()
    app = typer.Typer(rich_markup_mode=None)
    app.command()(run)
    return CliRunner().invoke(app, list(words))


def test_the_command_gets_the_source_and_its_own_options() -> None:
    assert command("--spread", "a.csv", "--images", "x", "--depth", "5").exit_code == 0
    ((source, images),) = GIVEN
    assert (source.reader, source.value, images) == (SPREAD, Path("a.csv"), Path("x"))
    assert source.options == Deep(depth=5)
    assert (source.name, source.files) == ("a.csv", [Path("a.csv")])
    assert source.read(Asked(seed=4)).notes["asked"].seed == 4


def test_own_options_keep_their_defaults_and_other_formats_do_without() -> None:
    assert command("--spread", "a.csv", "--images", "x").exit_code == 0
    assert GIVEN[0][0].options == Deep()
    assert command("--drawn", "2").exit_code == 0
    assert (GIVEN[0][0].value, GIVEN[0][0].name, GIVEN[0][0].files) == (2, "drawn", [])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "give one of SOURCE, --spread, --drawn"),
        (["--drawn", "1", "--spread", "x"], "--spread and --drawn given: give one of"),
        (["--drawn", "1", "--link"], "--link does not go with --drawn"),
        (["--drawn", "1", "--depth", "3"], "--depth does not go with --drawn"),
        (["--spread", "x"], "--spread needs --images"),
    ],
)
def test_what_does_not_go_together(words: list[str], reason: str) -> None:
    result = command(*words)
    assert isinstance(result.exception, UsageError)
    assert reason in str(result.exception)
    assert GIVEN == []


def test_help_says_which_formats_have_an_option() -> None:
    text = " ".join(command("--help").output.split())
    assert "Take one of --spread, --drawn." in text
    assert "Folder. Only with --spread." in text
    assert "With --spread: how far down. Default: 3." in text


def test_splits() -> None:
    assert splits_of(["val", "train=a=b.txt"]) == {"val": None, "train": Path("a=b.txt")}
    for wrong in (["=x"], ["x="], ["x", "x=y"]):
        with pytest.raises(UsageError, match="each name once"):
            splits_of(wrong)
