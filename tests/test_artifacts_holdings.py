"""Which images have labels of a kind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from wsss_cli.artifacts.holdings import ABSENT, NO_CLASS, holders
from wsss_cli.artifacts.supervision import MARKS, MASKS, OBJECTS, SALIENCY, TAGS, TRUE_BOXES

# of four images: the shape of each field of each, -1 where an image lacks it
SHAPES = {
    "tags": [[1], [0], [2], [0]],
    "absent": [[-1], [-1], [0], [2]],
    "mask": [[9], [-1], [-1], [7]],
    "true_box": [[-1, -1], [0, 4], [1, 4], [-1, -1]],
    "mark": [[-1, -1], [3, 7], [0, 7], [1, 7]],
}
KINDS = [0, 2, 0, 4]  # of the four marks: points and a box of image 1, a region of image 3


def data(*fields: str, values: bool = True) -> Any:
    """A data set with these fields."""
    table = np.zeros((len(KINDS), 7), np.int32)
    table[:, 0] = KINDS

    def column(name: str) -> Any:
        shapes = np.array(SHAPES[name], np.int32)
        return SimpleNamespace(shapes=lambda: shapes, values=table.ravel, holds_values=values)

    schema = SimpleNamespace(fields=[SimpleNamespace(name=name) for name in fields])
    return SimpleNamespace(schema=schema, column=column)


@pytest.mark.parametrize(
    ("what", "rows"),
    [
        (TAGS, [0, 1, 2, 3]),
        (NO_CLASS, [1, 3]),
        (ABSENT, [2, 3]),
        (MASKS, [0, 3]),
        (TRUE_BOXES, [1, 2]),  # of which one shows no object, which is known
        *zip(MARKS, ([1], [], [1], [], [3]), strict=True),
    ],
)
def test_holders(what: str, rows: list[int]) -> None:
    found = holders(data(*SHAPES), what)
    assert found is not None
    assert np.flatnonzero(found).tolist() == rows


def test_what_a_data_set_does_not_hold() -> None:
    assert holders(data("tags", "mask"), MARKS[0]) is None  # of a version without marks
    assert holders(data(*SHAPES), SALIENCY) is None
    assert holders(data(*SHAPES), OBJECTS) is None
    empty = holders(data(*SHAPES, values=False), MARKS[0])
    assert empty is not None
    assert not empty.any()
