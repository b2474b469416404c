"""Points in tables of text: plain ones, and those that napari and ImageJ write.

napari: `axis-0` is y and `axis-1` is x, whole numbers are centres of pixels; a table has neither
image nor class. ImageJ's results: X and Y, and a `Label` of the image's and the region's name.

Source: napari_builtins.io of github.com/napari/napari; Analyzer of github.com/imagej/ImageJ.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import WsssError
from .columns import FILE_COLUMNS, LABEL_COLUMNS
from .csv_rows import read_cells
from .point_files import CENTRE, CORNER, Drawn, class_of_region

IMAGE = tuple(name for name in FILE_COLUMNS if name not in ("id", "name"))
LABEL = (*LABEL_COLUMNS, "cls", "species", "name", "type")
X = ("x", "x_px", "px_x", "x (px)", "x [px]", "pos_x", "x_pos", "x_coord", "x_coordinate",
     "point_x", "center_x", "x_center", "col", "column")  # fmt: skip
Y = ("y", "y_px", "px_y", "y (px)", "y [px]", "pos_y", "y_pos", "y_coord", "y_coordinate",
     "point_y", "center_y", "y_center", "row")  # fmt: skip
SOURCE = ("annotator", "user", "worker", "rater", "grader")
RANK = ("rank", "order", "click")
# Columns that only tables of boxes have.
BOXED = {
    "width",
    "w",
    "height",
    "h",
    "xmin",
    "xmax",
    "x_min",
    "x_max",
    "x1",
    "x2",
    "bbox",
    "radius",
}
KNOWN = frozenset({*IMAGE, *LABEL, *X, *Y, "index", "axis-0", "axis-1"})
PLAIN, NAPARI, SHAPES, RESULTS = "table", "napari points", "napari shapes", "ImageJ results"
MEASURED = {"area", "mean", "min", "max", "angle", "length", "xm", "ym", "slice", "counter", "ch"}


@dataclass(frozen=True)
class Row:
    """One row of a table: its cells by the name of their column, in small letters."""

    cells: Mapping[str, str]
    line: int

    def of(self, names: Sequence[str]) -> str | None:
        """The first of these columns that there is."""
        return next((self.cells[name] for name in names if name in self.cells), None)

    def number(self, names: Sequence[str]) -> float:
        """
        Raises:
            ValueError: no number.
        """
        text = self.of(names) or ""
        try:
            found = float(text.replace(",", ".") if text.count(",") == 1 else text)
        except ValueError:
            found = math.nan
        if not math.isfinite(found) or "_" in text:
            raise ValueError(f"{text!r} is no number (line {self.line})")
        return found


def kind_of_head(head: str) -> str | None:
    """Which of these tables a text begins as."""
    first = next((line for line in head.split("\n") if line.strip()), "")
    columns: list[str] = []
    for mark in ",;\t":
        cells = [cell.strip().strip('"').strip().lower() for cell in first.split(mark)]
        columns = cells if len(cells) > len(columns) else columns
    names = set(columns)
    if {"index", "axis-0", "axis-1"} <= names:
        return SHAPES if "shape-type" in names else NAPARI
    if not (names & set(X) and names & set(Y)) or (names & BOXED and "area" not in names):
        return None
    if columns[0] == "" and names & MEASURED and not names & set(IMAGE):
        return RESULTS
    return PLAIN if names & set(IMAGE) else None


def drawn_of(path: Path, kind: str) -> Iterator[Drawn]:
    """What a table holds.

    Raises:
        WsssError: not such a table.
    """
    rows = _rows(path)
    if kind == SHAPES:
        yield from _shapes(path, rows)
    elif kind == NAPARI:
        yield from _napari(path, rows)
    else:
        yield from _points(path, rows, kind)


def _rows(path: Path) -> list[Row]:
    cells, lines = read_cells(path, KNOWN)
    header = [name.strip().lower() for name in cells[0]]
    named = [name for name in header if name]
    if len(named) > len(set(named)):
        raise WsssError(f"{path}: a column's name stands twice in line 1")
    found = []
    for row, line in zip(cells[1:], lines[1:], strict=True):
        if len(row) > len(header):
            raise WsssError(
                f"{path}: line {line} has {len(row)} cells, line 1 {len(header)}",
                "with decimal commas, ';' stands between the cells",
            )
        row = row + [""] * (len(header) - len(row))
        found.append(Row(dict(zip(header, row, strict=True)), line))
    return found


def _points(path: Path, rows: list[Row], kind: str) -> Iterator[Drawn]:
    if kind == RESULTS:
        _refuse_units(path, rows)
    shares = bool(rows)
    for row in rows:
        image, label = _of_result(path, row) if kind == RESULTS else _said(row)
        try:
            if kind == PLAIN and not row.of(X) and not row.of(Y):
                yield Drawn(image)  # an image without points
                continue
            x, y = row.number(X), row.number(Y)
            rank = row.of(RANK) if kind == PLAIN else None
            place = int(rank) if rank and rank.isascii() and rank.isdigit() else None
            source = (row.of(SOURCE) or None) if kind == PLAIN else None
            yield Drawn(image, label, "point", ((x, y),), CORNER, source, place, line=row.line)
            shares = shares and 0 <= x <= 1 and 0 <= y <= 1
        except ValueError as err:
            yield Drawn(image, problem=str(err))
            shares = False
    if shares:
        raise WsssError(
            f"{path}: all points lie within 0 and 1: they seem to be shares of the image's size",
            "multiply x by its width and y by its height",
        )


def _said(row: Row) -> tuple[str, str | None]:
    return row.of(IMAGE) or "", row.of(LABEL) or None


def _of_result(path: Path, row: Row) -> tuple[str, str | None]:
    """Image and class of a row of ImageJ's results, of "image:region" or "image:slice:region"."""
    parts = (row.cells.get("label") or "").split(":")
    if not parts[0]:
        return re.sub(r"(?i)[-_ ]*results[-_ ]*", "", path.stem), None
    return parts[0], class_of_region(parts[-1]) if len(parts) > 1 else None


