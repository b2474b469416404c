"""Fields of annotation files in JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wsss_cli.formats.json_fields import (
    Groups,
    as_list,
    as_number,
    as_object,
    as_points,
    as_text,
    read_object,
    size_of,
)


def test_what_is_of_its_type_is_given_as_it_is() -> None:
    assert as_object({"a": 1}, "it") == {"a": 1}
    assert as_list([1], "it") == [1]
    assert as_text(" cat ", "it") == "cat"
    assert [as_number(value, "it") for value in (3, 2.5)] == [3.0, 2.5]
    assert as_points([[1, 2], [0.5, 3]], "it") == [(1.0, 2.0), (0.5, 3.0)]


@pytest.mark.parametrize(
    ("take", "value", "said"),
    [
        (as_object, [], "it is a list, not an object"),
        (as_object, None, "it is null, not an object"),
        (as_list, {}, "it is an object, not a list"),
        (as_text, "", "it is empty, not a name"),
        (as_text, "  ", "not a name"),
        (as_text, 3, "it is a number, not a name"),
        (as_number, "3", "it is a text, not a number"),
        (as_number, True, "it is true or false, not a number"),
        (as_number, 10**400, "it is beyond all numbers"),
        (as_points, [3], "it holds a number where a pair of x and y should be"),
        (as_points, [[1]], "it holds a list where"),
        (as_points, [[1, None]], "it is null, not a number"),
    ],
)
def test_what_is_not_is_told(take: Callable[[Any, str], Any], value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        take(value, "it")


def test_sizes() -> None:
    assert size_of(6, 8) == (6, 8)
    for odd in (None, 0, -1, 6.0, "6", True):
        assert size_of(odd, 8) is size_of(8, odd) is None


def test_groups_are_numbered_as_they_come() -> None:
    groups = Groups()
    assert [groups.number(key) for key in ("b", 10**30, "b", -1)] == [1, 2, 1, 3]


def test_a_file_of_one_image(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('\ufeff{"a": 1}', encoding="utf-8")
    assert read_object(file) == {"a": 1}
    file.write_text("[1]")
    with pytest.raises(ValueError, match="holds no object but a list"):
        read_object(file)
    file.write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        read_object(file)
