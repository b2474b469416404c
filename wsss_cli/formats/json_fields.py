"""Fields of annotation files in JSON: what is not of its type is told by where it stands."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

from ..errors import WsssError
from .lists import read_json


def read_object(path: Path) -> dict[str, Any]:
    """The object that a JSON file of one image holds.

    Raises:
        ValueError: it cannot be read, or holds something else; names the file.
    """
    try:
        found = read_json(path)
    except WsssError as err:
        raise ValueError(str(err).removeprefix(f"{path}: ")) from None
    if not isinstance(found, dict):
        raise ValueError(f"holds no object but {type_of(found)}")
    return found


def type_of(value: Any) -> str:
    """What JSON calls a value's type."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")


def as_object(value: Any, said: str) -> dict[str, Any]:
    """
    Raises:
        ValueError: it is none; so of each below.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{said} is {type_of(value)}, not an object")
    return value


def as_list(value: Any, said: str) -> list[Any]:
    """A list; as `as_object`."""
    if not isinstance(value, list):
        raise ValueError(f"{said} is {type_of(value)}, not a list")
    return value


def as_text(value: Any, said: str) -> str:
    """A text with something in it, stripped; as `as_object`."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{said} is {'empty' if value == '' else type_of(value)}, not a name")
    return value.strip()


def as_number(value: Any, said: str) -> float:
    """A number; as `as_object`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{said} is {type_of(value)}, not a number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{said} is beyond all numbers") from None


def as_points(value: Any, said: str) -> list[tuple[float, float]]:
    """Pairs of x and y; as `as_object`."""
    points = []
    for pair in as_list(value, said):
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError(f"{said} holds {type_of(pair)} where a pair of x and y should be")
        points.append((as_number(pair[0], said), as_number(pair[1], said)))
    return points


def size_of(height: Any, width: Any) -> tuple[int, int] | None:
    """(H, W) where both are whole numbers above 0."""
    both = (height, width)
    if any(isinstance(one, bool) or not isinstance(one, int) or one < 1 for one in both):
        return None
    return height, width


class Groups:
    """Numbers of objects, rising from 1, by what a file calls them."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def number(self, key: Hashable) -> int:
        """The object's number within its image."""
        return self._numbers.setdefault(key, len(self._numbers) + 1)
