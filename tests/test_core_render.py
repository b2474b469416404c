"""Pictures: colours, blends and contact sheets, by their pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFont

from wsss_cli.core import render
from wsss_cli.core.render import (
    class_colours,
    fit,
    outline,
    paint_label,
    paint_maps,
    resize_image,
    resize_label,
    resize_maps,
    stripes,
)
from wsss_cli.report import sheet
from wsss_cli.report.sheet import (
    FAINT,
    LINE,
    MARGIN,
    PAPER,
    Row,
    contact_sheet,
    shorten,
    text_width,
)

GREY = np.full((8, 10, 3), 100, np.uint8)
COLOURS = np.array([[250, 0, 0], [0, 250, 0]], np.uint8)


def test_colours_are_fixed_and_apart() -> None:
    colours = class_colours(20)
    assert (colours.shape, colours.dtype) == ((20, 3), np.uint8)
    assert (class_colours(254)[:20] == colours).all()  # a class keeps its colour
    apart = np.abs(colours[:, None].astype(int) - colours).sum(axis=2) + 999 * np.eye(20, dtype=int)
    assert apart.min() >= 60
    spread = colours.max(axis=1).astype(int) - colours.min(axis=1)
    assert spread.min() > 60  # none looks like the grey of IGNORE
    assert class_colours(0).shape == (0, 3)


@given(
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
)
def test_fit_stays_inside_and_fills_one_side(size: tuple[int, int], cell: tuple[int, int]) -> None:
    height, width = fit(size, cell)
    assert 1 <= height <= cell[0]
    assert 1 <= width <= cell[1]
    assert height == cell[0] or width == cell[1]


def test_labels_are_painted_by_kind() -> None:
    label = np.zeros((8, 10), np.uint8)
    label[:, 3:6] = 1
    label[:, 6:9] = 255
    picture = paint_label(GREY, label, COLOURS)
    assert (picture[:, :3] == round(100 * render.DIMMED)).all()
    assert (picture[:, 9] == round(100 * render.DIMMED)).all()
    inside = np.round(100 * (1 - render.STRENGTH) + COLOURS[0] * render.STRENGTH)
    assert (picture[:, 4] == inside).all()
    edge = np.round(COLOURS[0] * 0.6 + 255 * 0.4)
    assert (picture[:, [3, 5]] == edge).all()
    unsure = picture[:, 6:9].astype(int)
    assert (unsure == unsure[..., :1]).all()  # grey
    assert len(np.unique(unsure)) == 2  # and striped
    assert (unsure == np.round(30 + 0.7 * stripes((8, 10))[:, 6:9, None])).all()
    assert (GREY == 100).all()  # the image is left alone


def test_a_label_of_no_class_or_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="label 3 of 2 classes"):
        paint_label(GREY, np.full((8, 10), 3, np.uint8), COLOURS)
    with pytest.raises(ValueError, match=r"labels of \(8, 9\)"):
        paint_label(GREY, np.zeros((8, 9), np.uint8), COLOURS)
    many = class_colours(300)  # more classes than labels: those that fit are painted
    assert paint_label(GREY, np.full((8, 10), 254, np.uint8), many).shape == GREY.shape


def test_maps_take_the_strongest_class_as_strong_as_it_is() -> None:
    maps = np.zeros((2, 8, 10), np.float32)
    maps[0, :, 2:4] = 1
    maps[1, :, 2] = 0.9
    maps[1, :, 5] = 0.5
    picture = paint_maps(GREY, maps, COLOURS).astype(float)
    ground = 100 * render.DIMMED
    for column, score, colour in ((0, 0, 0), (2, 1, 0), (3, 1, 0), (5, 0.5, 1)):
        expected = ground + (COLOURS[colour] - ground) * score * render.GLOW
        assert picture[0, column] == pytest.approx(expected, abs=0.51)
    none = paint_maps(GREY, maps[:0], COLOURS[:0])
    assert (none == round(ground)).all()
    with pytest.raises(ValueError, match="1 colours"):
        paint_maps(GREY, maps, COLOURS[:1])


def test_outline_is_both_sides_of_every_step() -> None:
    label = np.zeros((5, 5), np.uint8)
    label[2, 2] = 7
    expected = np.zeros((5, 5), bool)
    expected[2, 1:4] = expected[1:4, 2] = True
    assert (outline(label) == expected).all()
    assert not outline(np.ones((1, 1), np.uint8)).any()


def test_resizing_keeps_what_it_should() -> None:
    label = np.array([[0, 3], [255, 1]], np.uint8)
    assert resize_label(label, (4, 6)).tolist() == np.kron(label, np.ones((2, 3), int)).tolist()
    assert set(np.unique(resize_label(label.repeat(9, 0), (3, 2)))) <= {0, 1, 3, 255}
    assert resize_image(GREY, (3, 5)).shape == (3, 5, 3)
    maps = np.linspace(0, 1, 32, dtype=np.float32).reshape(2, 4, 4)
    small = resize_maps(maps, (2, 2))
    assert small.dtype == np.float32
    assert small.mean(axis=(1, 2)) == pytest.approx(maps.mean(axis=(1, 2)), abs=1e-3)
    assert resize_maps(maps[:0], (2, 2)).shape == (0, 2, 2)


def solid(height: int, width: int, value: int) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_a_sheet_puts_pictures_in_their_cells() -> None:
    rows = [Row([solid(30, 40, 10), None], "first"), Row([solid(20, 30, 20)] * 2, "second")]
    page = contact_sheet(["a", "b"], rows, [("x", (1, 2, 3)), ("unsure", None)], (30, 40))
    left, top = MARGIN, MARGIN + LINE
    assert (page[top : top + 30, left : left + 40] == 10).all()
    other = left + 40 + sheet.GAP
    missing = page[top : top + 30, other : other + 40]
    assert (missing[-5:] == FAINT).all()
    assert (missing[:20] != FAINT).any()  # says so
    top += 30 + LINE + sheet.BETWEEN
    assert (page[top : top + 20, left + 5 : left + 35] == 20).all()  # centred
    assert (page[top : top + 20, left : left + 5] == PAPER).all()
    legend = page[top + 20 + LINE :]
    assert (legend == (1, 2, 3)).all(axis=2).sum() == 144
    assert {115, 170} <= set(np.unique(legend[..., 0]))
    largest = sheet.sheet_size(2, 2, (30, 40))
    assert page.shape[1] == largest[1]
    without = contact_sheet(["a", "b"], rows, [], (30, 40))
    assert without.shape[0] <= largest[0]


def test_a_long_legend_flows_into_lines_and_stays_on_the_page() -> None:
    names = [(f"class number {index}", (0, 0, 0)) for index in range(12)]
    page = contact_sheet(["a"], [Row([solid(10, 100, 0)], "")], names, (10, 100))
    short = contact_sheet(["a"], [Row([solid(10, 100, 0)], "")], names[:1], (10, 100))
    assert page.shape[0] == short.shape[0] + 11 * LINE
    assert (page[:, -MARGIN // 2 :] == PAPER).all()


@given(st.text(max_size=60), st.integers(0, 200))
def test_shortened_text_fits(text: str, width: int) -> None:
    short = shorten(text, width)
    assert short.isprintable()
    assert text_width(short) <= max(width, text_width(".."))


def test_short_text_stays_and_long_text_keeps_its_ends() -> None:
    assert shorten("2007_000032", 500) == "2007_000032"
    short = shorten("abcdefghijklmnopqrstuvwxyz" * 4, 100)
    assert short.startswith("abc")
    assert short.endswith("xyz")
    assert ".." in short
    assert shorten("a\nb\tc", 500) == "a b c"


@pytest.mark.parametrize("basic", [False, True])
def test_any_letters_are_written(monkeypatch: pytest.MonkeyPatch, basic: bool) -> None:
    if basic:  # what Pillow has where FreeType is missing: Latin-1 only
        monkeypatch.setattr(sheet, "_FONTS", [ImageFont.load_default_imagefont()])
    text = "Kühe 牛 🐄 כלב \ud800 \0"
    row = Row([solid(10, 200, 0)], text)
    page = contact_sheet([text], [row], [(text, (0, 0, 0))], (10, 200))
    assert (page[MARGIN : MARGIN + LINE] != PAPER).any()
