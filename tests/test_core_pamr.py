"""PAMR against plain loops in float64, and what must hold whatever the image."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wsss_cli.core import pamr as module
from wsss_cli.core.pamr import PamrParams, pamr


def neighbours(y: int, x: int, dilations: list[int], h: int, w: int) -> list[tuple[int, int]]:
    """A pixel's neighbours in all directions and distances, held inside the image."""
    found = []
    for d in dilations:
        for dy in (-d, 0, d):
            for dx in (-d, 0, d):
                if dy or dx:
                    found.append((min(max(y + dy, 0), h - 1), min(max(x + dx, 0), w - 1)))
    return found


def by_loops(
    image: np.ndarray,
    scores: np.ndarray,
    iterations: int,
    dilations: list[int],
    seen: np.ndarray | None = None,
) -> np.ndarray:
    """Pixel by pixel, sample by sample."""
    channels, h, w = image.shape
    seen = np.ones((h, w), bool) if seen is None else seen
    state = scores.copy()
    for _ in range(iterations):
        following = np.zeros_like(state)
        for y in range(h):
            for x in range(w):
                near = [at for at in neighbours(y, x, dilations, h, w) if seen[at]]
                if not seen[y, x] or not near:
                    following[:, y, x] = state[:, y, x]
                    continue
                logits = []
                sigma = [
                    np.std(
                        [image[k][at] for at in near] + [image[k, y, x]] * len(dilations), ddof=1
                    )
                    for k in range(channels)
                ]
                for at in near:
                    terms = [
                        -abs(image[k, y, x] - image[k][at]) / (1e-8 + 0.1 * sigma[k])
                        for k in range(channels)
                    ]
                    logits.append(sum(terms) / channels)
                powers = [math.exp(logit - max(logits)) for logit in logits]
                for at, power in zip(near, powers, strict=True):
                    following[:, y, x] += power / sum(powers) * state[(slice(None), *at)]
        state = following
    return state


def scene(h: int, w: int, n: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.random((3, h, w))), torch.from_numpy(rng.random((n, h, w)))


@pytest.mark.parametrize(
    ("size", "dilations", "iterations"),
    [((5, 7), [1], 1), ((6, 5), [1, 2], 3), ((1, 4), [1, 3], 2), ((4, 4), [9], 2)],
)
def test_as_plain_loops(size: tuple[int, int], dilations: list[int], iterations: int) -> None:
    image, scores = scene(*size)
    expected = by_loops(image.numpy(), scores.numpy(), iterations, dilations)
    found = pamr(image, scores, iterations=iterations, dilations=dilations)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-11)
    single = pamr(image.float(), scores.float(), iterations=iterations, dilations=dilations)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single.numpy(), expected, rtol=2e-4)


def test_published_setting_has_48_neighbours() -> None:
    image, scores = scene(5, 6)
    expected = by_loops(image.numpy(), scores.numpy(), 1, [1, 2, 4, 8, 12, 24])
    np.testing.assert_allclose(pamr(image, scores, iterations=1).numpy(), expected, rtol=1e-11)


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12), st.integers(0, 4))
def test_a_mean_stays_within_what_it_averages(seed: int, h: int, w: int, iterations: int) -> None:
    image, scores = scene(h, w, seed=seed)
    shares = scores / scores.sum(0)
    found = pamr(image.float(), shares.float(), iterations=iterations)
    for one, source in zip(found, shares.float(), strict=True):
        assert source.min() <= one.min()
        assert one.max() <= source.max()
    torch.testing.assert_close(found.sum(0), torch.ones(h, w), rtol=1e-5, atol=0)


def test_constant_scores_and_no_iterations_change_nothing() -> None:
    image, scores = scene(6, 7)
    constant = torch.full((2, 6, 7), 0.3)
    assert torch.equal(pamr(image.float(), constant), constant)
    assert torch.equal(pamr(image, scores, iterations=0), scores)
    assert pamr(image, scores[:0]).shape == (0, 6, 7)


def test_a_flat_image_averages_evenly() -> None:
    scores = torch.zeros(1, 9, 9, dtype=torch.float64)
    scores[0, 4, 4] = 1
    found = pamr(torch.full((3, 9, 9), 0.3, dtype=torch.float64), scores, iterations=1)[0]
    for y, x in ((4, 4), (3, 3), (4, 5), (2, 6), (0, 8)):
        near = neighbours(y, x, [1, 2, 4, 8, 12, 24], 9, 9)
        assert found[y, x] == pytest.approx(near.count((4, 4)) / 48, abs=1e-15)


def test_brightness_and_contrast_do_not_matter() -> None:
    image, scores = scene(8, 9)
    gain = torch.tensor([255.0, -3.0, 0.2], dtype=torch.float64)[:, None, None]
    torch.testing.assert_close(
        pamr(image * gain + 17, scores), pamr(image, scores), rtol=1e-5, atol=1e-6
    )


def partly_seen(seed: int, h: int, w: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random((h, w)) < 0.5)


