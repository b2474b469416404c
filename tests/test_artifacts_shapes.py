"""The table of shapes: rows in any order, items without the field, few bytes each."""

from __future__ import annotations

import numpy as np

from wsss_cli.artifacts.shapes import ShapeTable


def test_shapes_come_back_by_row_and_minus_one_where_there_is_none() -> None:
    table = ShapeTable()
    table.add(2, (3, 4))
    table.add(0, (5, 6))
    found = table.matrix(np.array([0, 1, 2, 2]))
    assert found.dtype == np.int32
    assert found.tolist() == [[5, 6], [-1, -1], [3, 4], [3, 4]]


def test_rows_beyond_those_asked_for_are_left_out() -> None:
    table = ShapeTable()
    for row in range(5):
        table.add(row, (row,))
    assert table.matrix(np.array([1])).tolist() == [[1]]
    assert table.matrix(np.zeros(0, np.int64)).shape == (0, 1)
