"""Scores and labels refined by the colours of an image, by the CRF or by PAMR."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wsss_cli.core.crf import PRESETS, CrfParams, dense_crf, unary_from_labels, unary_from_scores
from wsss_cli.core.grid import upsample_grid
from wsss_cli.core.pamr import PamrParams, pamr
from wsss_cli.core.refine import refine_labels, refine_scores


def test_labels_follow_the_edge_of_an_object() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(90, 110, (24, 32, 3)).astype(np.uint8)
    image[:, 16:] += 100
    truth = np.zeros((24, 32), np.uint8)
    truth[:, 16:] = 1
    blurred = np.clip((np.arange(32) - 9) / 10, 0, 1)  # crosses 0.5 two pixels too early
    stack = np.stack([1 - blurred, blurred]).astype(np.float32)[:, None].repeat(24, 1)
    assert (stack.argmax(0) != truth).sum() == 24
    refined = refine_scores(image, [stack], PamrParams(stride=1))[0]
    assert (refined.argmax(0) != truth).sum() == 0
    np.testing.assert_allclose(refined.sum(0), 1, rtol=1e-5)


def test_stacks_share_weights_and_the_crf_is_what_it_was() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (9, 10, 3)).astype(np.uint8)
    stacks = [rng.random((n, 9, 10)).astype(np.float32) for n in (2, 3)]
    params = PamrParams(iterations=2, dilations=(1, 3), stride=1)
    pixels = torch.from_numpy(image).permute(2, 0, 1).float() / 255
    for found, stack in zip(refine_scores(image, stacks, params), stacks, strict=True):
        expected = pamr(pixels, torch.from_numpy(stack), iterations=2, dilations=(1, 3))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    hard = stacks[1].argmax(0)
    ones = (hard == np.arange(3)[:, None, None]).astype(np.float32)
    expected = refine_scores(image, [ones], params)[0]
    assert np.array_equal(refine_labels(image, [hard], 3, params)[0], expected)
    crf = PRESETS["irn"]
    found = refine_scores(image, stacks[:1], crf)[0]
    assert np.array_equal(found, dense_crf(image, unary_from_scores(stacks[0]), crf))
    found = refine_labels(image, [hard], 3, crf)[0]
    assert np.array_equal(found, dense_crf(image, unary_from_labels(hard, 3), crf))


def test_on_a_coarser_grid() -> None:
    rng = np.random.default_rng(2)
    image = rng.integers(0, 256, (7, 9, 3)).astype(np.uint8)
    stack = np.full((2, 7, 9), 0.25, np.float32)
    stack[1] = rng.random((7, 9))
    params = PamrParams(iterations=2, stride=4)
    found = refine_scores(image, [stack], params)[0]
    assert found.shape == (2, 7, 9)
    assert np.allclose(found[0], 0.25)
    cells = np.array([[stack[1, y : y + 4, x : x + 4].mean() for x in (0, 4, 8)] for y in (0, 4)])
    assert cells.min() <= found[1].min()
    assert found[1].max() <= cells.max()


def test_scores_that_do_not_fit_the_image() -> None:
    image = np.zeros((6, 7, 3), np.uint8)
    stack = np.ones((2, 6, 6), np.float32)
    with pytest.raises(
        ValueError, match=r"scores of \(2, 6, 6\) do not fit an image of \(6, 7, 3\)"
    ):
        refine_scores(image, [stack], PamrParams(iterations=1, stride=1))
    with pytest.raises(ValueError, match=r"scores of \(3, 6, 6\) do not fit"):
        refine_labels(image, [np.zeros((6, 6), int)], 3, PamrParams(iterations=1, stride=1))
    with pytest.raises(ValueError, match=r"a unary of \(2, 6, 6\) does not fit"):
        refine_scores(image, [stack], PRESETS["irn"])


def test_cells_at_the_edge_are_means_of_the_pixels_they_have() -> None:
    """Without an iteration, a coarser grid is pooling and enlarging alone."""
    image = np.zeros((3, 5, 3), np.uint8)
    stack = np.arange(15, dtype=np.float32).reshape(1, 3, 5)
    (found,) = refine_scores(image, [stack], PamrParams(iterations=0, stride=2))
    cells = torch.tensor([[[3.0, 5.0, 6.5], [10.5, 12.5, 14.0]]])
    assert np.array_equal(found, upsample_grid(cells, (3, 5), 2).numpy())
    (same,) = refine_scores(image, [stack], PamrParams(iterations=0, stride=1))
    assert np.array_equal(same, stack)


def test_a_label_is_believed_with_seven_tenths_by_the_crf_and_wholly_by_pamr() -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    label = np.zeros((4, 5), int)
    label[:, 3:] = 2
    still = CrfParams(gaussian_compat=0, bilateral_compat=0)
    (found,) = refine_labels(image, [label], 3, still)
    for index in range(3):
        np.testing.assert_allclose(found[index], np.where(label == index, 0.7, 0.15), rtol=1e-4)
    (found,) = refine_labels(image, [label], 3, PamrParams(iterations=0, stride=1))
    assert np.array_equal(found, np.stack([label == 0, label == 1, label == 2]))
    assert refine_labels(image, [], 3, still) == []