@pytest.mark.parametrize(("dilations", "iterations"), [([1], 1), ([1, 2], 3), ([2, 9], 2)])
@pytest.mark.parametrize("kind", ["padded", "ragged"])
def test_what_is_not_seen_as_plain_loops(kind: str, dilations: list[int], iterations: int) -> None:
    image, scores = scene(6, 7)
    seen = torch.zeros(6, 7, dtype=torch.bool)
    seen[1:4, 2:] = True
    if kind == "ragged":
        seen = partly_seen(5, 6, 7)
    image[:, ~seen] += 40
    expected = by_loops(image.numpy(), scores.numpy(), iterations, dilations, seen.numpy())
    found = pamr(image, scores, iterations=iterations, dilations=dilations, seen=seen)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-11)
    assert torch.equal(found[:, ~seen], scores[:, ~seen])
    assert not torch.equal(found[:, seen], scores[:, seen])


@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 9), st.integers(1, 4))
def test_what_is_not_seen_counts_for_nothing(seed: int, h: int, w: int, iterations: int) -> None:
    image, scores = (maps.float() for maps in scene(h, w, seed=seed))
    scores /= scores.sum(0)
    seen = partly_seen(seed, h, w)
    found = pamr(image, scores, iterations=iterations, seen=seen)
    if seen.any():
        for one, source in zip(found[:, seen], scores[:, seen], strict=True):
            assert source.min() <= one.min()
            assert one.max() <= source.max()
        torch.testing.assert_close(found.sum(0), torch.ones(h, w), rtol=1e-5, atol=0)
    for value in (7.0, math.nan, math.inf):
        other, more = image.masked_fill(~seen, value), scores.masked_fill(~seen, value)
        again = pamr(other, more, iterations=iterations, seen=seen)
        assert torch.equal(again[:, seen], found[:, seen])


def test_a_pixel_that_sees_none_keeps_its_scores() -> None:
    image, scores = scene(5, 5)
    seen = torch.zeros(5, 5, dtype=torch.bool)
    seen[2, 2] = True
    assert torch.equal(pamr(image, scores, dilations=[1], seen=seen), scores)
    assert torch.equal(pamr(image, scores, seen=torch.zeros_like(seen)), scores)


def test_where_all_is_seen_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    (image, one), (other, more) = scene(9, 8), scene(9, 8, seed=1)
    images, scores = torch.stack([image, other]).float(), torch.stack([one, more]).float()
    seen = torch.ones(2, 9, 8, dtype=torch.bool)
    plain = pamr(images, scores, iterations=3)
    assert torch.equal(pamr(images, scores, iterations=3, seen=seen), plain)
    seen[1, 7:] = False  # of the other image
    found = pamr(images, scores, iterations=3, seen=seen)
    assert torch.equal(found[0], plain[0])
    assert not torch.equal(found[1, :, :7], plain[1, :, :7])
    monkeypatch.setattr(module, "KEPT", 100)
    monkeypatch.setattr(module, "AT_ONCE", 2 * 48 * 8 * 4)  # four rows
    rows = pamr(images, scores, iterations=3, seen=seen)
    torch.testing.assert_close(rows, found, rtol=1e-6, atol=0)


def test_linear_and_channel_by_channel() -> None:
    image, scores = scene(7, 8)
    alone = torch.cat([pamr(image, one[None]) for one in scores])
    torch.testing.assert_close(pamr(image, scores), alone, rtol=1e-12, atol=0)
    mixed = pamr(image, 2 * scores[:1] + 3 * scores[1:2])
    torch.testing.assert_close(mixed, 2 * alone[:1] + 3 * alone[1:2], rtol=1e-12, atol=0)


def test_mirrored_and_batched() -> None:
    image, scores = scene(7, 8)
    other, more = scene(7, 8, seed=1)
    torch.testing.assert_close(
        pamr(image.flip(-1), scores.flip(-1)), pamr(image, scores).flip(-1), rtol=1e-10, atol=0
    )
    both = pamr(torch.stack([image, other]), torch.stack([scores, more]))
    torch.testing.assert_close(both[0], pamr(image, scores), rtol=1e-12, atol=0)
    torch.testing.assert_close(both[1], pamr(other, more), rtol=1e-12, atol=0)


def test_rows_at_a_time_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    image, scores = scene(11, 6)
    whole = pamr(image, scores, iterations=3)
    monkeypatch.setattr(module, "KEPT", 100)
    monkeypatch.setattr(module, "AT_ONCE", 48 * 6 * 4)  # four rows
    torch.testing.assert_close(pamr(image, scores, iterations=3), whole, rtol=1e-13, atol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu() -> None:
    image, scores = scene(40, 50)
    found = pamr(image.float().cuda(), scores.float().cuda()).cpu()
    torch.testing.assert_close(found, pamr(image.float(), scores.float()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"iterations": -1},
        {"dilations": ()},
        {"dilations": (0, 1)},
        {"dilations": (2, 2)},
        {"dilations": (5000,)},
        {"stride": 0},
    ],
)
def test_what_is_no_setting(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="PAMR"):
        PamrParams(**change)  # type: ignore[arg-type]


def test_shapes_that_do_not_fit() -> None:
    image, scores = scene(4, 5)
    for one, other in ((image, scores[:, 1:]), (image[None], scores), (image[0], scores[0])):
        with pytest.raises(ValueError, match="do not fit"):
            pamr(one, other)
    with pytest.raises(ValueError, match="seen pixels do not fit"):
        pamr(image, scores, seen=torch.ones(5, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="iterations"):
        pamr(image, scores, iterations=-1)
