"""What the columns of a table of image tags mean. `table.py` makes samples of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import WsssError
from .cells import Named, Table, flag, is_whole_number, looks_like_list
from .csv_rows import even_out, is_header, read_cells
from .files import ImageFolder
from .lists import refuse_twice
from .names import is_image
from .onehot import no_labels, onehot, place_of
from .strays import other_columns, refuse_flags

LAYOUTS = ("auto", "labels", "onehot", "rows")
SEPARATORS = (";", "|", ",")  # tried in this order; class names may hold spaces
FILE_COLUMNS = (
    "filename", "file_name", "file", "filepath", "file_path", "path", "image", "image_name",
    "image_path", "image_id", "imageid", "image_index", "img", "id", "name",
)  # fmt: skip
LABEL_COLUMNS = (
    "labels", "label", "tags", "tag", "classes", "class", "class_name", "categories",
    "category",
)  # fmt: skip
MASK_COLUMNS = ("mask", "mask_path", "segmentation")
SPLIT_COLUMNS = ("split", "subset", "set")
_KNOWN = frozenset({*FILE_COLUMNS, *LABEL_COLUMNS, *MASK_COLUMNS, *SPLIT_COLUMNS})
_UNNAMED = re.compile(r"(unnamed: \d+(\.\d+)?)?", re.I)  # as pandas calls the number of a row
_CERTAINTY = ("confidence", "present", "presence", "is_present", "verified")


def parse_table(
    path: Path,
    folder: ImageFolder,
    layout: str = "auto",
    separator: str | None = None,
    named: Named | None = None,
) -> Table:
    """Read the cells and settle what they mean; arguments as `read_table`'s.

    Raises:
        WsssError: missing, empty or not a table; rows of different length; a column twice, or
            one that is named and not there; no column of labels, or class columns that hold more
            than 0 and 1, or -1 of which nothing is said.
    """
    named = named or Named()
    rows, lines = read_cells(path, _KNOWN)
    asked = {name for name in (named.label, named.image) if name is not None}
    header = tuple(rows[0]) if asked & set(rows[0]) or is_header(rows[0], folder) else None
    if header is not None:
        rows, lines = rows[1:], lines[1:]
        if not rows:
            raise WsssError(f"{path}: holds a header and no rows")
        refuse_twice(str(path), "columns", [name for name in header if name])
    spread = separator == ","
    width = len(header) if header is not None else 2 if spread else max(map(len, rows))
    even = even_out(path, rows, lines, width, spread)
    table = _find_columns(Table(path, even, tuple(lines), header), named)
    if layout == "auto":
        layout = _guess(table, separator, named)
    if layout == "onehot":
        return onehot(table, named)
    if named.minus_one is not None:
        raise WsssError(f"{path}: --minus-one is of tables with a column per class")
    if table.label is None:
        raise no_labels(table)
    _refuse_absent(table)
    refuse_flags(table, named.classes)
    if layout == "labels" and separator is None:
        cells = [row[table.label] for row in table.rows if not looks_like_list(row[table.label])]
        separator = next((mark for mark in SEPARATORS if any(mark in c for c in cells)), None)
    elif separator is not None and not any(separator in row[table.label] for row in table.rows):
        remark = f"no cell of tags holds the separator {separator!r}, so each is one tag"
        table = replace(table, remarks=(remark,))
    table = replace(table, layout=layout, separator=separator)
    return replace(table, remarks=(*table.remarks, *other_columns(table, named.label is not None)))


def _find_columns(table: Table, named: Named) -> Table:
    """Tell file, label, mask and split columns by name; leave the rest as `class_columns`."""
    width = len(table.rows[0])
    told_label, told_file = place_of(table, named.label), place_of(table, named.image)
    if table.header is None:
        label = 1 if width == 2 else None
        return replace(table, label=label, class_columns=tuple(range(2 if label else 1, width)))
    plain = [re.sub(r"[\s_-]+", "_", name.lower()) for name in table.header]
    place = {name: column for column, name in reversed(list(enumerate(plain)))}

    def find(names: Sequence[str], told: int | None = None) -> int | None:
        return told if told is not None else next((place[n] for n in names if n in place), None)

    file, label = find(FILE_COLUMNS, told_file), find(LABEL_COLUMNS, told_label)
    file = _of_images(table) if file is None else file
    passed = _index_columns(table) - {file}
    label = None if label == file else label
    mask, split = find(MASK_COLUMNS), find(SPLIT_COLUMNS)
    # A class may be called "mask" or "set": yes and no are neither paths nor splits.
    mask = None if mask is None or mask == label or table.is_binary(mask) else mask
    split = None if split is None or split == label or table.is_binary(split) else split
    used = {file, label, mask, split, *passed}
    rest = [column for column in range(width) if column not in used]
    # So may "label"; but where no other column is a class, 0 and 1 are the names of two.
    flags = label is not None and rest and all(map(table.is_binary, [label, *rest]))
    if flags and told_label is None and label is not None:
        rest, label = sorted([label, *rest]), None
    return replace(table, file=file, label=label, mask=mask, split=split, class_columns=tuple(rest))


def _index_columns(table: Table) -> set[int]:
    """pandas' number of each row, a first column without a name; and columns of nothing."""
    assert table.header is not None
    passed = set()
    for column, name in enumerate(table.header):
        cells = [row[column] for row in table.rows]
        numbered = len(set(cells)) == len(cells) and all(map(is_whole_number, cells))
        numbered = numbered and (column == 0 or name != "")
        if _UNNAMED.fullmatch(name) and (numbered or not any(cells)):
            passed.add(column)
    return passed


def _refuse_absent(table: Table) -> None:
    """
    Raises:
        WsssError: a column beside the labels says of some that they are not there, as those that
            people verified for Open Images do.
    """
    for column in table.class_columns if table.header is not None else ():
        name = table.name_of(column)
        if name.lower() in _CERTAINTY:
            for row, line in zip(table.rows, table.lines, strict=True):
                if row[column] and flag(row[column]) == 0:
                    raise WsssError(
                        f"{table.path}: {name!r} holds {row[column]} (line {line}), which may say "
                        "that the label is not there",
                        "leave such rows out; or the column, if it says something else",
                    )


def _of_images(table: Table) -> int:
    """The first column that holds names of image files; else the first."""
    for column in range(len(table.rows[0])):
        if all(is_image(row[column]) for row in table.rows):
            return column
    return 0


def _guess(table: Table, separator: str | None, named: Named) -> str:
    if table.label is None:
        columns = set(table.header or ())
        if table.header is not None and named.classes and columns & set(named.classes):
            return "onehot"
        binary = table.class_columns and all(map(table.is_flags, table.class_columns))
        return "onehot" if binary else "labels"
    if separator is not None or (table.header and table.header[table.label].lower() == "labels"):
        return "labels"
    files = [row[table.file] for row in table.rows]
    return "rows" if len(set(files)) < len(files) else "labels"
