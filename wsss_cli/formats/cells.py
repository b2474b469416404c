"""The cells of a table of image tags: what one says by itself, and by what its column means."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_WORDS = {"true": 1, "yes": 1, "false": 0, "no": 0, "": 0}
_WRAPPED = re.compile(
    r"(?:set|frozenset|list|tuple|array|Index)\((.*?)(?:,\s*dtype=[^()]*)?\)", re.S
)
_CLOSING = {"[": "]", "{": "}", "(": ")"}
_ITEM = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[+-]?\d+"""
_ITEMS = re.compile(rf"\s*(?:(?:{_ITEM})(?:(?:\s*,\s*|\s+)(?:{_ITEM}))*\s*,?\s*)?", re.S)


def flag(cell: str) -> int | None:
    """1 for yes, 0 for no or nothing, -1, or None for what is none of them.

    >>> [flag(cell) for cell in ("1.0", "FALSE", "", "-1", "0,0", "2", "nan")]
    [1, 0, 0, -1, 0, None, None]
    """
    try:
        number = float(cell.replace(",", "."))
    except ValueError:
        return _WORDS.get(cell.lower())
    return int(number) if number in (-1, 0, 1) else None


def is_whole_number(cell: str) -> bool:
    """
    >>> [is_whole_number(cell) for cell in ("12", "3.0", "f3", "")]
    [True, True, False, False]
    """
    return re.fullmatch(r"\d+(\.0+)?", cell) is not None


def as_list(cell: str) -> list[str] | None:
    """The texts of a list that Python, NumPy or JSON wrote into a cell; None of any other cell.

    Raises:
        ValueError: a list, set, tuple or object that is not one of texts or whole numbers.

    >>> as_list("['cat', 'dog']"), as_list('{"cat"}'), as_list("[]"), as_list("cat")
    (['cat', 'dog'], ['cat'], [], None)
    """
    wrapped = _WRAPPED.fullmatch(cell)
    if cell == "()":
        return []
    text = wrapped[1].strip() if wrapped is not None else cell
    if not text and wrapped is not None:
        return []
    closing = _CLOSING.get(text[:1])
    body = text[1:-1]
    if closing is None or not text.endswith(closing) or len(text) < 2:
        if text[:1] in ("[", "{") or text[-1:] in ("]", "}"):
            raise ValueError(f"{_shown(cell)} looks like a part of a list")
        return None
    if text[0] == "(" and not re.search("['\"]", body):
        return None  # a remark in brackets
    if not _ITEMS.fullmatch(body):
        raise ValueError(f"{_shown(cell)} looks like a list, but is none of quoted names")
    # Each item is read by itself: to Python, 'cat' 'dog', as NumPy writes them, is one text.
    return [_text(item) for item in re.findall(_ITEM, body, re.S)]


def looks_like_list(cell: str) -> bool:
    """Whether `as_list` reads a cell or refuses it."""
    try:
        return as_list(cell) is not None
    except ValueError:
        return True


def _text(item: str) -> str:
    try:
        if item[0] not in "\"'":
            return item
        return str(json.loads(item) if item[0] == '"' else ast.literal_eval(item)).strip()
    except (ValueError, SyntaxError):
        raise ValueError(f"{_shown(item)} cannot be read") from None


def _shown(cell: str) -> str:
    return ascii(cell if len(cell) <= 60 else cell[:57] + "...")


@dataclass(frozen=True, kw_only=True)
class Named:
    """What the user says of a table's columns.

    Attributes:
        label, image: names of the columns of tags and of images; None to have them found.
        minus_one: what -1 means: "absent", "present", "unsaid" or "skip"; None where nothing is
            said.
        classes: names of the class columns; None for all columns that are left.
        more: names of columns to read like those of `classes`, where they are there.
    """

    label: str | None = None
    image: str | None = None
    minus_one: str | None = None
    classes: tuple[str, ...] | None = None
    more: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """Cells, stripped, every row equally long, with the columns' meanings.

    Attributes:
        path: the file.
        rows: the cells.
        lines: each row's line number in the file.
        header: names of the columns, None where the file has none.
        layout: "labels", "onehot" or "rows".
        file, label, mask, split: columns, None where absent.
        class_columns: those of a onehot table, with their `class_names`.
        separator: what stands between the tags of a cell; None for one tag a cell.
        minus_one: what -1 means in a class column.
        remarks: what looks like a mistake.
    """

    path: Path
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    header: tuple[str, ...] | None
    layout: str = "auto"
    file: int = 0
    label: int | None = None
    mask: int | None = None
    split: int | None = None
    class_columns: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()
    separator: str | None = None
    minus_one: str | None = None
    remarks: tuple[str, ...] = ()

    def tags(self, row: Sequence[str]) -> list[str]:
        """A row's tags, repeated ones included.

        Raises:
            ValueError: a cell that looks like a list, but is none.
        """
        if self.layout == "onehot":
            on = (1, -1) if self.minus_one == "present" else (1,)
            pairs = zip(self.class_columns, self.class_names, strict=True)
            return [name for column, name in pairs if flag(row[column]) in on]
        assert self.label is not None
        cell = row[self.label]
        parts = as_list(cell)
        if parts is None:
            parts = [cell] if self.separator is None else cell.split(self.separator)
        return [part.strip() for part in parts if part.strip()]

    def absent(self, row: Sequence[str]) -> tuple[str, ...] | None:
        """Classes that a row says are absent; None where those without a tag are."""
        if self.layout != "onehot" or self.minus_one != "unsaid":
            return None
        pairs = zip(self.class_columns, self.class_names, strict=True)
        return tuple(name for column, name in pairs if flag(row[column]) == 0)

    def is_left_out(self, row: Sequence[str]) -> bool:
        """Whether a class column holds the -1 that leaves the image out."""
        if self.layout != "onehot" or self.minus_one != "skip":
            return False
        return any(flag(row[column]) == -1 for column in self.class_columns)

    def is_binary(self, column: int) -> bool:
        """Whether a column holds nothing but yes and no."""
        return all(flag(row[column]) in (0, 1) for row in self.rows)

    def is_flags(self, column: int) -> bool:
        """Whether a column holds nothing but yes, no and -1."""
        return all(flag(row[column]) is not None for row in self.rows)

    def name_of(self, column: int) -> str:
        return self.header[column] if self.header is not None else f"column {column + 1}"
