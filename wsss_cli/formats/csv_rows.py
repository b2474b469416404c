"""A CSV file taken apart into rows of cells, before anything is known of its columns."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Container
from pathlib import Path

from ..errors import WsssError
from .cells import flag
from .files import ImageFolder
from .lists import read_text
from .names import is_image


def read_cells(path: Path, known: Container[str]) -> tuple[list[list[str]], list[int]]:
    """Stripped cells of all rows that are not blank, and their line numbers.

    Columns at the end that hold nothing at all are left out.

    Args:
        path: CSV, with commas, tabs or semicolons between the cells.
        known: lower-case names that columns may have, by which the delimiter is told.

    Raises:
        WsssError: missing, empty, not text in UTF-8, another kind of file, or a quote left open.
    """
    text = read_text(path, "save it as CSV in UTF-8")
    _refuse_json(path, text)
    text = _without_remarks(text, known)
    told = re.match(r'"?sep=([^"\s\w])"?\s*\n', text, re.I)  # as Excel begins some
    if told is not None:
        delimiter, text = told[1], "\n" + text.split("\n", 1)[1]
    else:
        delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(text, known)
    # strict: a quote left open, or one in the midst of a cell, would take rows for one cell.
    spaced = re.compile(rf'"[ \t]+(?={re.escape(delimiter)}|\n|$)') if delimiter != "\t" else None
    try:
        rows, lines = _parse(path, text, delimiter)
    except WsssError:
        if spaced is None or not spaced.search(text):
            raise
        rows, lines = _parse(path, spaced.sub('"', text), delimiter)  # "cat" , "dog"
    if not rows:
        raise WsssError(f"{path}: holds no rows")
    return _without_empty_end(rows), lines


def _parse(path: Path, text: str, delimiter: str) -> tuple[list[list[str]], list[int]]:
    """Rows that are not blank, and the line in which each ends.

    Raises:
        WsssError: quotes that do not fit.
    """
    rows, lines = [], []
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    last = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                _refuse_swallowed(path, cells, delimiter, last + 1)
                rows.append([cell.strip() for cell in cells])
                lines.append(reader.line_num)
            last = reader.line_num
    except csv.Error as err:
        reason = {"unexpected end of data": "a quote is left open"}.get(str(err), str(err))
        raise WsssError(
            f"{path}: not a CSV file ({reason}, in the row that begins in line {last + 1})",
            'a quote within quotes is written twice: "a ""b"" c"',
        ) from err
    return rows, lines


def _refuse_swallowed(path: Path, cells: list[str], delimiter: str, line: int) -> None:
    """
    Raises:
        WsssError: a cell holds lines that begin with the name of an image, as rows do.
    """
    for cell in cells:
        inner = [one.split(delimiter) for one in cell.splitlines()[1:]]
        if any(len(parts) > 1 and is_image(parts[0].strip()) for parts in inner):
            raise WsssError(
                f"{path}: a cell of the row that begins in line {line} holds rows itself",
                "a quote is left open there",
            )


def _without_remarks(text: str, known: Container[str]) -> str:
    """The text, with lines of # left empty that stand before a line of columns' names."""
    head = re.match(r"(?:[ \t]*(?:#[^\r\n]*)?(?:\r\n?|\n))+", text)
    if head is None:
        return text
    marks = re.compile(r"[,;|\t]")
    lines = head[0].splitlines()
    first = re.split("\r\n?|\n", text[head.end() :], maxsplit=1)[0]

    def names(line: str) -> list[str]:
        return [cell.strip(" #\"'").lower() for cell in marks.split(line)]

    if not any(name in known for name in names(first)):
        return text
    if any(name in known or is_image(name) for line in lines for name in names(line)):
        return text
    return "\n" * len(lines) + text[head.end() :]


def _refuse_json(path: Path, text: str) -> None:
    start = text.lstrip()[:1]
    if start not in ("{", "["):
        return
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        try:
            json.loads(text.lstrip().split("\n", 1)[0])  # an object a line
        except (ValueError, RecursionError):
            return
    raise WsssError(f"{path}: is JSON, not a table", "write it as CSV; --via reads VIA's JSON")


def _delimiter(text: str, known: Container[str]) -> str:
    """The mark of the first line between whose cells stand names of columns or of images."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    there = [mark for mark in ",\t;|" if mark in first]

    def score(mark: str) -> int:
        cells = [cell.strip().strip('"').lower() for cell in first.split(mark)]
        return sum(cell in known or is_image(cell) for cell in cells)

    return max(there, key=score, default=",")  # of equals, the first


def _without_empty_end(rows: list[list[str]]) -> list[list[str]]:
    used = max(max(place for place, cell in enumerate(row, 1) if cell) for row in rows)
    return [row[: max(used, 2)] for row in rows]


def is_header(first: list[str], folder: ImageFolder) -> bool:
    """Whether the first row names columns and is not about an image already."""
    cell, others = first[0], first[1:]
    if is_image(cell):
        return False
    if others and all(flag(other) is not None for other in others):
        return False
    try:
        folder.find(cell)
    except LookupError:
        return True
    return False


def even_out(
    path: Path, rows: list[list[str]], lines: list[int], width: int, spread: bool
) -> tuple[tuple[str, ...], ...]:
    """Rows of `width` cells: a bare image name gets empty ones, tags in further cells join."""
    even: list[tuple[str, ...]] = []
    bad = []
    for row, line in zip(rows, lines, strict=True):
        if len(row) == width:
            even.append(tuple(row))
        elif len(row) == 1:
            even.append((row[0], *[""] * (width - 1)))
        elif spread and len(row) > width:
            even.append((*row[: width - 1], ",".join(row[width - 1 :])))
        else:
            bad.append(line)
    if bad:
        raise WsssError(
            f"{path}: {len(bad)} of {len(rows)} rows do not have {width} cells, "
            f"first in line {bad[0]}",
            "quote a cell that holds commas; --separator , where each tag has its own cell",
        )
    return tuple(even)
