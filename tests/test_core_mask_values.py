"""What numbers and colours of masks stand for: look-ups, and what has no entry."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.core.mask_values import PLAIN, NoLabel, Stored, ValueTable, labels_of

RED, BLUE, BLACK = (255, 0, 0), (0, 0, 255), (0, 0, 0)
COLOURS = {BLACK: 0, RED: 1, BLUE: 2}


def numbers(*values: int, dtype: str = "u1") -> Stored:
    return Stored(np.array([values], dtype), None)


def colours(*values: tuple[int, int, int]) -> Stored:
    return Stored(None, np.array([values], np.uint8))


def test_numbers_are_labels_as_they_stand() -> None:
    assert PLAIN.plain
    assert labels_of(numbers(0, 1, 254, 255), PLAIN).tolist() == [[0, 1, 254, 255]]
    assert labels_of(numbers(0, 7, dtype="u2"), PLAIN).dtype == np.uint8
    with pytest.raises(NoLabel, match="holds the number 700 in 2 pixels"):
        labels_of(numbers(700, 1, 700, dtype="u2"), PLAIN)


def test_a_named_number_has_its_label_and_the_others_keep_theirs() -> None:
    table = ValueTable({0: 255})
    assert not table.plain
    assert labels_of(numbers(0, 1, 2, 255), table).tolist() == [[255, 1, 2, 255]]


def test_where_a_class_is_named_other_numbers_are_refused() -> None:
    table = ValueTable({255: 1, 300: 2}, closed=True)
    assert labels_of(numbers(0, 255), table).tolist() == [[0, 1]]
    assert labels_of(numbers(0, 300, dtype="u2"), table).tolist() == [[0, 2]]
    with pytest.raises(NoLabel, match=r"holds the number 3 in 1 pixels, .* no label$"):
        labels_of(numbers(0, 3, 255), table)
    assert labels_of(numbers(0, 255), ValueTable({9: 1}, closed=True)).tolist() == [[0, 255]]


def test_classes_that_begin_at_0() -> None:
    table = ValueTable(first=0)
    assert not table.plain
    assert labels_of(numbers(0, 1, 253, 255), table).tolist() == [[1, 2, 254, 255]]
    with pytest.raises(NoLabel, match="holds the number 254 in 1 pixels"):
        labels_of(numbers(254), table)


def test_colours_are_looked_up() -> None:
    table = ValueTable(colours=COLOURS)
    found = labels_of(colours(BLUE, RED, BLACK), table)
    assert (found.dtype, found.tolist()) == (np.uint8, [[2, 1, 0]])
    with pytest.raises(NoLabel, match="holds the colour 9,200,9 in 2 pixels"):
        labels_of(colours(RED, (9, 200, 9), (9, 200, 9)), table)


def test_every_colour_is_another_one() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    distinct = list(map(tuple, np.unique(image.reshape(-1, 3), axis=0).tolist()))
    table = ValueTable(colours={colour: place % 255 for place, colour in enumerate(distinct)})
    expected = [[table.colours[tuple(pixel)] for pixel in row] for row in image.tolist()]
    assert labels_of(Stored(None, image), table).tolist() == expected


def test_greys_are_colours_where_only_colours_are_named() -> None:
    table = ValueTable(colours={BLACK: 0, (255, 255, 255): 1})
    assert labels_of(numbers(0, 255), table).tolist() == [[0, 1]]
    with pytest.raises(NoLabel, match="holds the colour 1,1,1 in 1 pixels"):
        labels_of(numbers(0, 1), table)
    both = ValueTable({1: 2}, COLOURS, closed=True)
    assert labels_of(numbers(0, 1), both).tolist() == [[0, 2]]


def test_a_palette_is_read_by_colour_where_all_of_them_are_named() -> None:
    stored = Stored(np.array([[0, 1]], np.uint8), None, np.array([BLUE, RED], np.uint8))
    assert labels_of(stored, PLAIN).tolist() == [[0, 1]]
    assert labels_of(stored, ValueTable(colours=COLOURS)).tolist() == [[2, 1]]
    assert labels_of(stored, ValueTable({1: 5}, {RED: 1}, closed=True)).tolist() == [[0, 5]]
    with pytest.raises(NoLabel, match="holds the colour 0,0,255 in 1 pixels"):
        labels_of(stored, ValueTable(colours={RED: 1}))


def test_colours_without_a_table_are_named() -> None:
    with pytest.raises(NoLabel, match=r"^is in colours, such as 255,0,0: labels need"):
        labels_of(colours(BLACK, RED), PLAIN)
