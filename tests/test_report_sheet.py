"""Contact sheets: where pictures, texts and colours stand, in pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsss_cli.core.render import stripes
from wsss_cli.errors import WsssError
from wsss_cli.report.sheet import (
    FAINT,
    INK,
    PAPER,
    Row,
    contact_sheet,
    sheet_size,
    shorten,
    text_width,
    write_png,
)

CELL = (40, 60)
LEFT, TOP = 14, 34  # of the first picture: the margin, and a line of titles


def picture(height: int = 40, width: int = 60, value: int = 90) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_the_size_by_hand() -> None:
    # 14 + 20 of titles + 2 x (64 + 20 of caption + 8) + 14; 14 + 3 x 96 + 2 x 6 + 14
    assert sheet_size(2, 3, (64, 96)) == (232, 328)
    sheet = contact_sheet(["a"], [Row([picture()], "x")] * 2, [], CELL)
    assert sheet.shape == (14 + 20 + 2 * (40 + 20) + 8 + 14, 88, 3)
    assert sheet.shape[0] <= sheet_size(2, 1, CELL)[0]


def test_pictures_stand_in_rows_and_columns() -> None:
    rows = [Row([picture(value=10), picture(value=20)], ""), Row([picture(value=30), None], "")]
    sheet = contact_sheet(["", ""], rows, [], CELL)
    second = TOP + 40 + 28
    assert (sheet[TOP : TOP + 40, LEFT : LEFT + 60] == 10).all()
    assert (sheet[TOP : TOP + 40, LEFT + 66 : LEFT + 126] == 20).all()
    assert (sheet[second : second + 40, LEFT : LEFT + 60] == 30).all()
    gap = sheet[second : second + 40, LEFT + 66 : LEFT + 126]
    assert (gap[-10:] == FAINT).all()
    assert (gap == INK).all(axis=2).any()  # which says so
    assert (sheet[:TOP] == PAPER).all()
    assert (sheet[:, LEFT + 60 : LEFT + 66] == PAPER).all()


def test_a_narrow_picture_stands_in_the_middle_and_a_low_one_makes_a_low_row() -> None:
    sheet = contact_sheet([""], [Row([picture(20, 30)], "")], [], CELL)
    assert sheet.shape[0] == 14 + 20 + 20 + 20 + 14
    place = (sheet == 90).all(axis=2)
    assert place.sum() == 20 * 30
    assert place[TOP : TOP + 20, LEFT + 15 : LEFT + 45].all()


def test_the_legend_has_colours_and_stripes() -> None:
    rows = [Row([picture(), picture()], "")]
    bottom = contact_sheet(["", ""], rows, [], CELL).shape[0]
    legend = [("a", (200, 10, 10)), ("b", None)]
    sheet = contact_sheet(["", ""], rows, legend, CELL)
    assert sheet.shape[0] == bottom + 20 + 14
    assert ((sheet == (200, 10, 10)).all(axis=2)).sum() == 12 * 12
    assert (sheet[bottom + 3 : bottom + 15, LEFT : LEFT + 12] == (200, 10, 10)).all()
    second = LEFT + 18 + int(text_width("a")) + 1 + 16
    swatch = sheet[bottom + 3 : bottom + 15, second : second + 12]
    assert (swatch == stripes((12, 12))[..., None]).all()
    many = contact_sheet(["", ""], rows, [("a" * 9, (1, 2, 3))] * 5, CELL)
    assert many.shape[0] == bottom + 5 * 20 + 14  # no two of them fit into a line


@pytest.mark.parametrize("width", [200, 100, 60, 30])
def test_texts_are_shortened_in_their_middle(width: int) -> None:
    text = "a/long/name/of/one/image"
    short = shorten(text, width)
    assert text_width(short) <= width
    if short != text:
        head, tail = short.split("..")
        assert text.startswith(head)
        assert text.endswith(tail)
        assert 0 <= len(head) - len(tail) <= 1
        end = (len(head) + len(tail) + 1) // 2  # of one letter more
        begin = len(head) + len(tail) + 1 - end
        assert text_width(f"{text[:begin]}..{text[-end:]}") > width


def test_short_texts_stay_and_control_characters_are_blanks() -> None:
    assert shorten("abc", 100) == "abc"
    assert shorten("a\nb\x1b", 100) == "a b "
    assert shorten("abc", 0) == ".."


def test_a_png_is_written_whole(tmp_path: Path) -> None:
    sheet = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    write_png(sheet, tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as found:
        assert np.array_equal(np.array(found), sheet)
    with pytest.raises(WsssError, match=r"no/s\.png: cannot be written"):
        write_png(sheet, tmp_path / "no" / "s.png")
