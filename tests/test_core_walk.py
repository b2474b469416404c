"""The random walk against powers of the dense transition matrix, in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensor_sizes import LargestTensor
from torch import Tensor

from wsss_cli.core.affinity import feature_affinity, path_affinity
from wsss_cli.core.pairs import Border, half_disk_offsets
from wsss_cli.core.walk import chebyshev_weights, random_walk

OFFSETS = half_disk_offsets(5)
RIGHT, BELOW = OFFSETS.index((0, 1)), OFFSETS.index((1, 0))
SIDES = st.integers(1, 8)
BORDERS: list[Border] = ["full", "reference"]


def dense_weights(
    affinity: Tensor, beta: float, border: Border = "full", valid: Tensor | None = None
) -> Tensor:
    """The N x N matrix W in float64, written pair by pair."""
    h, w = affinity.shape[1:]
    margin = 4 if border == "reference" else 0
    weights = torch.eye(h * w, dtype=torch.float64)
    for plane, (dy, dx) in zip(affinity.double(), OFFSETS, strict=True):
        for y in range(h - margin):
            for x in range(margin, w - margin):
                if y + dy < h and 0 <= x + dx < w:
                    if valid is not None and not (valid[y, x] and valid[y + dy, x + dx]):
                        continue
                    one, other = y * w + x, (y + dy) * w + x + dx
                    weights[one, other] = weights[other, one] = plane[y, x] ** beta
    return weights


def dense_walk(scores: Tensor, weights: Tensor, steps: int) -> Tensor:
    power = torch.linalg.matrix_power(weights / weights.sum(1, keepdim=True), steps)
    return (scores.double().flatten(1) @ power.T).view_as(scores)


def random_grid(h: int, w: int, seed: int, k: int = 2) -> tuple[Tensor, Tensor]:
    """Scores and affinities, the affinities of boundaries, features or noise by turns."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(k, h, w, generator=generator)
    if seed % 3 == 0:  # many values near 0 and 1, so some cells barely hang together
        boundary = torch.sigmoid(3 * torch.randn(h, w, generator=generator) - 2)
        return scores, path_affinity(boundary, OFFSETS)
    if seed % 3 == 1:
        return scores, feature_affinity(torch.randn(6, h, w, generator=generator), OFFSETS)
    return scores, torch.rand(len(OFFSETS), h, w, generator=generator)


