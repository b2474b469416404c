"""Sparse matrices of images, against dense ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss_cli.core.image_counts import HIT, PREDICTED, TRUTH, ImageCounts, cells_of


def random_matrices(images: int, n: int, seed: int) -> np.ndarray:
    """(I, n, n + 1), mostly 0; some images hold nothing."""
    rng = np.random.default_rng(seed)
    matrices = rng.integers(1, 1000, (images, n, n + 1)) * (rng.random((images, n, n + 1)) < 0.2)
    return matrices * (rng.random((images, 1, 1)) < 0.8)


def sparse(matrices: np.ndarray) -> ImageCounts:
    return ImageCounts.of(matrices.shape[1], [cells_of(matrix) for matrix in matrices])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 6), st.integers(1, 5), st.integers(0, 999))
def test_they_are_the_dense_ones(images: int, n: int, seed: int) -> None:
    matrices = random_matrices(images, n, seed)
    found = sparse(matrices)
    assert len(found) == images
    assert (found.total() == matrices.sum(axis=0)).all()
    tallies = found.tallies()
    assert (tallies[..., HIT] == matrices.diagonal(axis1=1, axis2=2)).all()
    assert (tallies[..., TRUTH] == matrices.sum(axis=2)).all()
    assert (tallies[..., PREDICTED] == matrices[:, :, :n].sum(axis=1)).all()
    assert found.total().dtype == tallies.dtype == np.int64
    back = ImageCounts.from_lists(n, found.as_lists())
    assert back.as_lists() == found.as_lists()
    assert (back.tallies() == tallies).all()


def test_images_are_taken_in_any_order() -> None:
    matrices = random_matrices(5, 3, 1)
    found = sparse(matrices).take([3, 0, 3])
    assert (found.tallies() == sparse(matrices[[3, 0, 3]]).tallies()).all()
    assert len(sparse(matrices).take([])) == 0


def test_all_are_listed_whole() -> None:
    found = sparse(np.array([[[5, 0, 7], [0, 2, 0]], [[0, 0, 0], [0, 0, 0]]]))
    assert found.as_lists() == [[0, 5, 2, 7, 4, 2], []]
    assert all(type(value) is int for value in found.as_lists()[0])


@pytest.mark.parametrize(
    ("flat", "said"),
    [
        ([0], "in pairs"),
        ("ab", "in pairs"),
        ({}, "in pairs"),
        ([0, 1.0], "whole numbers"),
        ([0, True], "whole numbers"),
        ([0, None], "whole numbers"),
        ([-1, 1], "whole numbers"),
        ([0, 10**400], "whole numbers"),
        ([1, 1, 1, 1], "do not rise"),
        ([2, 1, 1, 1], "do not rise"),
        ([6, 1], "not those of 2 labels"),
        ([0, 0], "holds no pixels"),
        ([0, 1 << 52, 1, 1 << 52], "more pixels than there can be"),
    ],
)
def test_what_are_no_cells(flat: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ImageCounts.from_lists(2, [[0, 1], flat])  # type: ignore[list-item]
