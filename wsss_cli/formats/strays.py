"""Columns and cells of a table that would be misread: told before anything is made of them."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress

from ..errors import WsssError
from .cells import Table
from .tags import alike

_FLAG = r"[01](?:\.0*)?"
_FLAGS = re.compile(rf"[\[({{]?\s*{_FLAG}(?:[\s,;|/]+{_FLAG})+\s*[\])}}]?")
_RUN = re.compile(r"[01]{3,}")
_SPLIT = re.compile(r"(is )?(train|training|valid|validation|val|test|testing)( ?set| split)?")
_FOLD = re.compile(r"fold( ?(id|no|number))?")


def says_split(name: str) -> bool:
    """Whether a column's name is that of a split and not of a class.

    >>> says_split("is_valid"), says_split("Test"), says_split("train")
    (True, True, False)
    """
    name = alike(name)
    return name != "train" and bool(_SPLIT.fullmatch(name) or _FOLD.fullmatch(name))


def refuse_flags(table: Table, classes: Collection[str] | None) -> None:
    """
    Raises:
        WsssError: the cells of tags hold a 0 or 1 for each class, as "[1, 0, 0]" or "010" do.
    """
    assert table.label is not None
    column = table.label
    cells = [row[column].strip() for row in table.rows]
    held = [cell for cell in cells if cell]
    runs = all(map(_RUN.fullmatch, held)) and any(cell.startswith("0") for cell in held)
    if not held or not (runs or all(map(_FLAGS.fullmatch, held))):
        return
    widths = {len(cell) if runs else len(re.findall(_FLAG, cell)) for cell in held}
    if len(widths) > 1 or (runs and classes is not None and set(held) <= set(classes)):
        return
    raise WsssError(
        f"{table.path}: {table.name_of(column)!r} holds a 0 or 1 for each of {widths.pop()} "
        f"classes in one cell ({held[0][:40]!r} in line {table.lines[cells.index(held[0])]})",
        "give each class a column of its own, named in the first row; or write the names of an "
        "image's classes into the cell",
    )


def other_columns(table: Table, told: bool) -> list[str]:
    """What is said of columns beside that of the tags, which is the only one that is read.

    Args:
        told: whether the user names the column of the tags.

    Raises:
        WsssError: one is called like it but for a number, as "label" and "label2" are, and the
            user names none.
    """
    if table.header is None or table.label is None:
        return []
    name, said = table.header[table.label], []
    known: set[str] = set()
    for row in table.rows:
        with suppress(ValueError):
            known.update(table.tags(row))
    for column in table.class_columns:
        cells = [row[column] for row in table.rows]
        first = next((place for place, cell in enumerate(cells) if cell), None)
        if first is None:
            continue
        other = table.header[column]
        example = f"{cells[first][:40]!r} in line {table.lines[first]}"
        numbered = other[-1:].isdigit() or name[-1:].isdigit()
        numbered = numbered and _without_number(other) == _without_number(name)
        if numbered and not told:
            raise WsssError(
                f"{table.path}: {other!r} holds tags beside those of {name!r} ({example}), and one "
                "column of tags is read",
                "write all tags of an image into one cell, as in cat;dog, or a row for each; "
                f"--label-column {name!r} reads that column alone",
            )
        if numbered or (set(filter(None, cells)) <= known and not all(map(str.isdigit, known))):
            said.append(f"{other!r} is not read, though it holds tags, too ({example})")
        elif says_split(other) or alike(other) == "train":
            said.append(f"{other!r} is not read: a column called 'split' says what is in which")
    return said


def _without_number(name: str) -> str:
    """A column's name without the number at its end, and in the singular."""
    return re.sub(r"(?<=[^s])s$", "", re.sub(r"[\s._-]*\d+$", "", alike(name)))