def walk(
    scores: Tensor, affinity: Tensor, beta: float = 8, steps: int = 256, **more: object
) -> Tensor:
    return random_walk(scores, affinity, OFFSETS, beta=beta, steps=steps, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("border", BORDERS)
@given(
    h=SIDES,
    w=st.integers(1, 12),
    seed=st.integers(0, 99),
    beta=st.sampled_from([0, 1, 8, 10]),
    steps=st.sampled_from([0, 1, 2, 7, 64, 256]),
)
@settings(deadline=None, max_examples=30)
def test_walk_is_the_matrix_power(
    border: Border, h: int, w: int, seed: int, beta: int, steps: int
) -> None:
    scores, affinity = random_grid(h, w, seed)
    wanted = dense_walk(scores, dense_weights(affinity, beta, border), steps)
    got = walk(scores, affinity, beta, steps, border=border)
    assert got.dtype == torch.float32
    assert (got - wanted).abs().max() < 5e-5
    exact = walk(scores.double(), affinity.double(), beta, steps, border=border, chebyshev=False)
    torch.testing.assert_close(exact, wanted, atol=1e-10, rtol=0)


@pytest.mark.parametrize("chebyshev", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_float32_walk_of_weakly_linked_cells_is_exact_enough(seed: int, chebyshev: bool) -> None:
    scores, affinity = random_grid(24, 30, 3 * seed)
    exact = walk(scores.double(), affinity.double(), 10, chebyshev=False)
    assert (walk(scores, affinity, 10, chebyshev=chebyshev) - exact).abs().max() < 3e-5


@pytest.mark.parametrize("steps", [1, 2, 3, 64, 255, 256])
def test_chebyshev_weights_give_the_power(steps: int) -> None:
    weights = chebyshev_weights(steps)
    x = np.linspace(-1, 1, 501)
    assert np.abs(np.polynomial.chebyshev.chebval(x, weights) - x**steps).max() <= 2e-5
    assert sum(weights) == pytest.approx(1, abs=1e-12)
    assert min(weights) >= 0
    assert not any(weights[1 - steps % 2 :: 2])


def test_chebyshev_degrees() -> None:
    assert len(chebyshev_weights(256, 2.2e-3)) - 1 == 48
    assert len(chebyshev_weights(256, 4.5e-5)) - 1 == 64
    assert len(chebyshev_weights(256)) - 1 == 70
    assert chebyshev_weights(0) == [1.0]
    assert chebyshev_weights(1) == [0.0, 1.0]
    assert chebyshev_weights(2) == [0.5, 0.0, 0.5]
    assert chebyshev_weights(256, 0.0)[::2] == pytest.approx(
        [math.comb(256, 128 - k // 2) / 2**255 / (2 if k == 0 else 1) for k in range(0, 257, 2)]
    )


def test_published_iteration_is_the_same_walk() -> None:
    # The published code: columns of W divided by their sums, T^256 by squaring, M T^256.
    scores, affinity = random_grid(9, 11, 5)
    weights = dense_weights(affinity, 8)
    transition = weights / weights.sum(0, keepdim=True)
    for _ in range(8):
        transition = transition @ transition
    wanted = (scores.double().flatten(1) @ transition).view_as(scores)
    assert (walk(scores, affinity) - wanted).abs().max() < 2e-5


def test_published_edge_padding_is_leaving_pairs_out() -> None:
    # IRNet pads the boundary by 5 cells of value 1 at the left, right and bottom, crops sources
    # as AffinityNet does, and crops the result: the same walk as full pairing without padding.
    generator = torch.Generator().manual_seed(2)
    boundary = torch.rand(10, 12, generator=generator) ** 3
    scores = torch.rand(2, 10, 12, generator=generator) * (1 - boundary)
    padding = (5, 5, 0, 5)
    padded = torch.nn.functional.pad(boundary, padding, value=1.0)
    padded_scores = torch.nn.functional.pad(scores, padding)
    weights = dense_weights(path_affinity(padded, OFFSETS), 10, "reference")
    wanted = dense_walk(padded_scores, weights, 256)[:, :10, 5:17]
    got = walk(scores, path_affinity(boundary, OFFSETS), 10)
    assert (got - wanted).abs().max() < 2e-5


@given(SIDES, SIDES, st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_walk_keeps_what_an_average_keeps(h: int, w: int, seed: int) -> None:
    scores, affinity = random_grid(h, w, seed, k=3)
    scores[2] = 0.7
    walked = walk(scores, affinity)
    low, high = scores.amin((1, 2)), scores.amax((1, 2))
    assert (walked.amin((1, 2)) >= low).all()
    assert (walked.amax((1, 2)) <= high).all()
    torch.testing.assert_close(walked[2], scores[2], atol=1e-6, rtol=0)  # a constant stays
    degree = dense_weights(affinity, 8).sum(1).view(h, w)
    torch.testing.assert_close(
        (degree * walked).sum((1, 2)), (degree * scores).sum((1, 2)), rtol=2e-5, atol=1e-6
    )


def test_walk_is_linear_and_channels_are_apart() -> None:
    scores, affinity = random_grid(7, 9, 4, k=4)
    scores = scores.double()
    scores[3] = 0
    affinity = affinity.double()
    walked = walk(scores, affinity)
    assert (walked[3] == 0).all()  # so absent classes may be left out
    torch.testing.assert_close(walk(scores[1:2], affinity)[0], walked[1])
    torch.testing.assert_close(walk(scores[[2, 0, 1]], affinity), walked[[2, 0, 1]])
    combined = 0.3 * scores[:1] + 0.6 * scores[1:2]
    # Beyond the truncated series, only clipping to the range could break linearity.
    torch.testing.assert_close(
        walk(combined, affinity)[0], 0.3 * walked[0] + 0.6 * walked[1], atol=1e-5, rtol=0
    )
    total = scores.sum(0, keepdim=True)
    shares = walk(scores / total, affinity)
    torch.testing.assert_close(shares.sum(0), torch.ones(7, 9).double(), atol=4e-5, rtol=0)


def test_walk_is_a_semigroup() -> None:
    scores, affinity = random_grid(8, 9, 1)
    twice = walk(walk(scores, affinity, steps=100), affinity, steps=156)
    assert (twice - walk(scores, affinity, steps=256)).abs().max() < 5e-5


def test_beta_zero_is_the_mean_of_the_neighbourhood() -> None:
    scores, affinity = random_grid(6, 7, 2)
    affinity[:, 2, 3] = 0  # 0^0 = 1: at beta 0 affinities say nothing
    walked = walk(scores, affinity, beta=0, steps=1)
    for y in range(6):
        for x in range(7):
            near = [
                scores[:, v, u]
                for v in range(6)
                for u in range(7)
                if (v - y) ** 2 + (u - x) ** 2 < 25
            ]
            torch.testing.assert_close(walked[:, y, x], torch.stack(near).mean(0))


@pytest.mark.parametrize("chebyshev", [True, False])
def test_cells_without_pairs_keep_their_scores(chebyshev: bool) -> None:
    scores, affinity = random_grid(8, 9, 2)
    alone = walk(scores, torch.zeros_like(affinity), chebyshev=chebyshev)
    torch.testing.assert_close(alone, scores, atol=1e-6, rtol=0)

    boundary = torch.zeros(8, 9)
    boundary[3, 4] = 1
    walked = walk(scores, path_affinity(boundary, OFFSETS), chebyshev=chebyshev)
    torch.testing.assert_close(walked[:, 3, 4], scores[:, 3, 4], atol=1e-6, rtol=0)
    assert (walked[:, 3, 5] - scores[:, 3, 5]).abs().min() > 1e-3

    reference = walk(scores, affinity, border="reference", chebyshev=chebyshev)
    weights = dense_weights(affinity, 8, "reference")
    isolated = (weights.sum(1) == 1).view(8, 9)
    assert 0 < isolated.sum() < 72
    torch.testing.assert_close(reference[:, isolated], scores[:, isolated], atol=1e-6, rtol=0)


def test_disconnected_halves_never_mix() -> None:
    scores, affinity = random_grid(9, 14, 2)
    for plane, (_, dx) in zip(affinity, OFFSETS, strict=True):
        crossing = torch.arange(14).lt(6) != torch.arange(14).add(dx).lt(6)
        plane[:, crossing] = 0
    walked = walk(scores, affinity)
    other = scores.clone()
    other[:, :, 6:] = 1 - other[:, :, 6:]
    torch.testing.assert_close(walk(other, affinity)[..., :6], walked[..., :6], atol=2e-6, rtol=0)
    left = walk(scores[..., :6].contiguous(), affinity[..., :6].contiguous())
    torch.testing.assert_close(left, walked[..., :6], atol=2e-5, rtol=0)


def test_invalid_cells_take_no_part() -> None:
    scores, affinity = random_grid(8, 10, 1)
    valid = torch.ones(8, 10, dtype=torch.bool)
    valid[6:], valid[:, 8:] = False, False
    walked = walk(scores, affinity, valid=valid)
    torch.testing.assert_close(walked[:, ~valid], scores[:, ~valid], atol=1e-6, rtol=0)
    cropped = walk(scores[:, :6, :8].contiguous(), affinity[:, :6, :8].contiguous())
    torch.testing.assert_close(walked[:, :6, :8], cropped, atol=2e-5, rtol=0)
    wanted = dense_walk(scores, dense_weights(affinity, 8, valid=valid), 256)
    assert (walked - wanted).abs().max() < 2e-5


def test_entries_beyond_the_border_are_not_read() -> None:
    scores, affinity = random_grid(6, 7, 2)
    spoilt = affinity.clone()
    for plane, (dy, dx) in zip(spoilt, OFFSETS, strict=True):
        plane[6 - dy :] = math.nan
        plane[:, max(0, 7 - dx) :] = math.nan
        plane[:, : max(0, -dx)] = math.nan
    assert torch.equal(walk(scores, spoilt), walk(scores, affinity))


def test_tiny_and_empty_inputs() -> None:
    one = torch.tensor([[[0.3]], [[0.9]]])
    torch.testing.assert_close(walk(one, torch.ones(34, 1, 1)), one)
    assert walk(torch.zeros(0, 4, 5), torch.ones(34, 4, 5)).shape == (0, 4, 5)
    assert walk(torch.zeros(2, 0, 5), torch.ones(34, 0, 5)).shape == (2, 0, 5)
    scores, affinity = random_grid(4, 5, 1)
    assert torch.equal(walk(scores, affinity, steps=0), scores)
    assert random_walk(scores, affinity[:0], [], beta=8, steps=9).allclose(scores)
    two = walk(torch.tensor([[[0.0, 1.0]]]), torch.ones(34, 1, 2), steps=1)
    torch.testing.assert_close(two, torch.full((1, 1, 2), 0.5))


def test_inputs_are_not_changed() -> None:
    scores, affinity = random_grid(5, 6, 2)
    kept = scores.clone(), affinity.clone()
    walk(scores, affinity)
    assert torch.equal(scores, kept[0])
    assert torch.equal(affinity, kept[1])


def test_half_precision_scores_walk_in_float32() -> None:
    scores, affinity = random_grid(5, 6, 2)
    got = walk(scores.half(), affinity.half())
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, walk(scores.half().float(), affinity.half().float()))


def test_misuse_is_refused() -> None:
    scores, affinity = random_grid(5, 6, 2)
    with pytest.raises(ValueError, match="do not fit"):
        walk(scores[:, :4], affinity)
    with pytest.raises(ValueError, match="do not fit"):
        walk(scores[0], affinity)
    with pytest.raises(ValueError, match="steps"):
        walk(scores, affinity, steps=-1)
    with pytest.raises(ValueError, match="border"):
        walk(scores, affinity, border="none")


def test_memory_is_of_the_order_of_the_planes() -> None:
    scores, affinity = random_grid(20, 25, 1, k=3)
    with LargestTensor() as seen:
        walk(scores, affinity, steps=64)
    assert seen.numel <= affinity.numel()  # 34 N, where the dense matrix has 500 N


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_walks_alike() -> None:
    scores, affinity = random_grid(20, 25, 0, k=3)
    got = walk(scores.cuda(), affinity.cuda(), 10)
    torch.testing.assert_close(got.cpu(), walk(scores, affinity, 10), atol=3e-5, rtol=0)
