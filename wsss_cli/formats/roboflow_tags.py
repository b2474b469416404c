"""Roboflow's multi-label export: _classes.csv in each split's folder, 0 or 1 for each class."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any

from ..errors import WsssError
from .cells import flag
from .csv_rows import read_cells
from .entries import Entry, gather
from .place import Place
from .reading import TAGGED, Asked, Reader
from .sample import Collection

NAME = "_classes.csv"


def read(path: Path, asked: Asked, _: Any) -> Collection:
    """Read the tables of all splits.

    Raises:
        WsssError: none, columns that differ, a cell that is neither 0 nor 1, or as `gather`.
    """
    place = Place(path)
    files = [file for file in place.matching(NAME) if _is_table(place, file)]
    if not files:
        raise WsssError(f"{path}: holds no {NAME} of filename and classes")
    classes: tuple[str, ...] | None = None
    entries = []
    for file in files:
        rows, lines = read_cells(file, {"filename"})
        columns = tuple(rows[0][1:])
        if classes is not None and columns != classes:
            raise WsssError(
                f"{file}: has other columns than {files[0]}", "are they of one project?"
            )
        classes = columns
        folder = posixpath.relpath(file.parent.as_posix(), place.root.as_posix())
        front, split = ("", ()) if folder == "." else (f"{folder}/", (folder.split("/")[0],))
        for cells, line in zip(rows[1:], lines[1:], strict=True):
            values = [flag(cell) for cell in cells[1:]]
            if len(values) != len(columns) or not set(values) <= {0, 1}:
                raise WsssError(f"{file}: line {line} holds what is neither 0 nor 1")
            tags = tuple(name for name, held in zip(columns, values, strict=True) if held)
            entries.append(Entry(name=front + cells[0], tags=tags, splits=split))
    own = dict.fromkeys(split for entry in entries for split in entry.splits)
    return gather(
        str(path), entries, place.folder(asked.images), asked, {"source": "roboflow-tags"},
        classes=classes, splits=own,
    )  # fmt: skip


def _is_table(place: Place, file: Path) -> bool:
    return place.head(file).lstrip().lower().startswith("filename")


def detect(place: Place) -> str | None:
    """As `Reader.detect`."""
    files = [file for file in place.matching(NAME) if _is_table(place, file)]
    return f"{NAME} of filename and classes" if files else None


READER = Reader(
    name="roboflow-tags",
    said="Roboflow's multi-label export",
    read=read,
    detect=detect,
    option=False,
    takes=("images", *TAGGED),
    before=("csv",),
)
