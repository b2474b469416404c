"""Which columns of a table are classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.cells import Named, Table
from wsss_cli.formats.columns import parse_table
from wsss_cli.formats.files import ImageFolder


def parse(folder: Path, text: str, layout: str = "auto", **named: object) -> Table:
    (folder / "a.jpg").touch()
    path = folder / "t.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return parse_table(path, ImageFolder(folder), layout, None, Named(**named))  # type: ignore[arg-type]


def refusal(folder: Path, text: str, layout: str = "auto", **named: object) -> WsssError:
    with pytest.raises(WsssError) as caught:
        parse(folder, text, layout, **named)
    assert str(caught.value).startswith(f"{folder / 't.csv'}: ")
    return caught.value


MANY = "id,filename,age,cat,dog,bird\n900,a.jpg,20,1,0,1\n901,b.jpg,21,0,1,1\n"


@pytest.mark.parametrize("layout", ["auto", "onehot"])
def test_listed_classes_choose_columns_in_their_order(tmp_path: Path, layout: str) -> None:
    found = parse(tmp_path, MANY, layout, classes=("dog", "cat"))
    assert (found.file, found.class_names, found.class_columns) == (1, ("dog", "cat"), (4, 3))
    assert [found.tags(row) for row in found.rows] == [["cat"], ["dog"]]
    assert found.remarks == (
        "1 columns of 0 and 1 are left alone, since --classes does not list them: 'bird'",
    )


def test_a_negative_is_read_beside_the_classes(tmp_path: Path) -> None:
    found = parse(tmp_path, MANY, classes=("cat", "dog"), more=("bird", "none"))
    assert found.class_names == ("cat", "dog", "bird")
    assert found.remarks == ()


def test_a_class_without_a_column_is_said_or_refused(tmp_path: Path) -> None:
    found = parse(tmp_path, MANY, classes=("cat", "dog", "bird", "yak"))
    assert found.class_names == ("cat", "dog", "bird")
    assert found.remarks == ("1 classes listed have no column, first 'yak'",)
    err = refusal(tmp_path, MANY, classes=("cat", "Dog"))
    assert "has no column 'Dog', which --classes lists" in str(err)
    assert err.hint == "there is 'dog'"
    err = refusal(tmp_path, MANY, "onehot", classes=("x", "y"))
    assert err.hint == "it has: id, filename, age, cat, dog, bird"


def test_the_column_in_the_way_is_named(tmp_path: Path) -> None:
    err = refusal(tmp_path, "filename,cat,age\na.jpg,1,\nb.jpg,0,20\n")
    assert "'age' holds more than 0 and 1 ('20' in line 3), so is not the column of" in str(err)
    assert "--classes FILE names the columns that are classes" in str(err.hint)
    err = refusal(tmp_path, "filename,cat,dog\na.jpg,1,nan\nb.jpg,0,1\n", "onehot")
    assert "'dog' holds more than 0 and 1 ('nan' in line 2)" in str(err)
    err = refusal(tmp_path, "filename,cat,dog\na.jpg,1,0.7\nb.jpg,0,1\n", classes=("cat", "dog"))
    assert "'dog' holds more than 0 and 1 ('0.7' in line 2), and --classes lists it" in str(err)
    assert err.hint == "write 1 where an image shows the class, and 0 where it does not"
    err = refusal(tmp_path, "a.jpg,1,0,5\nb.jpg,0,1,7\n")
    assert "has no column of labels" in str(err)
    assert "a first row with the columns' names" in str(err.hint)


@pytest.mark.parametrize("minus", ["-1", "-1.0"])
def test_minus_one_needs_a_word(tmp_path: Path, minus: str) -> None:
    text = f"image_id,cat,dog\na.jpg,1,{minus}\nb.jpg,{minus},1\n"
    err = refusal(tmp_path, text)
    assert "'cat' holds -1 (line 3), which may mean that the class is absent, or not" in str(err)
    assert str(err.hint).startswith("--minus-one absent, present, unsaid or skip says it")
    assert parse(tmp_path, text, minus_one="absent").layout == "onehot"
    assert "holds -1" in str(refusal(tmp_path, text, classes=("dog",)))
    text = "image_id,cat,dog\na.jpg,1,-1\n"
    assert parse(tmp_path, text, classes=("cat",)).class_names == ("cat",)
    err = refusal(tmp_path, "filename,label\na.jpg,cat\n", minus_one="skip")
    assert "--minus-one is of tables with a column per class" in str(err)
