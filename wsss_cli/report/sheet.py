"""Contact sheets: pictures in rows and columns, with their titles and a legend."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..artifacts.placing import write_whole
from ..core.render import stripes

PAPER, INK, FAINT = (255, 255, 255), (32, 32, 36), (236, 236, 238)
FONT_SIZE, MARGIN, GAP, LINE = 13, 14, 6, 20  # pixels
BETWEEN = 8  # pixels more from a row's caption to the next row


@dataclass(frozen=True)
class Row:
    """One image's pictures, None where there is none, and a line of text below them."""

    pictures: Sequence[np.ndarray | None]
    caption: str


def sheet_size(n_rows: int, n_columns: int, cell: tuple[int, int]) -> tuple[int, int]:
    """The largest (H, W) that a contact sheet can have, without its legend."""
    height = 2 * MARGIN + LINE + n_rows * (cell[0] + LINE + BETWEEN)
    return height, 2 * MARGIN + n_columns * (cell[1] + GAP) - GAP


def contact_sheet(
    titles: Sequence[str],
    rows: Sequence[Row],
    legend: Sequence[tuple[str, tuple[int, int, int] | None]],
    cell: tuple[int, int],
) -> np.ndarray:
    """Pictures in rows and columns, with titles above and a legend below.

    Args:
        titles: one a column.
        rows: each with one picture of at most `cell` a column, uint8 RGB.
        legend: (name, colour); None for the stripes of IGNORE.
        cell: (h, w) of the room for one picture; a row is as high as its pictures.

    Returns:
        (H, W, 3) uint8. Any letters may be in the texts; those that the built-in font lacks show
        as boxes.
    """
    width = sheet_size(0, len(titles), cell)[1]
    tops, bottom = _row_tops(rows, cell)
    places, legend_height = _legend_places([name for name, _ in legend], width)
    sheet = np.empty((bottom + legend_height, width, 3), np.uint8)
    sheet[:] = PAPER
    texts = [(title, _left(i, cell), MARGIN, cell[1]) for i, title in enumerate(titles)]
    for row, top in zip(rows, tops, strict=True):
        height = _row_height(row, cell)
        for column, picture in enumerate(row.pictures):
            left = _left(column, cell)
            if picture is None:
                sheet[top : top + height, left : left + cell[1]] = FAINT
                texts.append(("not in this file", left + 8, top + 8, cell[1] - 8))
            else:
                h, w = picture.shape[:2]
                left += (cell[1] - w) // 2
                sheet[top : top + h, left : left + w] = picture
        texts.append((row.caption, MARGIN, top + height + 2, width - 2 * MARGIN))
    for (left, above), (name, colour) in zip(places, legend, strict=True):
        top = bottom + above
        swatch = sheet[top + 3 : top + 15, left : left + 12]
        swatch[:] = stripes((12, 12))[..., None] if colour is None else colour
        texts.append((name, left + 18, top, width - MARGIN - left - 18))
    return _write_texts(sheet, texts)


def write_png(sheet: np.ndarray, out: Path) -> None:
    """Write a sheet, whole or not at all.

    Raises:
        WsssError: the disk is full or not writable.
    """
    stream = io.BytesIO()
    Image.fromarray(sheet).save(stream, "PNG", optimize=True)
    write_whole(out, stream.getvalue())


def _left(column: int, cell: tuple[int, int]) -> int:
    return MARGIN + column * (cell[1] + GAP)


def _row_height(row: Row, cell: tuple[int, int]) -> int:
    return max((p.shape[0] for p in row.pictures if p is not None), default=cell[0])


def _row_tops(rows: Sequence[Row], cell: tuple[int, int]) -> tuple[list[int], int]:
    """Where each row begins, and where the legend does."""
    tops, top = [], MARGIN + LINE
    for row in rows:
        tops.append(top)
        top += _row_height(row, cell) + LINE + BETWEEN
    return tops, top + MARGIN - BETWEEN


def _write_texts(sheet: np.ndarray, texts: Sequence[tuple[str, int, int, int]]) -> np.ndarray:
    """Write lines of text, each (text, left, top, room to its right)."""
    page = Image.fromarray(sheet)
    pen, font = ImageDraw.Draw(page), _font()
    for text, left, top, room in texts:
        pen.text((left, top), shorten(text, room), INK, font)
    return np.array(page)


def _legend_places(names: Sequence[str], width: int) -> tuple[list[tuple[int, int]], int]:
    """(left, top) of each entry, flowing into lines, and the height of all."""
    places: list[tuple[int, int]] = []
    left, top, room = MARGIN, 0, width - 2 * MARGIN
    for name in names:
        needed = min(18 + int(text_width(name)) + 1, room)
        if left > MARGIN and left + needed > width - MARGIN:
            left, top = MARGIN, top + LINE
        places.append((left, top))
        left += needed + 16
    return places, top + LINE + MARGIN if places else 0


def text_width(text: str) -> float:
    """Pixels that a line of text takes in the built-in font."""
    return _font().getlength(_printable(text))


def shorten(text: str, width: int) -> str:
    """`text`, or its beginning and end around "..", as fits into `width` pixels."""
    text = _printable(text)
    if text_width(text) <= width:
        return text
    low, high = 0, len(text)  # characters kept, by bisection
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(_elide(text, middle)) <= width:
            low = middle
        else:
            high = middle - 1
    return _elide(text, low)


def _elide(text: str, kept: int) -> str:
    tail = kept // 2
    return text[: kept - tail] + ".." + (text[-tail:] if tail else "")


def _printable(text: str) -> str:
    """One line that the font takes: Pillow without FreeType has Latin-1 only."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    if isinstance(_font(), ImageFont.FreeTypeFont):
        return line
    return line.encode("latin-1", "replace").decode("latin-1")


def _font() -> Any:
    """Pillow's built-in font; load_default reads it once a call, so keep what it gave."""
    if not _FONTS:
        _FONTS.append(ImageFont.load_default(size=FONT_SIZE))
    return _FONTS[0]


_FONTS: list[Any] = []
