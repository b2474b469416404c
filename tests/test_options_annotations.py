"""What options are annotated with: types, their Typer options, marks, defaults in words."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any, Optional, get_args

import pytest
import typer

from wsss_cli.options.annotations import (
    annotated,
    hints,
    in_words,
    marks,
    spelled_as,
    typed,
    with_marks,
)
from wsss_cli.options.cards import Due
from wsss_cli.options.files import Reads


class Kind(str, enum.Enum):
    small = "small"
    large = "large"


SIZE, FILE, MARK = typer.Option("--size", help="Its size."), typer.Option(), Reads(but=("-",))
Marked = Annotated[Path, FILE, MARK]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"a": 1, "b": 1}, "1"),
        ({"a": None, "b": None}, None),
        ({"a": True}, "yes"),
        ({"a": 1, "b": None, "c": 1}, "1 (a, c), none (b)"),
        ({Kind.small: False, Kind.large: Kind.large}, "no (small), large (large)"),
        ({"a": Due(lambda o: 1, "as --b"), "b": "0.5,1"}, "as --b (a), 0.5,1 (b)"),
        ({"a": 0, "b": False}, "0 (a), no (b)"),
    ],
)
def test_defaults_in_words(values: dict[Any, Any], expected: str | None) -> None:
    assert in_words(values) == expected


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (typer.Option(), "--one-two"),
        (typer.Option("--other"), "--other"),
        (typer.Option("-o", "--other"), "--other"),
        (typer.Option("-o"), "--one-two"),
        (typer.Option("--on/--off"), "--on"),
    ],
)
def test_how_an_option_is_typed(option: Any, expected: str) -> None:
    assert spelled_as("one_two", option) == expected


def test_a_wrapped_annotation_is_found_as_it_was_written() -> None:
    """Python 3.10 wraps in Optional what defaults to None."""

    def run(size: int, path: Path, other: int | None = None) -> None:
        """Nothing."""

    written = Annotated[Optional[int], SIZE]  # noqa: UP045
    run.__annotations__ = {
        "size": Optional[written],  # noqa: UP045
        "path": Marked,
        "other": Optional[int],  # noqa: UP045
    }
    found = hints(run)
    assert found == {"size": written, "path": Marked, "other": Optional[int]}  # noqa: UP045
    assert annotated(found["size"]) == (Optional[int], SIZE)  # noqa: UP045


def test_a_type_its_option_and_its_marks() -> None:
    assert annotated(Marked) == (Path, FILE)
    assert marks(Marked) == (MARK,)
    assert marks(Annotated[int, SIZE]) == ()
    again = with_marks(str, SIZE, marks(Marked))
    assert get_args(again) == (str, SIZE, MARK)
    assert with_marks(int, SIZE, ()) == Annotated[int, SIZE]


def test_a_name_as_it_is_typed() -> None:
    assert typed("crf_bilateral_sxy") == "--crf-bilateral-sxy"
