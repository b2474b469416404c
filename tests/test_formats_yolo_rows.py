"""Rows of YOLO's label files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wsss_cli.core.mark_kinds import BOX, POLYGON
from wsss_cli.formats.yolo_rows import RowKind, Ways, drawing_of, read_rows

NAMES = {0: "cat", 2: "dog"}


def written(folder: Path, text: str) -> Path:
    path = folder / "a.txt"
    path.write_bytes(text.encode())
    return path


def test_kinds_of_rows(tmp_path: Path) -> None:
    text = "\ufeff0 .5 .5 .2 .4\r\n2.0 0 0 1 0 1 1\r\n\r\n0 0 0 1 0 1 1 0 1\r\n"
    text += "0 .5 .5 .2 .4 0.93\r\n\r\n"
    rows = read_rows(written(tmp_path, text), NAMES)
    assert [row.kind.value for row in rows] == ["box", "outline", "corners", "box"]
    assert [row.name for row in rows] == ["cat", "dog", "cat", "cat"]
    assert rows[0].numbers == rows[3].numbers == (0.5, 0.5, 0.2, 0.4)
    assert [row.line for row in rows] == [1, 2, 4, 5]


def test_a_row_that_stands_twice_is_one(tmp_path: Path) -> None:
    assert len(read_rows(written(tmp_path, "0 .5 .5 .2 .4\n0  .5 .5 .2 .4 \n"), NAMES)) == 1


def test_key_points_stand_behind_a_box(tmp_path: Path) -> None:
    seen = read_rows(written(tmp_path, "0 .5 .5 .2 .4 .1 .2 2 .3 .4 0 .1 .1 1\n"), NAMES)
    said = read_rows(written(tmp_path, "0 .5 .5 .2 .4 .1 .2 .3 .4\n"), NAMES, points=4)
    assert [row.kind for row in (*seen, *said)] == [RowKind.box, RowKind.box]
    assert seen[0].numbers == said[0].numbers == (0.5, 0.5, 0.2, 0.4)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1 .5 .5 .2 .4", "no class 1"),
        ("-1 .5 .5 .2 .4", "no class -1"),
        ("0.5 .5 .5 .2 .4", "no class 0.5"),
        ("nan .5 .5 .2 .4", "no class nan"),
        ("inf .5 .5 .2 .4", "no class inf"),
        ("cat .5 .5 .2 .4", "no number"),
        ("0 .5 .5 .2", "4 numbers"),
        ("0 .1 .1 .2 .2 .3 .3 .9", "8 numbers"),
        ("0 nan .5 .2 .4", "nan is no share"),
        ("0 inf .5 .2 .4", "inf is no share"),
        ("0 31 22 10 12", "31 is no share"),
        ("0 0 0 1 0 1 1.2", "1.2 is no share"),
        ("0 .5 .5 -.005 .4", "negative size"),
        ("../../a .5 .5 .2 .4", "no number"),
    ],
)
def test_rows_that_cannot_be(line: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        read_rows(written(tmp_path, f"0 .5 .5 .1 .1\n{line}\n"), NAMES)
    assert str(caught.value).startswith("line 2 of a.txt: ")


def test_shapes(tmp_path: Path) -> None:
    path = written(tmp_path, "0 .5 .5 .2 .4\n2 -.004 0 1.003 0 1 1\n0 0 0 1 0 1 1 0 1\n")
    drawing = drawing_of(path, Ways(NAMES, inclusive=True))
    assert drawing.fraction
    assert not drawing.true_boxes
    assert [one.kind for one in drawing.shapes] == [BOX, POLYGON, POLYGON]
    assert np.allclose(drawing.shapes[0].rings[0], [[0.4, 0.3], [0.6, 0.7]])
    assert drawing.shapes[1].rings[0].tolist() == [[0, 0], [1, 0], [1, 1]]
    assert [one.inclusive for one in drawing.shapes] == [False, True, True]
    turned = drawing_of(path, Ways(NAMES, turned=True)).shapes
    assert [one.boxlike for one in turned] == [False, False, True]


def test_boxes_alone_are_those_of_all_objects(tmp_path: Path) -> None:
    path = written(tmp_path, "0 .5 .5 .2 .4\n")
    assert drawing_of(path, Ways(NAMES, boxes=True)).true_boxes
    assert not drawing_of(path, Ways(NAMES)).true_boxes


def test_many_rows(tmp_path: Path) -> None:
    lines = (f"0 {n / 1e5:.6f} .5 .001 .4\n" for n in range(100_000))
    path = written(tmp_path, "".join(lines))
    assert len(drawing_of(path, Ways(NAMES)).shapes) == 100_000
