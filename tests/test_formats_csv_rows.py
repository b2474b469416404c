"""A CSV file taken apart into rows of cells."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.csv_rows import even_out, is_header, read_cells
from wsss_cli.formats.files import ImageFolder

KNOWN = {"filename", "labels"}


def cells(folder: Path, text: str, name: str = "t.csv") -> list[list[str]]:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return read_cells(path, KNOWN)[0]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("filename;labels, all\na.jpg;cat\n", ["filename", "labels, all"]),
        ("filename\tlabels, all\n", ["filename", "labels, all"]),
        ("a.jpg\tcat,dog\n", ["a.jpg", "cat,dog"]),
        ("a.jpg;0,5;cat\n", ["a.jpg", "0,5", "cat"]),  # a decimal comma
        ("a.jpg,cat;dog\n", ["a.jpg", "cat;dog"]),
        ('"filename";"labels"\n', ["filename", "labels"]),
        ("Foto;Klasse\n", ["Foto", "Klasse"]),
        ("Foto,Klasse;n\n", ["Foto", "Klasse;n"]),
    ],
)
def test_the_delimiter_stands_between_known_names(
    tmp_path: Path, text: str, first: list[str]
) -> None:
    assert cells(tmp_path, text)[0] == first


def test_columns_of_nothing_at_the_end_are_left_out(tmp_path: Path) -> None:
    assert cells(tmp_path, "filename,labels,,\na.jpg,cat,,\nb.jpg,,,\nc.jpg,dog\n") == [
        ["filename", "labels"],
        ["a.jpg", "cat"],
        ["b.jpg", ""],
        ["c.jpg", "dog"],
    ]
    assert cells(tmp_path, "a.jpg,\nb.jpg,\n") == [["a.jpg", ""], ["b.jpg", ""]]
    assert cells(tmp_path, "a,b,\n1,2,x\n") == [["a", "b", ""], ["1", "2", "x"]]


def test_rows_know_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,"x\ny"\n\n\nb,z\n')
    assert read_cells(path, KNOWN) == ([["a", "x\ny"], ["b", "z"]], [2, 5])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('a.jpg,x\nb.jpg,"y\nc.jpg,z\n', "quote is left open, in the row that begins in line 2"),
        ('a.jpg,"cat\nb.jpg,"dog"\n', "expected after '\"', in the row that begins in line 1"),
        ('a.jpg,["cat", "dog"]\n', "expected after"),
        ('[{"filename": "a.jpg"}]', "is JSON, not a table"),
        ('{"filename": "a.jpg"}\n{"filename": "b.jpg"}\n', "is JSON, not a table"),
        ("<html><table>", "is a web page or XML, not plain text"),
        ("\n\n", "holds no rows"),
    ],
)  # fmt: skip
def test_what_is_no_table(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(WsssError) as caught:
        cells(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 't.csv'}: ")
    assert said in str(caught.value)


def test_a_first_row_of_names_is_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    folder = ImageFolder(tmp_path)
    assert is_header(["filename", "labels"], folder)
    for row in (["a.jpg", "x"], ["a", "x"], ["gone.png", "x"], ["gone", "1", "-1"]):
        assert not is_header(row, folder)


def test_rows_are_made_equally_long(tmp_path: Path) -> None:
    rows = [["a", "x"], ["b"], ["c", "y", "z"]]
    assert even_out(tmp_path, rows, [1, 2, 3], 2, True) == (("a", "x"), ("b", ""), ("c", "y,z"))
    with pytest.raises(WsssError, match="1 of 3 rows do not have 2 cells, first in line 3"):
        even_out(tmp_path, rows, [1, 2, 3], 2, False)


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;"])
def test_excel_says_the_delimiter_first(tmp_path: Path, first: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{first}\nFoto;Klasse, gut\na.jpg;cat\n")
    assert read_cells(path, KNOWN) == ([["Foto", "Klasse, gut"], ["a.jpg", "cat"]], [2, 3])


@pytest.mark.parametrize("remarks", ["# made in 2024\n", "# by me; 2024\n\n#\n", "\r\n#,x\r\n"])
def test_remarks_before_the_header_are_no_rows(tmp_path: Path, remarks: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{remarks}filename,labels\na.jpg,cat\n", newline="")
    count = remarks.count("\n")
    rows = [["filename", "labels"], ["a.jpg", "cat"]]
    assert read_cells(path, KNOWN) == (rows, [count + 1, count + 2])


@pytest.mark.parametrize("first", ["#filename,labels", "# Foto,Klasse", "#1.jpg,cat"])
def test_a_mark_of_remarks_may_begin_a_name(tmp_path: Path, first: str) -> None:
    assert cells(tmp_path, f"{first}\na.jpg,cat\n") == [first.split(","), ["a.jpg", "cat"]]


def test_a_bar_is_a_delimiter_where_it_parts_known_names(tmp_path: Path) -> None:
    assert cells(tmp_path, "filename|labels\na.jpg|cat\n")[0] == ["filename", "labels"]
    assert cells(tmp_path, "a.jpg,cat|dog\n")[0] == ["a.jpg", "cat|dog"]


def test_rows_in_a_cell_are_not_lost(tmp_path: Path) -> None:
    text = 'filename,labels,note\na.jpg,cat,"open\nb.jpg,dog,"\nc.jpg,cat,x\n'
    with pytest.raises(WsssError, match=r"the row that begins in line 2 holds rows itself") as err:
        cells(tmp_path, text)
    assert err.value.hint == "a quote is left open there"
    noted = 'filename,note,labels\na.jpg,"seen\nby me, twice",cat\n'
    assert cells(tmp_path, noted)[1] == ["a.jpg", "seen\nby me, twice", "cat"]


def test_spaces_around_quotes_are_no_matter(tmp_path: Path) -> None:
    text = ' "filename" , "labels"\n"a.jpg" ,"cat, ""x"" " \n"b.jpg","dog" \n'
    assert cells(tmp_path, text) == [
        ["filename", "labels"],
        ["a.jpg", 'cat, "x"'],
        ["b.jpg", "dog"],
    ]