def _refuse_units(path: Path, rows: list[Row]) -> None:
    """
    Raises:
        WsssError: a column says that lengths are not in pixels.
    """
    for row in rows[:1]:
        for name, cell in row.cells.items():
            unit = re.fullmatch(r"[xy] *[(\[_ ]+(.+?)[)\]]?", name)
            said = cell if name in ("unit", "units") else unit[1] if unit else "px"
            if said.lower() not in ("px", "pixel", "pixels", ""):
                raise WsssError(
                    f"{path}: coordinates are in {said}, not in pixels",
                    "in ImageJ, remove the scale (Analyze > Set Scale) and measure again",
                )


def _napari(path: Path, rows: list[Row]) -> Iterator[Drawn]:
    _refuse_stack(path, rows)
    for row in rows:
        try:
            place = row.number(("axis-1",)), row.number(("axis-0",))
        except ValueError as err:
            raise WsssError(f"{path}: {err}") from None
        label = row.of(LABEL_COLUMNS) or None
        yield Drawn(None, label, "point", (place,), CENTRE, line=row.line)
    if not rows:
        yield Drawn(None)


def _shapes(path: Path, rows: list[Row]) -> Iterator[Drawn]:
    """Shapes, whose corners are rows of one index."""
    _refuse_stack(path, rows)
    kinds = {"polygon": "polygon", "path": "line", "line": "line", "rectangle": "polygon",
             "ellipse": "ellipse"}  # fmt: skip
    parts: dict[str, list[Row]] = {}
    for row in rows:
        parts.setdefault(row.cells.get("index", ""), []).append(row)
    for corners in parts.values():
        kind = kinds.get(corners[0].cells.get("shape-type", ""))
        if kind is None:
            shown = corners[0].cells.get("shape-type", "")
            raise WsssError(f"{path}: line {corners[0].line} is of the shape {shown!r}")
        try:
            ordered = sorted(corners, key=lambda row: row.number(("vertex-index",)))
            ring = tuple((row.number(("axis-1",)), row.number(("axis-0",))) for row in ordered)
        except ValueError as err:
            raise WsssError(f"{path}: {err}") from None
        label = corners[0].of(LABEL_COLUMNS) or None
        yield Drawn(None, label, _upright(kind, ring), ring, CENTRE, line=corners[0].line)


def _upright(kind: str, ring: Sequence[tuple[float, float]]) -> str:
    """A box where four corners are those of an upright rectangle."""
    xs, ys = {x for x, _ in ring}, {y for _, y in ring}
    return "box" if kind == "polygon" and len(ring) == 4 and len(xs) == len(ys) == 2 else kind


def _refuse_stack(path: Path, rows: list[Row]) -> None:
    if rows and "axis-2" in rows[0].cells:
        raise WsssError(
            f"{path}: holds places in a stack (axis-2)", "write the points of each image by itself"
        )
