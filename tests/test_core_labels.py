"""The two numberings of classes, there and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss_cli.core.labels import (
    IGNORE,
    MAX_CLASSES,
    class_of_label,
    label_of_class,
    labels_to_local,
    local_to_labels,
)


def test_labels_and_classes_convert_both_ways() -> None:
    index = np.arange(MAX_CLASSES)
    label = label_of_class(index)
    assert label.dtype == np.uint8
    assert label.min() == 1
    assert label.max() == IGNORE - 1
    back = class_of_label(label)
    assert back.dtype == np.uint16
    assert np.array_equal(back, index)


def test_conversion_of_nothing() -> None:
    assert label_of_class(np.array([], np.uint16)).shape == (0,)
    assert class_of_label(np.array([], np.uint8)).shape == (0,)


@pytest.mark.parametrize("index", [-1, MAX_CLASSES, 1000])
def test_label_of_an_impossible_class(index: int) -> None:
    with pytest.raises(ValueError, match="class indices"):
        label_of_class(np.array([0, index]))


@pytest.mark.parametrize("label", [0, IGNORE])
def test_class_of_background_or_ignore(label: int) -> None:
    with pytest.raises(ValueError, match="no class"):
        class_of_label(np.array([3, label], np.uint8))


present = st.lists(st.integers(0, MAX_CLASSES - 1), max_size=5, unique=True).map(sorted)


@given(present, st.integers(0, 99))
def test_local_numbering_round_trip(classes: list[int], seed: int) -> None:
    known = np.concatenate([[0, IGNORE], np.array(classes, int) + 1]).astype(np.uint8)
    label = np.random.default_rng(seed).choice(known, (4, 5))
    index = np.array(classes, np.uint16)
    local = labels_to_local(label, index)
    assert local.dtype == np.uint8
    for k, name in enumerate(classes):
        assert ((local == k + 1) == (label == name + 1)).all()
    assert np.array_equal(local_to_labels(local, index), label)


def test_labels_of_absent_classes_are_not_guessed() -> None:
    classes = np.array([4, 7])
    label = np.array([[0, 5, 8, 6, IGNORE]], np.uint8)
    assert labels_to_local(label, classes).tolist() == [[0, 1, 2, IGNORE, IGNORE]]
    assert local_to_labels(np.array([0, 1, 2, 3, IGNORE]), classes).tolist() == [
        0, 5, 8, IGNORE, IGNORE,
    ]  # fmt: skip
