"""The cells of a table, and what is taken for which column."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.cells import Named, Table
from wsss_cli.formats.columns import parse_table
from wsss_cli.formats.files import ImageFolder


@pytest.fixture
def images(tmp_path: Path) -> ImageFolder:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).touch()
    return ImageFolder(tmp_path)


def parse(images: ImageFolder, text: str, *rest: object, name: str = "t.csv") -> Table:
    path = images.root / name
    path.write_text(text, encoding="utf-8", newline="")
    return parse_table(path, images, *rest)  # type: ignore[arg-type]


def test_columns_are_told_by_their_names_in_any_case(images: ImageFolder) -> None:
    found = parse(images, "Subset,TAGS,Mask,x,File\ntrain,cat;dog,m.png,3,a.jpg\n")
    assert (found.split, found.label, found.mask, found.file) == (0, 1, 2, 4)
    assert found.class_columns == (3,)
    assert (found.layout, found.separator) == ("labels", ";")
    assert found.tags(found.rows[0]) == ["cat", "dog"]
    assert [found.name_of(column) for column in (0, 3)] == ["Subset", "x"]


def test_rows_without_a_header_are_two_columns(images: ImageFolder) -> None:
    found = parse(images, "a.jpg,cat\n\nb.jpg\n")
    assert (found.header, found.file, found.label) == (None, 0, 1)
    assert found.rows == (("a.jpg", "cat"), ("b.jpg", ""))
    assert found.lines == (1, 3)
    assert found.name_of(1) == "column 2"


def test_a_class_may_be_called_as_a_column(images: ImageFolder) -> None:
    """Where a column holds yes and no, it is neither a mask nor a split nor labels."""
    found = parse(images, "file,mask,set,label\na.jpg,1,0,yes\nb.jpg,0,,no\n")
    assert (found.layout, found.class_names) == ("onehot", ("mask", "set", "label"))
    assert (found.mask, found.split, found.label) == (None, None, None)
    assert [found.tags(row) for row in found.rows] == [["mask", "label"], []]


def test_yes_and_no_in_all_spellings(images: ImageFolder) -> None:
    found = parse(images, "file,x,y\na.jpg,TRUE,0.0\nb.jpg,1.0,False\n")
    assert [found.tags(row) for row in found.rows] == [["x"], ["x"]]
    assert found.is_binary(1)
    assert not found.is_binary(0)


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("file,labels\na.jpg,x\na.jpg,y\n", "labels"),  # so it says itself
        ("file,label\na.jpg,x\na.jpg,y\n", "rows"),
        ("file,label\na.jpg,x\nb.jpg,y\n", "labels"),
        ("a.jpg,1,0\nb.jpg,0,1\n", "onehot"),
    ],
)
def test_the_layout_is_guessed(images: ImageFolder, text: str, layout: str) -> None:
    named = Named(classes=("x", "y"))
    assert parse(images, text, "auto", None, named).layout == layout


def test_a_separator_makes_labels_of_what_would_be_rows(images: ImageFolder) -> None:
    found = parse(images, "file,label\na.jpg,x y\na.jpg,z\n", "auto", " ")
    assert (found.layout, found.separator) == ("labels", " ")
    assert found.tags(found.rows[0]) == ["x", "y"]


def test_a_comma_joins_tags_that_spread_over_cells(images: ImageFolder) -> None:
    found = parse(images, "a.jpg,x,y,,z\nb.jpg\n", "auto", ",")
    assert [found.tags(row) for row in found.rows] == [["x", "y", "z"], []]


@pytest.mark.parametrize(("name", "mark"), [("t.csv", "\t"), ("t.csv", ";"), ("t.tsv", "\t")])
def test_cells_stand_apart_by_what_the_first_line_has(
    images: ImageFolder, name: str, mark: str
) -> None:
    found = parse(images, f"\ufefffile{mark}labels\r\n a.jpg{mark} x|y \r\n", name=name)
    assert found.header == ("file", "labels")
    assert found.rows == (("a.jpg", "x|y"),)
    assert found.separator == "|"


@pytest.mark.parametrize(
    ("text", "layout", "said"),
    [
        ("", "auto", "holds no rows"),
        (" \n,\n", "auto", "holds no rows"),
        ("file,labels\n", "auto", "holds a header and no rows"),
        ("file,x,x\na.jpg,1,0\n", "auto", "1 columns listed twice, first x"),
        ("file,labels\na.jpg,x\nb.jpg,x,y\n", "auto", "1 of 2 rows do not have 2 cells, first in"),
        ("file,split\na.jpg,train\n", "auto", "has no column of labels"),
        ("file,x\na.jpg,2\n", "onehot", "'x' holds more than 0 and 1 ('2' in line 2), so is"),
        ("file,split\na.jpg,train\n", "onehot", "has no class columns"),
        ("file,x,\na.jpg,1,0\n", "auto", "a class column has no name"),
        ("a.jpg,1,0\n", "auto", "2 class columns without a header"),
        (f"file,labels\na.jpg,{'x' * 200_000}\n", "auto", "not a CSV file (field larger"),
    ],
)
def test_what_is_no_table_is_refused(
    images: ImageFolder, text: str, layout: str, said: str
) -> None:
    with pytest.raises(WsssError) as caught:
        parse(images, text, layout)
    assert str(caught.value).startswith(f"{images.root / 't.csv'}: {said}")


def test_a_row_of_another_length_is_named_by_its_line(images: ImageFolder) -> None:
    with pytest.raises(WsssError, match="first in line 5"):
        parse(images, "file,labels\n\n\na.jpg,x\nb.jpg,x,y\n")


def test_files_that_cannot_be_read(images: ImageFolder) -> None:
    with pytest.raises(WsssError, match="No such file"):
        parse_table(images.root / "gone.csv", images)
    (images.root / "latin.csv").write_bytes("a.jpg,Kühe\n".encode("latin-1"))
    with pytest.raises(WsssError, match="not UTF-8 text") as caught:
        parse_table(images.root / "latin.csv", images)
    assert caught.value.hint == "save it as CSV in UTF-8"
