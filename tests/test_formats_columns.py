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


def told(images: ImageFolder, text: str, **named: str) -> Table:
    return parse(images, text, "auto", None, Named(**named))


def test_columns_are_told_by_the_user(images: ImageFolder) -> None:
    text = "Id,Photo,Target,age\n1,a.jpg,x;y,3\n2,b.jpg,,4\n"
    found = told(images, text, label="Target", image="Photo")
    assert (found.file, found.label, found.class_columns) == (1, 2, (0, 3))
    assert (found.layout, found.separator) == ("labels", ";")
    found = told(images, "Photo,Target\na.jpg,x\na.jpg,y\n", label="Target")
    assert found.layout == "rows"
    found = told(
        images, "a,Target\na,1\nb,0\n", label="Target"
    )  # a header, whatever the first cell
    assert (found.header, found.label) == (("a", "Target"), 1)
    assert [found.tags(row) for row in found.rows] == [["1"], ["0"]]
    with pytest.raises(WsssError, match="has no column 'target'") as caught:
        told(images, text, label="target")
    assert caught.value.hint == "it has: Id, Photo, Target, age"
    with pytest.raises(WsssError, match="has no header, so no column 'Target'"):
        told(images, "a.jpg,x\n", label="Target")


@pytest.mark.parametrize("name", ["Image Name", "image-path", "FILE_NAME", "Image Index"])
def test_columns_are_known_in_any_spelling(images: ImageFolder, name: str) -> None:
    found = told(images, f"x,{name},Class Name\n0,a.jpg,cat\n")
    assert (found.file, found.label) == (1, 2)


def test_a_column_of_image_files_is_taken_where_no_name_is_known(images: ImageFolder) -> None:
    assert told(images, "Nr,Foto,labels\n7,a.jpg,x\n8,b.JPG,y\n").file == 1
    assert told(images, "Nr,Foto,labels\n7,a,x\n8,b,y\n").file == 0


@pytest.mark.parametrize("index", ["", "Unnamed: 0"])
def test_pandas_index_is_passed_over(images: ImageFolder, index: str) -> None:
    for name in ("filename", "Foto"):
        found = told(images, f"{index},{name},x,y\n0,a.jpg,1,0\n1,b.jpg,0,1\n")
        assert (found.file, found.class_names) == (1, ("x", "y"))
    found = told(images, f"{index},filename,labels\n0,a.jpg,x\n1,b.jpg,y\n")
    assert (found.file, found.label, found.layout) == (1, 2, "labels")
    found = told(images, f"{index},x,y\na.jpg,1,0\nb.jpg,0,1\n")  # the names are the index
    assert (found.file, found.class_names) == (0, ("x", "y"))


def test_a_table_of_one_column_is_not_parted(images: ImageFolder) -> None:
    with pytest.raises(WsssError, match="has no column of labels") as caught:
        told(images, "filename labels\na.jpg x\n")
    assert str(caught.value.hint).startswith("it has one column; commas, tabs or semicolons")
    with pytest.raises(WsssError, match="has no column of labels") as caught:
        told(images, "Foto,Art\na.jpg,x\n")
    assert caught.value.hint == (
        "--label-column NAME names it; it has: Foto, Art; "
        "'Art' holds more than 0 and 1 ('x' in line 2)"
    )
    with pytest.raises(WsssError, match="has no column of labels") as caught:
        told(images, "image,x,y\na.jpg,0.7,0\nb.jpg,0,0.2\n")
    assert str(caught.value.hint).startswith(
        "--label-column NAME names a column of tags, and columns of classes hold 1 and 0; it has:"
    )


def test_a_separator_that_is_told_splits_rows_too(images: ImageFolder) -> None:
    text = "file,label\na.jpg,x y\na.jpg,z\n"
    found = parse(images, text, "rows", " ")
    assert (found.layout, found.separator) == ("rows", " ")
    assert found.tags(found.rows[0]) == ["x", "y"]
    assert parse(images, text, "rows").separator is None


def test_a_second_index_of_pandas_is_passed_over_too(images: ImageFolder) -> None:
    found = told(images, "Unnamed: 0,Unnamed: 0.1,file,x\n0,7,a.jpg,1\n1,8,b.jpg,0\n")
    assert found.class_names == ("x",)


@pytest.mark.parametrize("name", ["Confidence", "present"])
def test_labels_that_are_said_to_be_absent_are_not_taken(images: ImageFolder, name: str) -> None:
    text = f"ImageID,Source,LabelName,{name}\na,v,/m/01,1\na,v,/m/02,{{}}\n"
    with pytest.raises(WsssError, match=f"'{name}' holds 0 \\(line 3\\), which may say that"):
        told(images, text.format("0"), label="LabelName")
    found = told(images, text.format("0.5"), label="LabelName")
    assert [found.tags(row) for row in found.rows] == [["/m/01"], ["/m/02"]]
    assert told(images, f"file,{name},x\na.jpg,0,1\nb.jpg,1,1\n").class_names == (name, "x")
