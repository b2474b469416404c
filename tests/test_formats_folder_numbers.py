"""What numbers of masks stand for where folders say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.folder_numbers import (
    cityscapes_numbers,
    numbered_lines,
    numbers_of_tables,
)


def test_cityscapes_counts_nineteen_either_way() -> None:
    by_id, by_train_id = cityscapes_numbers("labelIds"), cityscapes_numbers("labelTrainIds")
    assert by_id.classes == by_train_id.classes
    assert len(by_id.classes) == 19
    table = by_id.table(by_id.classes)
    assert [table.by_number[n] for n in (0, 6, 7, 33, 34, 255)] == [255, 255, 1, 19, -1, 255]
    table = by_train_id.table(by_train_id.classes)
    assert [table.by_number[n] for n in (0, 18, 19, 255)] == [1, 19, -1, 255]


def test_lines_number_the_labels_of_cvat(tmp_path: Path) -> None:
    path = tmp_path / "label_colors.txt"
    path.write_text("# made\n0 0 0 background\n250 50 83 cat\n51 221 255 red car\n")
    assert numbered_lines(path).numbers == {0: "background", 1: "cat", 2: "red car"}


@pytest.mark.parametrize("line", ["cat", "1 2 cat", "1 2 x cat", "1 2 3"])
def test_lines_of_something_else(line: str, tmp_path: Path) -> None:
    path = tmp_path / "label_colors.txt"
    path.write_text(f"0 0 0 background\n{line}\n")
    with pytest.raises(WsssError, match="is not R G B and a name"):
        numbered_lines(path)


def test_tables_of_several_splits(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("Pixel Value, Class\n0, background\n1, cat, big\n")
    second.write_text('Pixel Value, Class\n1, "cat, big"\n2, dog\n')
    numbers = {0: "background", 1: "cat, big", 2: "dog"}
    assert numbers_of_tables([first, second]).numbers == numbers


@pytest.mark.parametrize("line", ["70000, cat", "-1, cat", "cat, 1", "1,", "1.0, cat"])
def test_tables_of_something_else(line: str, tmp_path: Path) -> None:
    path = tmp_path / "_classes.csv"
    path.write_text(f"Pixel Value, Class\n{line}\n")
    with pytest.raises(WsssError, match="is not a number and a name"):
        numbers_of_tables([path])
