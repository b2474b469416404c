"""Pseudo masks against dense float64 walks that follow the published code's own layout."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wsss_cli.core.crf import CrfParams
from wsss_cli.core.grid import grid_size, upsample_grid
from wsss_cli.core.pseudo import (
    WALKS,
    WalkParams,
    against_background,
    regrid,
    score_stack,
    stack_labels,
    walk_irn,
    walk_psa,
)
from wsss_cli.core.walk_defaults import IRN_THRESHOLD

SIZE = (19, 26)  # a multiple of neither 4 nor 8
CLASSES = np.array([2, 7], np.uint16)


def make_cam(k: int, size: tuple[int, int], stride: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    cam = torch.rand(k, *grid_size(*size, stride), generator=generator)
    return cam / cam.amax((1, 2), keepdim=True)


def disk(radius: int) -> list[tuple[int, int]]:
    return [
        (dy, dx)
        for dy in range(radius)
        for dx in range(-radius, radius + 1)
        if (dy > 0 or dx > 0) and dy * dy + dx * dx < radius * radius
    ]


def dense_walk(
    scores: np.ndarray, weights: np.ndarray, beta: float, steps: int, isolated: np.ndarray
) -> np.ndarray:
    """scores (K, N) @ (W^beta / column sums)^steps, the formula as PSA and IRN print it.

    isolated: (N, N) bool, pairs that have no weight.
    """
    w = np.where(isolated, 0.0, weights) ** beta
    w[isolated] = 0
    np.fill_diagonal(w, 1)
    transition = w / w.sum(axis=0, keepdims=True)
    return scores @ np.linalg.matrix_power(transition, steps)


def pairs_of(h: int, w: int, radius: int, margin: int) -> np.ndarray:
    """(N, N) bool of the pairs; sources keep `margin` from the left, right and lower border."""
    allowed = np.zeros((h * w, h * w), bool)
    for y in range(h - margin):
        for x in range(margin, w - margin):
            for dy, dx in disk(radius):
                if y + dy < h and 0 <= x + dx < w:
                    one, other = y * w + x, (y + dy) * w + x + dx
                    allowed[one, other] = allowed[other, one] = True
    return allowed


@pytest.mark.parametrize("border", ["full", "reference"])
@pytest.mark.parametrize("stride", [4, 8, 3])
def test_psa_walk_is_the_dense_one(border: str, stride: int) -> None:
    size, radius, alpha = (43, 58), 3, 2.0
    h, w = grid_size(*size, 8)
    cam = make_cam(2, size, stride)
    features = torch.randn(5, h + 1, w + 2, generator=torch.Generator().manual_seed(1)) * 0.3

    pixels = upsample_grid(cam.double(), size, stride).numpy()
    stack = np.concatenate([(1 - pixels.max(0, keepdims=True)) ** alpha, pixels])
    scores = np.zeros((3, h, w))
    for y in range(h):
        for x in range(w):
            cell = stack[:, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8]
            area = 64 if border == "reference" else cell[0].size
            scores[:, y, x] = cell.sum(axis=(1, 2)) / area
    flat = features[:, :h, :w].double().numpy().reshape(5, -1)
    affinity = np.exp(-np.abs(flat[:, :, None] - flat[:, None, :]).mean(axis=0))
    lacking = ~pairs_of(h, w, radius, radius - 1 if border == "reference" else 0)
    expected = dense_walk(scores.reshape(3, -1), affinity, 4.0, 16, lacking)

    params = WalkParams(beta=4.0, steps=16, radius=radius)
    walked = walk_psa(cam, features, size, stride, alpha=alpha, params=params, border=border)
    np.testing.assert_allclose(walked.numpy(), expected.reshape(3, h, w), atol=1e-4)


def path(offset: tuple[int, int]) -> list[tuple[int, int]]:
    """Cells of the bounding box less than one cell from the line between its two corners."""
    dy, dx = offset
    length = np.hypot(dy, dx)
    return [
        (y, x)
        for y in range(0, dy + 1)
        for x in range(min(0, dx), max(0, dx) + 1)
        if abs(y * dx - x * dy) / length < 1
    ]


@pytest.mark.parametrize("stride", [4, 8, 6])
def test_irn_walk_is_the_dense_one_on_a_grid_padded_with_boundary(stride: int) -> None:
    size, radius, pad = SIZE, 3, 3
    h, w = grid_size(*size, 4)
    cam = make_cam(2, size, stride)
    boundary = torch.rand(h + 2, w + 1, generator=torch.Generator().manual_seed(2)) ** 2

    inner = boundary[:h, :w].double().numpy()
    x = regrid(cam.double(), size, stride, 4).numpy() * (1 - inner)
    padded = np.pad(inner, [(0, pad), (pad, pad)], constant_values=1)
    height, width = padded.shape
    weights = np.zeros((height * width, height * width))
    for y in range(height - (radius - 1)):
        for column in range(radius - 1, width - (radius - 1)):
            for dy, dx in disk(radius):
                strongest = max(padded[y + a, column + b] for a, b in path((dy, dx)))
                one, other = y * width + column, (y + dy) * width + column + dx
                weights[one, other] = weights[other, one] = 1 - strongest
    scores = np.pad(x, [(0, 0), (0, pad), (pad, pad)]).reshape(2, -1)
    walked = dense_walk(scores, weights, 10.0, 256, weights == 0)
    walked = walked.reshape(2, height, width)[:, :h, pad : pad + w]
    large = upsample_grid(torch.from_numpy(np.ascontiguousarray(walked)), size, 4)

    params = WalkParams(beta=10.0, steps=256, radius=radius)
    found = walk_irn(cam, boundary, size, stride, params=params)
    np.testing.assert_allclose(found.numpy(), walked / large.amax().item(), atol=1e-4)
    assert upsample_grid(found, size, 4).amax() == pytest.approx(1)


def test_defaults_are_the_published_ones() -> None:
    assert WALKS["psa"] == WalkParams(beta=8, steps="auto", radius=5)
    assert WALKS["irn"] == WalkParams(beta=10, steps="auto", radius=5)
    assert IRN_THRESHOLD == 0.25


@pytest.mark.parametrize(
    ("size", "steps"),
    [
        ((375, 500), 256),
        ((500, 333), 256),
        ((281, 500), 256),
        ((500, 500), 256),
        ((300, 400), 128),
        ((96, 128), 16),
        ((1500, 2000), 4096),
        ((1, 1), 1),
    ],
)
def test_steps_grow_with_the_image_and_are_the_published_ones_at_its_size(
    size: tuple[int, int], steps: int
) -> None:
    assert WALKS["irn"].steps_on(size, 4) == steps
    assert WALKS["psa"].steps_on(size, 8) == steps
    assert WalkParams(1, 7, 1).steps_on(size, 4) == 7


def test_auto_walks_as_many_steps_as_it_says() -> None:
    h, w = grid_size(*SIZE, 4)
    cam, boundary = make_cam(2, SIZE, 4), torch.rand(h, w) / 2
    steps = WALKS["irn"].steps_on(SIZE, 4)
    assert steps < 16
    walks = [
        walk_irn(cam, boundary, SIZE, 4, params=WalkParams(10.0, count, 5))
        for count in ("auto", steps, 256)
    ]
    assert torch.equal(walks[0], walks[1])
    assert not torch.allclose(walks[0], walks[2], atol=0.01)


def test_auto_spreads_over_the_same_share_of_any_image() -> None:
    """On free ground a peak's standard deviation is the same part of a small and a large grid."""
    spread = []
    for side in (64, 256):
        size = (side, side)
        h, w = grid_size(*size, 4)
        peak = torch.zeros(1, h, w)
        peak[0, h // 2, w // 2] = 1
        params = WalkParams(1.0, "auto", 2)
        walked = walk_irn(peak, torch.zeros(h, w), size, 4, params=params)[0].double().numpy()
        place = np.arange(w) - w // 2
        spread.append(np.sqrt((walked.sum(axis=0) * place**2).sum() / walked.sum()) / w)
    assert spread[0] == pytest.approx(spread[1], rel=0.1)


def test_a_coarser_grid_takes_the_mean_of_each_cells_pixels() -> None:
    maps = torch.rand(2, 5, 7)
    coarse = regrid(maps, (5, 7), 1, 3)
    assert coarse.shape == (2, 2, 3)
    assert torch.allclose(coarse[:, 1, 2], maps[:, 3:5, 6:7].mean((1, 2)))
    assert torch.allclose(coarse[:, 0, 1], maps[:, 0:3, 3:6].mean((1, 2)))


def test_a_finer_grid_keeps_cells_where_they_are() -> None:
    size = (9, 14)
    maps = torch.rand(1, *grid_size(*size, 4))
    fine = regrid(maps, size, 4, 2)
    assert fine.shape[-2:] == grid_size(*size, 2)
    assert fine[0, 1, 1] == pytest.approx(
        (
            0.75 * 0.75 * maps[0, 0, 0]
            + 0.75 * 0.25 * (maps[0, 0, 1] + maps[0, 1, 0])
            + 0.25 * 0.25 * maps[0, 1, 1]
        ).item()
    )


def test_boundaries_everywhere_leave_no_score() -> None:
    h, w = grid_size(*SIZE, 4)
    walked = walk_irn(make_cam(2, SIZE, 4), torch.ones(h, w), SIZE, 4)
    assert (walked == 0).all()  # and not NaN, from a division by the maximum
    label = stack_labels(score_stack(walked, SIZE, 4, IRN_THRESHOLD), CLASSES)
    assert (label == 0).all()


def test_no_class_is_background() -> None:
    none = np.zeros(0, np.uint16)
    h, w = grid_size(*SIZE, 4)
    walked = walk_irn(torch.zeros(0, h, w), torch.zeros(h, w), SIZE, 4)
    assert walked.shape == (0, h, w)
    assert (stack_labels(score_stack(walked, SIZE, 4, 0.25), none) == 0).all()
    h, w = grid_size(*SIZE, 8)
    walked = walk_psa(torch.zeros(0, h, w), torch.rand(3, h, w), SIZE, 8)
    assert torch.equal(walked, torch.ones(1, h, w))
    assert (stack_labels(score_stack(walked, SIZE, 8), none) == 0).all()


def test_unlike_neighbours_keep_their_scores() -> None:
    """W = I: the labels are those of the pooled scores."""
    size = (32, 40)
    h, w = grid_size(*size, 8)
    features = torch.arange(h * w, dtype=torch.float32).mul(1e3).reshape(1, h, w)
    cam = make_cam(2, size, 8)
    walked = walk_psa(cam, features, size, 8, alpha=4)
    pixels = upsample_grid(cam, size, 8)
    stack = torch.cat([(1 - pixels.amax(0, keepdim=True)) ** 4, pixels])
    means = torch.nn.functional.avg_pool2d(stack, 8)
    assert torch.allclose(walked, means, atol=1e-6)


def test_features_that_do_not_cover_the_image_are_refused() -> None:
    with pytest.raises(ValueError, match="does not cover"):
        walk_psa(make_cam(1, SIZE, 4), torch.rand(3, 2, 3), SIZE, 4)
    with pytest.raises(ValueError, match="does not cover"):
        walk_irn(make_cam(1, SIZE, 4), torch.rand(4, 7), SIZE, 4)


@pytest.mark.parametrize(
    ("beta", "steps", "radius", "wrong"),
    [
        (-1, 1, 1, "beta -1"),
        (float("nan"), 1, 1, "beta nan"),
        (1, -1, 1, "steps -1"),
        (1, 10**9, 1, "steps 1000000000"),
        (1, 1, 0, "radius 0"),
        (1, 1, 10**4, "radius 10000"),
    ],
)
def test_walk_parameters_out_of_range(beta: float, steps: int, radius: int, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"{wrong}: must"):
        WalkParams(beta, steps, radius)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(0, 3), st.integers(1, 9), st.integers(0, 99)
)
def test_scores_stay_in_range_whatever_the_size(
    height: int, width: int, k: int, stride: int, seed: int
) -> None:
    size = (height, width)
    generator = torch.Generator().manual_seed(seed)
    cam = torch.rand(k, *grid_size(*size, stride), generator=generator)
    classes = np.arange(10, 10 + k, dtype=np.uint16)
    features = torch.rand(4, *grid_size(*size, 8), generator=generator)
    walked = walk_psa(cam, features, size, stride)
    assert walked.shape == (k + 1, *grid_size(*size, 8))
    assert walked.min() >= 0
    assert walked.max() <= 1
    label = stack_labels(score_stack(walked, size, 8), classes)
    assert label.shape == size
    assert set(np.unique(label)) <= {0, *(classes + 1)}

    boundary = torch.rand(*grid_size(*size, 4), generator=generator)
    walked = walk_irn(cam, boundary, size, stride)
    assert walked.shape == (k, *grid_size(*size, 4))
    assert torch.isfinite(walked).all()
    stack = score_stack(walked, size, 4, 0.25)
    assert stack.shape == (k + 1, *size)
    assert stack.max(initial=0) <= 1 + 1e-6
    if k:
        assert stack[1:].max() == pytest.approx(1)  # the strongest class reaches it, so wins
    label = stack_labels(stack, classes)
    assert set(np.unique(label)) <= {0, *(classes + 1)}
    assert (label > 0).any() == (k > 0)


