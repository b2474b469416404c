"""The CRF on grids against loops over all pairs of cells, and against the lattice."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from wsss_cli.core.crf import CrfParams, dense_crf
from wsss_cli.core.meanfield import MAX_CELLS, mean_field, mean_field_each


def scene(height: int = 6, width: int = 7, n: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(5)
    image = rng.integers(0, 40, (3, height, width)) + 150 * (np.arange(width) > width // 2)
    return torch.from_numpy(image.astype(np.uint8)), torch.from_numpy(
        rng.normal(size=(n, height, width))
    )


def plain_mean_field(image: np.ndarray, logits: np.ndarray, params: CrfParams) -> np.ndarray:
    n, height, width = logits.shape
    cells = list(np.ndindex(height, width))

    def kernel(i: tuple[int, ...], j: tuple[int, ...], sxy: float, srgb: float | None) -> float:
        apart = ((i[0] - j[0]) ** 2 + (i[1] - j[1]) ** 2) / sxy**2
        if srgb is not None:
            apart += sum((float(p[i]) - float(p[j])) ** 2 for p in image) / srgb**2
        return math.exp(-apart / 2)

    weights = np.zeros((len(cells), len(cells)))
    for compat, sxy, srgb in (
        (params.gaussian_compat, params.gaussian_sxy, None),
        (params.bilateral_compat, params.bilateral_sxy, params.bilateral_srgb),
    ):
        k = np.array([[kernel(i, j, sxy, srgb) for j in cells] for i in cells])
        weights += compat * k / np.sqrt(np.outer(k.sum(1), k.sum(1)))
    flat = logits.reshape(n, -1)
    q = np.exp(flat) / np.exp(flat).sum(0)
    for _ in range(params.iterations):
        powers = np.exp(flat + q @ weights)
        q = powers / powers.sum(0)
    return q.reshape(logits.shape)


PARAMS = CrfParams(0.8, 2, 3, 13, 4, 5)


def test_mean_field_against_loops() -> None:
    image, logits = scene()
    found = mean_field(image, logits, PARAMS)
    np.testing.assert_allclose(
        found, plain_mean_field(image.numpy(), logits.numpy(), PARAMS), rtol=1e-6
    )
    single = mean_field(image, logits.float(), PARAMS)
    np.testing.assert_allclose(single, found, atol=1e-5)
    assert torch.equal(single, mean_field(image, logits.float(), PARAMS))


def test_mean_field_agrees_with_the_lattice() -> None:
    rng = np.random.default_rng(0)
    image = np.zeros((3, 24, 24), np.uint8) + rng.integers(0, 30, (3, 24, 24)).astype(np.uint8)
    image[:, 6:18, 6:18] += 180
    logits = rng.normal(size=(3, 24, 24)).astype(np.float32)
    logits[0] += 1
    logits[:, 6:18, 6:18] += np.array([-1.5, 1, 0], np.float32)[:, None, None]
    params = CrfParams(0.25, 3, 80 / 12, 13, 10, 10)
    lattice = dense_crf(np.ascontiguousarray(image.transpose(1, 2, 0)), -logits, params)
    exact = mean_field(torch.from_numpy(image), torch.from_numpy(logits), params).numpy()
    assert (lattice.argmax(0) == exact.argmax(0)).mean() > 0.97


def test_mean_field_without_pairs_or_steps_is_softmax() -> None:
    image, logits = scene()
    for params in (CrfParams(gaussian_compat=0, bilateral_compat=0), CrfParams(iterations=0)):
        assert torch.allclose(mean_field(image, logits, params), logits.softmax(0))
    logits.requires_grad_()
    assert not mean_field(image, logits, PARAMS).requires_grad


def test_cells_outside_count_for_nothing() -> None:
    image, logits = scene()
    seen = torch.ones(6, 7, dtype=torch.bool)
    seen[4:], seen[:, 0] = False, False
    part = mean_field(image[:, :4, 1:], logits[:, :4, 1:], PARAMS)
    whole = mean_field(image, logits, PARAMS, seen)
    assert torch.allclose(whole[:, :4, 1:], part)
    assert torch.allclose(whole[:, 4:], logits[:, 4:].softmax(0))
    nothing = mean_field(image, logits, PARAMS, torch.zeros_like(seen))
    assert torch.allclose(nothing, logits.softmax(0))


def test_what_mean_field_refuses() -> None:
    image, logits = scene()
    with pytest.raises(ValueError, match="an image"):
        mean_field(image[:, 1:], logits, PARAMS)
    large = torch.zeros(3, MAX_CELLS + 1, 1)
    with pytest.raises(ValueError, match="at most"):
        mean_field(large, large, PARAMS)


def test_several_starts_are_each_alone() -> None:
    image, logits = scene()
    starts = torch.stack([logits, 2 * logits.flip(0), torch.zeros_like(logits)])
    seen = torch.ones(6, 7, dtype=torch.bool)
    seen[0, :3] = False
    for given in (None, seen):
        found = mean_field_each(image, starts, PARAMS, given)
        assert found.shape == starts.shape
        for one, start in zip(found, starts, strict=True):
            torch.testing.assert_close(one, mean_field(image, start, PARAMS, given))
    with pytest.raises(ValueError, match=r"logits \(3, 6, 7\): an image \(3, 5, 7\)"):
        mean_field_each(image[:, 1:], starts, PARAMS)


def test_two_cells_by_hand() -> None:
    """One kernel, of place alone: each cell sees itself and its neighbour."""
    params = CrfParams(gaussian_sxy=1, gaussian_compat=2, bilateral_compat=0, iterations=1)
    image = torch.zeros(3, 1, 2, dtype=torch.uint8)
    logits = torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]]], dtype=torch.float64)
    k = math.exp(-1 / 2)
    near, far = 2 * 1 / (1 + k), 2 * k / (1 + k)  # symmetric: both sums are 1 + k
    q = math.e / (1 + math.e)
    one = 1 + near * q + far * 0.5, near * (1 - q) + far * 0.5
    other = far * q + near * 0.5, far * (1 - q) + near * 0.5
    found = mean_field(image, logits, params)
    expected = [1 / (1 + math.exp(b - a)) for a, b in (one, other)]
    assert found[0, 0].tolist() == pytest.approx(expected)
    assert found[1, 0].tolist() == pytest.approx([1 - e for e in expected])
