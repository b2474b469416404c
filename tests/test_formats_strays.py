"""What a table holds beside one column of tags, or in its cells, that would be misread."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from wsss_cli.errors import WsssError
from wsss_cli.formats.strays import says_split
from wsss_cli.formats.table import read_table


def packed(folder: Path, text: str, **options: object) -> tuple[list[tuple[str, ...]], list[str]]:
    """Tags of each image, and what is said, of a table of the images a, b and c."""
    for name in "abc":
        Image.new("RGB", (8, 6)).save(folder / f"{name}.jpg")
    path = folder / "t.csv"
    path.write_text(text)
    found = read_table(path, **options)  # type: ignore[arg-type]
    return [sample.tags for sample in found.samples], list(found.remarks)


@pytest.mark.parametrize(
    ("cells", "count"),
    [
        (("[1, 0, 1]", "[0, 0, 0]", "[0, 1, 0]"), 3),
        (("[1. 0.]", "[0. 1.]", "[1. 1.]"), 2),
        (("1 0 0", "0 1 0", ""), 3),
        (("1;0", "0;1", "1;1"), 2),
        (("010", "100", "111"), 3),
    ],
)
def test_a_cell_of_flags_is_no_list_of_tags(
    tmp_path: Path, cells: tuple[str, ...], count: int
) -> None:
    rows = "".join(f'{name}.jpg,"{cell}"\n' for name, cell in zip("abc", cells, strict=True))
    text = f"image,labels\n{rows}"
    expected = f"'labels' holds a 0 or 1 for each of {count} classes in one cell .* in line 2"
    with pytest.raises(WsssError, match=expected):
        packed(tmp_path, text)
    for mark in (" ", ";"):  # which a hint may have told to use
        with pytest.raises(WsssError, match=expected):
            packed(tmp_path, text, separator=mark)


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (("[0, 1]", "[1]", "[]"), None),  # numbers of classes
        (("1", "0", "1"), None),
        (("100", "101", "110"), None),
        (("001", "010", "001"), ("001", "010")),
    ],
)
def test_numbers_that_are_names_stay(
    tmp_path: Path, cells: tuple[str, ...], classes: tuple[str, ...] | None
) -> None:
    rows = "".join(f'{name}.jpg,"{cell}"\n' for name, cell in zip("abc", cells, strict=True))
    tags, _ = packed(tmp_path, f"image,labels\n{rows}", classes=classes)
    assert ["".join(one) for one in tags] == ["".join(c for c in x if c.isdigit()) for x in cells]


def test_a_second_column_of_tags_is_not_left_out_in_silence(tmp_path: Path) -> None:
    text = "image,label,label2\na.jpg,cat,\nb.jpg,dog,cat\nc.jpg,,\n"
    with pytest.raises(WsssError, match=r"'label2' holds tags beside .* \('cat' in line 3\)") as no:
        packed(tmp_path, text)
    assert "--label-column 'label' reads that column alone" in str(no.value.hint)
    tags, said = packed(tmp_path, text, label_column="label")
    assert tags == [("cat",), ("dog",), ()]
    assert said == ["'label2' is not read, though it holds tags, too ('cat' in line 3)"]


@pytest.mark.parametrize(
    ("columns", "cells", "said"),
    [
        ("predicted", ("dog", "cat", ""), "'predicted' is not read, though it holds tags, too"),
        ("is_train", ("1", "0", "1"), "'is_train' is not read: a column called 'split' says"),
        ("Fold", ("0", "1", "2"), "'Fold' is not read: a column called 'split' says"),
        ("width", ("80", "64", "80"), None),
        ("label2", ("", "", ""), None),
        ("species", ("felis", "canis", ""), None),
    ],
)
def test_columns_beside_the_tags(
    tmp_path: Path, columns: str, cells: tuple[str, ...], said: str | None
) -> None:
    rows = "".join(
        f"{name}.jpg,{tag},{cell}\n"
        for name, tag, cell in zip("abc", ("cat", "dog", "cat"), cells, strict=True)
    )
    tags, remarks = packed(tmp_path, f"image,label,{columns}\n{rows}")
    assert tags == [("cat",), ("dog",), ("cat",)]
    assert [text.startswith(said or "-") for text in remarks] == [True] * (said is not None)


def test_a_split_is_no_class(tmp_path: Path) -> None:
    text = "image,cat,dog,is_valid\na.jpg,1,0,0\nb.jpg,0,1,0\nc.jpg,1,1,1\n"
    with pytest.raises(WsssError, match="'is_valid' seems to say in which split") as no:
        packed(tmp_path, text)
    assert "--classes FILE names the columns that are classes" in str(no.value.hint)
    tags, _ = packed(tmp_path, text, classes=("cat", "dog"))
    assert tags == [("cat",), ("dog",), ("cat", "dog")]
    tags, _ = packed(tmp_path, text.replace("is_valid", "train"))  # one of VOC's classes
    assert tags[2] == ("cat", "dog", "train")


def test_names_of_splits() -> None:
    assert all(map(says_split, ("test", "Is_Train", "validation set", "fold_id", "val")))
    assert not any(map(says_split, ("train", "cat", "testis", "folder", "valley")))
