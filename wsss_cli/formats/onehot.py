"""Which columns of a table are classes, and why one is not."""

from __future__ import annotations

from dataclasses import replace

from ..errors import WsssError
from .cells import Named, Table, flag
from .strays import says_split
from .tags import twin_of


def place_of(table: Table, name: str | None) -> int | None:
    """The column that the user names.

    Raises:
        WsssError: there is none.
    """
    if name is None:
        return None
    if table.header is None:
        raise WsssError(f"{table.path}: has no header, so no column {name!r}")
    if name not in table.header:
        raise WsssError(f"{table.path}: has no column {name!r}", f"it has: {columns_of(table)}")
    return table.header.index(name)


def columns_of(table: Table) -> str:
    names = [name for name in table.header or () if name]
    return ", ".join(names[:12]) + (f", and {len(names) - 12} more" if len(names) > 12 else "")


def no_labels(table: Table) -> WsssError:
    """Why a table says nothing of tags: what stands in the way, or that nothing is there."""
    others = [column for column in table.class_columns if not table.is_flags(column)]
    if table.header is None:
        return WsssError(
            f"{table.path}: has no column of labels",
            "its rows are an image and its labels, or an image and a 0 or 1 for each class; "
            "a first row with the columns' names tells them apart",
        )
    if others and len(others) < len(table.class_columns):
        return _stranger(table, others[0])
    hint = f"--label-column NAME names it; it has: {columns_of(table)}"
    if len(others) > 1:
        hint = (
            "--label-column NAME names a column of tags, and columns of classes hold 1 and 0; "
            f"it has: {columns_of(table)}"
        )
    if len(table.rows[0]) == 1:
        hint = "it has one column; commas, tabs or semicolons stand between the cells of a row"
    return WsssError(
        f"{table.path}: has no column of labels that is known by its name",
        f"{hint}; {_more(table, others[0])}" if others else hint,
    )


def _more(table: Table, column: int) -> str:
    """What a column holds that is no column of a class."""
    cells = zip(table.rows, table.lines, strict=True)
    cell, line = next((row[column], line) for row, line in cells if flag(row[column]) is None)
    return f"{table.name_of(column)!r} holds more than 0 and 1 ({cell[:40]!r} in line {line})"


def _stranger(table: Table, column: int, listed: bool = False) -> WsssError:
    """Of a column that cannot be that of a class, and may be one that the user lists."""
    if listed:
        return WsssError(
            f"{table.path}: {_more(table, column)}, and --classes lists it",
            "write 1 where an image shows the class, and 0 where it does not",
        )
    hint = "--classes FILE names the columns that are classes, one per line; others are left alone"
    return WsssError(
        f"{table.path}: {_more(table, column)}, so is not the column of a class",
        f"{hint}; --label-column NAME names a column of tags" if table.header else None,
    )


def onehot(table: Table, named: Named) -> Table:
    """The table with its class columns settled.

    Raises:
        WsssError: one holds more than 0 and 1, or -1 of which nothing is said, or is named like a
            split; a class listed has no column but for one that is spelled in another way; there
            is none at all.
    """
    columns = list(table.class_columns)
    if table.label is not None:
        columns = sorted([*columns, table.label])
    remarks: tuple[str, ...] = ()
    names = named.classes or ()
    if table.header is not None and named.classes is not None:
        listed, remarks = _listed(table, table.header, columns, named)
        names, columns = tuple(listed), list(listed.values())
    elif table.header is not None:
        names = tuple(table.header[column] for column in columns)
    for column in columns:
        if not table.is_flags(column):
            raise _stranger(table, column, named.classes is not None)
        if named.classes is None and table.header and says_split(table.header[column]):
            raise WsssError(
                f"{table.path}: {table.header[column]!r} seems to say in which split an image is, "
                "and not what it shows",
                "--classes FILE names the columns that are classes, one per line; "
                "a column called 'split' holds the names of splits",
            )
    for column in columns if named.minus_one is None else ():
        _refuse_minus_one(table, column)
    if not columns:
        raise WsssError(f"{table.path}: has no class columns")
    if table.header is None and len(names) != len(columns):
        raise WsssError(
            f"{table.path}: {len(columns)} class columns without a header",
            "name the classes in order with --classes FILE",
        )
    if not all(names):
        raise WsssError(f"{table.path}: a class column has no name")
    return replace(
        table, layout="onehot", label=None, class_columns=tuple(columns), class_names=names,
        minus_one=named.minus_one, remarks=remarks,
    )  # fmt: skip


def _listed(
    table: Table, header: tuple[str, ...], columns: list[int], named: Named
) -> tuple[dict[str, int], tuple[str, ...]]:
    """The columns of the classes listed, and what is said of what does not fit."""
    wanted = [*(named.classes or ()), *(name for name in named.more if name in header)]
    absent = [name for name in wanted if name not in header]
    for name in absent:
        twin = twin_of(name, header)
        if twin is not None or len(absent) == len(wanted):
            has = f"there is {twin!r}" if twin is not None else f"it has: {columns_of(table)}"
            raise WsssError(f"{table.path}: has no column {name!r}, which --classes lists", has)
    found = {name: header.index(name) for name in wanted if name in header}
    left = [column for column in columns if column not in found.values() and header[column]]
    unused = [repr(header[column]) for column in left if table.is_flags(column)]
    said = []
    if absent:
        said.append(f"{len(absent)} classes listed have no column, first {absent[0]!r}")
    if unused:
        said.append(
            f"{len(unused)} columns of 0 and 1 are left alone, since --classes does not list "
            f"them: {', '.join(unused[:3])}{', ...' if len(unused) > 3 else ''}"
        )
    return found, tuple(said)


def _refuse_minus_one(table: Table, column: int) -> None:
    """
    Raises:
        WsssError: the column holds -1.
    """
    for row, line in zip(table.rows, table.lines, strict=True):
        if flag(row[column]) == -1:
            raise WsssError(
                f"{table.path}: {table.name_of(column)!r} holds -1 (line {line}), which may mean "
                "that the class is absent, or not known",
                "--minus-one absent, present, unsaid or skip says it; skip leaves such images out",
            )
