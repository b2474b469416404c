"""The CSV files of Open Images: told by their columns, read row by row."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import WsssError
from .lists import read_text

LABELS, BOXES, MASKS, IMAGES, NAMES = "labels", "boxes", "masks", "images", "names"
SIDES = ("XMin", "YMin", "XMax", "YMax")


@dataclass(frozen=True)
class Row:
    """A row of a file, by the names of its columns.

    Attributes:
        place: the file and the line, for messages.
    """

    cells: Mapping[str, str]
    place: str

    def text(self, name: str) -> str:
        """A cell; '' where there is none."""
        return (self.cells.get(name) or "").strip()

    def number(self, name: str) -> float:
        """
        Raises:
            WsssError: no number.
        """
        text = self.text(name)
        try:
            found = math.nan if "_" in text else float(text)
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            raise WsssError(f"{self.place}: {name} is {text[:40]!r}, which is no number")
        return found


def kind_of_head(name: str, head: str) -> str | None:
    """What a file of this name, which begins so, holds; None of files of others."""
    first = head.split("\n", 1)[0]
    columns = {cell.strip().strip('"') for cell in first.split(",")}
    if "ImageID" in columns:
        if {"MaskPath", "LabelName"} <= columns:
            return MASKS
        if {*SIDES, "LabelName"} <= columns:
            return BOXES
        if {"LabelName", "Confidence"} <= columns:
            return LABELS
        rest = {"Subset", "OriginalURL", "Rotation"} & columns
        return IMAGES if rest or columns == {"ImageID"} else None
    return NAMES if "class-descriptions" in name and first.count(",") else None


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of a file with a header.

    Raises:
        WsssError: no table, or a row of too few or too many cells.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        for cells in reader:
            if None in cells or None in cells.values():
                raise WsssError(f"{path}: line {reader.line_num} has not as many cells as line 1")
            yield Row(cells, f"{path}: line {reader.line_num}")
    except csv.Error as err:
        raise WsssError(f"{path}: not a CSV file ({err})") from None


def names_of(path: Path) -> dict[str, str]:
    """Class names by label, such as /m/01yrx; of two labels of one name, the label behind it.

    Raises:
        WsssError: rows that are no pairs, or a label that stands twice.
    """
    pairs: dict[str, str] = {}
    try:
        for number, row in enumerate(csv.reader(io.StringIO(read_text(path)), strict=True), 1):
            if not row or (number == 1 and row[0] == "LabelName"):
                continue
            if len(row) != 2 or not row[0].strip() or not row[1].strip():
                raise WsssError(f"{path}: line {number} is not a label and its name")
            if row[0].strip() in pairs:
                raise WsssError(f"{path}: the label {row[0].strip()!r} stands twice")
            pairs[row[0].strip()] = row[1].strip()
    except csv.Error as err:
        raise WsssError(f"{path}: not a CSV file ({err})") from None
    count: dict[str, int] = {}
    for name in pairs.values():
        count[name] = count.get(name, 0) + 1
    return {
        label: name if count[name] == 1 else f"{name} ({label})" for label, name in pairs.items()
    }
