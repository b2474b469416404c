"""The cells of a CSV of image tags, and what its columns mean. `table.py` makes samples of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..artifacts import ledger
from ..artifacts.inputs import contents
from ..errors import WsssError
from .files import EXTENSIONS, ImageFolder
from .lists import refuse_twice

LAYOUTS = ("auto", "labels", "onehot", "rows")
SEPARATORS = (";", "|", ",")  # tried in this order; class names may hold spaces
FILE_COLUMNS = (
    "filename", "file_name", "file", "filepath", "path", "image", "image_name", "image_path",
    "image_id", "img", "id", "name",
)  # fmt: skip
LABEL_COLUMNS = (
    "labels", "label", "tags", "tag", "classes", "class", "class_name", "categories",
    "category",
)  # fmt: skip
MASK_COLUMNS = ("mask", "mask_path", "segmentation")
SPLIT_COLUMNS = ("split", "subset", "set")
_ON = frozenset({"1", "1.0", "true", "yes"})
_BINARY = _ON | {"0", "0.0", "false", "no", ""}


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

    def tags(self, row: Sequence[str]) -> list[str]:
        """A row's tags, repeated ones included."""
        if self.layout == "onehot":
            pairs = zip(self.class_columns, self.class_names, strict=True)
            return [name for column, name in pairs if row[column].lower() in _ON]
        assert self.label is not None
        cell = row[self.label]
        parts = [cell] if self.separator is None else cell.split(self.separator)
        return [part.strip() for part in parts if part.strip()]

    def is_binary(self, column: int) -> bool:
        """Whether a column holds nothing but yes and no."""
        return all(row[column].lower() in _BINARY for row in self.rows)

    def name_of(self, column: int) -> str:
        return self.header[column] if self.header is not None else f"column {column + 1}"


def parse_table(
    path: Path,
    folder: ImageFolder,
    layout: str = "auto",
    separator: str | None = None,
    classes: tuple[str, ...] | None = None,
) -> Table:
    """Read the cells and settle what they mean; arguments as `read_table`'s.

    Raises:
        WsssError: missing, empty or not a table; rows of different length; a column twice; no
            column of labels, or class columns that hold more than 0 and 1.
    """
    rows, lines = _read_cells(path)
    header = tuple(rows[0]) if _is_header(rows[0], folder) else None
    if header is not None:
        rows, lines = rows[1:], lines[1:]
        if not rows:
            raise WsssError(f"{path}: holds a header and no rows")
        refuse_twice(str(path), "columns", [name for name in header if name])
    spread = separator == ","
    width = len(header) if header is not None else 2 if spread else max(map(len, rows))
    even = _even_out(path, rows, lines, width, spread)
    table = _find_columns(Table(path, even, tuple(lines), header))
    if layout == "auto":
        layout = _guess(table, separator)
    if layout == "onehot":
        return _onehot(table, classes)
    if table.label is None:
        raise WsssError(
            f"{path}: has no column of labels",
            f"name one of its columns {', '.join(LABEL_COLUMNS[:3])} or so, or give each class "
            "a column of 0 and 1",
        )
    if layout == "labels" and separator is None:
        cells = [row[table.label] for row in table.rows]
        separator = next((mark for mark in SEPARATORS if any(mark in c for c in cells)), None)
    return replace(table, layout=layout, separator=separator if layout == "labels" else None)


def _find_columns(table: Table) -> Table:
    """Tell file, label, mask and split columns by name; leave the rest as `class_columns`."""
    width = len(table.rows[0])
    if table.header is None:
        label = 1 if width == 2 else None
        return replace(table, label=label, class_columns=tuple(range(2 if label else 1, width)))
    place = {name.lower(): column for column, name in reversed(list(enumerate(table.header)))}

    def find(names: Sequence[str]) -> int | None:
        return next((place[name] for name in names if name in place), None)

    file = find(FILE_COLUMNS) or 0
    label, mask, split = find(LABEL_COLUMNS), find(MASK_COLUMNS), find(SPLIT_COLUMNS)
    # A class may be called "mask" or "set": yes and no are neither paths nor splits.
    mask = None if mask is None or table.is_binary(mask) else mask
    split = None if split is None or table.is_binary(split) else split
    rest = [column for column in range(width) if column not in (file, label, mask, split)]
    # So may "label"; but where no other column is a class, 0 and 1 are the names of two.
    if label is not None and rest and all(map(table.is_binary, [label, *rest])):
        rest, label = sorted([label, *rest]), None
    return replace(table, file=file, label=label, mask=mask, split=split, class_columns=tuple(rest))


def _guess(table: Table, separator: str | None) -> str:
    if table.label is None:
        binary = table.class_columns and all(map(table.is_binary, table.class_columns))
        return "onehot" if binary else "labels"
    if separator is not None or (table.header and table.header[table.label].lower() == "labels"):
        return "labels"
    files = [row[table.file] for row in table.rows]
    return "rows" if len(set(files)) < len(files) else "labels"


def _onehot(table: Table, classes: tuple[str, ...] | None) -> Table:
    columns = list(table.class_columns)
    if table.label is not None:
        columns = sorted([*columns, table.label])
    for column in columns:
        if not table.is_binary(column):
            raise WsssError(
                f"{table.path}: {table.name_of(column)!r} holds more than 0 and 1, "
                "so is not the column of a class"
            )
    if not columns:
        raise WsssError(f"{table.path}: has no class columns")
    if table.header is not None:
        names = tuple(table.header[column] for column in columns)
    elif classes is not None and len(classes) == len(columns):
        names = classes
    else:
        raise WsssError(
            f"{table.path}: {len(columns)} class columns without a header",
            "name the classes in order with --classes FILE",
        )
    if not all(names):
        raise WsssError(f"{table.path}: a class column has no name")
    return replace(
        table, layout="onehot", label=None, class_columns=tuple(columns), class_names=names
    )


def _read_cells(path: Path) -> tuple[list[list[str]], list[int]]:
    """Stripped cells of all rows that are not blank, and their line numbers."""
    ledger.read(path)
    rows, lines = [], []
    try:
        stream = io.StringIO(contents(path, piped=True).decode("utf-8-sig"), newline="")
        first = next((line for line in stream if line.strip()), "")
        stream.seek(0)
        delimiter = next((mark for mark in ",\t;" if mark in first), ",")
        if path.suffix.lower() == ".tsv":
            delimiter = "\t"
        reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append([cell.strip() for cell in cells])
                lines.append(reader.line_num)
    except OSError as err:
        raise WsssError(f"{path}: {err.strerror or err}") from err
    except UnicodeDecodeError as err:
        raise WsssError(f"{path}: not UTF-8 text", "save it as CSV in UTF-8") from err
    except csv.Error as err:
        raise WsssError(f"{path}: not a CSV file ({err})") from err
    if not rows:
        raise WsssError(f"{path}: holds no rows")
    return rows, lines


def _is_header(first: list[str], folder: ImageFolder) -> bool:
    """Whether the first row names columns and is not about an image already."""
    cell, others = first[0], first[1:]
    if Path(cell).suffix.lower() in EXTENSIONS:
        return False
    if others and all(other.lower() in _BINARY for other in others):
        return False
    try:
        folder.find(cell)
    except LookupError:
        return True
    return False


def _even_out(
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