def test_the_strongest_score_wins_and_ties_go_to_background() -> None:
    stack = np.array([[[0.4, 0.4, 0.4]], [[0.4, 0.5, 0.1]], [[0.3, 0.5, 0.6]]], np.float32)
    assert stack_labels(stack, CLASSES).tolist() == [[0, 3, 8]]


def test_a_crf_of_no_iterations_changes_nothing_and_one_of_some_smooths() -> None:
    rng = np.random.default_rng(0)
    image = np.full((20, 24, 3), 120, np.uint8)
    stack = np.full((3, 20, 24), 0.1, np.float32)
    stack[1] = 0.6
    speck = (10, 12)
    stack[:, speck[0], speck[1]] = 0.1, 0.2, 0.3
    plain = stack_labels(stack, CLASSES)
    assert plain[speck] == 8
    still = CrfParams(iterations=0)
    for unary in ("scores", "labels"):
        same = stack_labels(stack, CLASSES, image=image, crf=still, unary=unary)
        assert np.array_equal(same, plain)
        smooth = stack_labels(stack, CLASSES, image=image, crf=CrfParams(), unary=unary)
        assert smooth[speck] == 3
    noisy = rng.random((3, 20, 24), np.float32)
    refined = stack_labels(noisy, CLASSES, image=image, crf=CrfParams())
    assert set(np.unique(refined)) <= {0, 3, 8}


def test_misuse_is_refused() -> None:
    stack = np.zeros((3, 2, 2), np.float32)
    with pytest.raises(ValueError, match="background and 1 classes"):
        stack_labels(stack, CLASSES[:1])
    with pytest.raises(ValueError, match="needs the image"):
        stack_labels(stack, CLASSES, crf=CrfParams())


def test_shares_against_the_background_decide_as_the_scores_do() -> None:
    generator = torch.Generator().manual_seed(3)
    cam, background = torch.rand(2, 9, 11, generator=generator), torch.rand(9, 11)
    shares = against_background(cam, background)
    assert torch.equal(shares.argmax(0), cam.argmax(0))
    assert torch.equal(shares.amax(0) > 0.5, cam.amax(0) > background)
    assert shares.amin() >= 0
    assert shares.amax() <= 1
    assert against_background(cam[:0], background).shape == (0, 9, 11)
