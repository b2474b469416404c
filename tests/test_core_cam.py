"""Class activation maps: fusion of views in place, normalising, background, storage."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss_cli.core.cam import (
    View,
    background_score,
    cam_labels,
    dequantise,
    fuse_views,
    normalise,
    quantise,
    threshold_of_alpha,
)
from wsss_cli.core.grid import grid_size, upsample_grid


def random_maps(k: int, h: int, w: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(k, h, w, generator=torch.Generator().manual_seed(seed))


def brute_view(view: View, size: tuple[int, int], stride: int) -> np.ndarray:
    """One view on the image's grid, cell by cell in float64, with its cells laid out explicitly.

    Centres of the view's cells are carried to image coordinates; a mirrored view's lie mirrored.
    """
    maps = np.maximum(view.maps.double().numpy(), 0)
    k, h, w = maps.shape
    x = (np.arange(w) + 0.5) * view.stride
    if view.mirrored:
        x, maps = (view.size[1] - x)[::-1], maps[:, :, ::-1]
    x = x * size[1] / view.size[1]
    y = (np.arange(h) + 0.5) * view.stride * size[0] / view.size[0]
    rows, columns = grid_size(*size, stride)
    result = np.zeros((k, rows, columns))
    for c in range(k):
        for i in range(rows):
            at = (i + 0.5) * stride
            line = [np.interp(at, y, maps[c, :, j]) for j in range(w)]
            result[c, i] = [np.interp((j + 0.5) * stride, x, line) for j in range(columns)]
    return result


geometry = st.tuples(
    st.integers(1, 40),  # H
    st.integers(1, 40),  # W
    st.sampled_from([0.5, 0.75, 1.0, 1.5, 2.0]),
    st.sampled_from([1, 4, 8]),  # stride of the view
    st.sampled_from([1, 3, 4]),  # stride of the result
    st.booleans(),  # mirrored
    st.integers(0, 1),  # surplus cells by padding to a larger multiple
)


def scaled_size(height: int, width: int, scale: float) -> tuple[int, int]:
    return max(1, round(height * scale)), max(1, round(width * scale))


@settings(deadline=None)
@given(geometry)
def test_a_view_lands_where_brute_force_puts_it(g: tuple) -> None:
    height, width, scale, view_stride, stride, mirrored, surplus = g
    scaled = scaled_size(height, width, scale)
    h, w = grid_size(*scaled, view_stride)
    view = View(random_maps(2, h + surplus, w + surplus), scaled, view_stride, mirrored)
    fused = fuse_views([view], (height, width), stride)
    assert fused.dtype == torch.float32
    reference = brute_view(view, (height, width), stride)
    np.testing.assert_allclose(fused.numpy(), reference, atol=2e-5)


@settings(deadline=None)
@given(geometry)
def test_a_ramp_in_image_coordinates_is_reproduced(g: tuple) -> None:
    height, width, scale, view_stride, stride, mirrored, surplus = g
    size, scaled = (height, width), scaled_size(height, width, scale)
    h, w = grid_size(*scaled, view_stride)
    h, w = h + surplus, w + surplus
    # Where the centres of the view's cells lie in the image, and a plane through them.
    y = (torch.arange(h) + 0.5) * view_stride * height / scaled[0]
    x = (torch.arange(w) + 0.5) * view_stride
    x = (scaled[1] - x if mirrored else x) * width / scaled[1]
    plane = 100 + 2 * y[:, None] + x[None, :]
    fused = fuse_views([View(plane[None], scaled, view_stride, mirrored)], size, stride)[0]
    rows, columns = grid_size(*size, stride)
    at_y, at_x = (torch.arange(rows) + 0.5) * stride, (torch.arange(columns) + 0.5) * stride
    # Beyond the outermost centres the edge value continues.
    expected = 100 + 2 * at_y.clamp(y.min(), y.max())[:, None] + at_x.clamp(x.min(), x.max())
    torch.testing.assert_close(fused, expected, rtol=1e-5, atol=1e-3)


def test_where_sizes_divide_it_is_plain_bilinear_resizing() -> None:
    maps = random_maps(3, 4, 6)
    fused = fuse_views([View(maps, (32, 48), 8)], (64, 96), 4)
    resized = F.interpolate(maps.relu()[None], size=(16, 24), mode="bilinear")[0]
    torch.testing.assert_close(fused, resized, rtol=1e-5, atol=1e-6)
    mirrored = fuse_views([View(maps.flip(-1), (32, 48), 8, mirrored=True)], (64, 96), 4)
    torch.testing.assert_close(mirrored, resized, rtol=1e-5, atol=1e-6)


def test_a_view_at_scale_one_agrees_with_upsample_grid() -> None:
    maps = random_maps(2, 5, 3).relu()
    fused = fuse_views([View(maps, (19, 10), 4)], (19, 10), 1)
    torch.testing.assert_close(fused, upsample_grid(maps, (19, 10), 4), rtol=1e-5, atol=1e-6)
    unchanged = fuse_views([View(maps, (19, 10), 4)], (19, 10), 4)
    torch.testing.assert_close(unchanged, maps, rtol=0, atol=1e-6)


def views_of(size: tuple[int, int], seed: int, stride: int = 8) -> list[View]:
    views = []
    for n, scale in enumerate((0.5, 1.0, 1.5)):
        scaled = scaled_size(*size, scale)
        for mirrored in (False, True):
            maps = random_maps(2, *grid_size(*scaled, stride), seed=seed + 2 * n + mirrored)
            views.append(View(maps, scaled, stride, mirrored))
    return views


@pytest.mark.parametrize("size", [(32, 48), (33, 45), (7, 90)])
def test_views_are_summed_after_resizing_whatever_their_grouping(size: tuple[int, int]) -> None:
    views = views_of(size, 3)
    fused = fuse_views(iter(views), size, 4)
    one_by_one = torch.stack([fuse_views([view], size, 4) for view in views]).sum(0)
    torch.testing.assert_close(fused, one_by_one, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(fuse_views(views[::-1], size, 4), fused, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [(32, 48), (21, 44)])
def test_a_mirrored_image_gives_mirrored_maps(size: tuple[int, int]) -> None:
    # What the net makes of the image's mirror is, for the mirror image, the plain view.
    views = views_of(size, 5)
    swapped = [View(v.maps, v.size, v.stride, not v.mirrored) for v in views]
    fused, of_mirror = fuse_views(views, size, 4), fuse_views(swapped, size, 4)
    torch.testing.assert_close(of_mirror, fused.flip(-1), rtol=1e-5, atol=1e-5)


def test_a_mirrored_view_carries_its_padding_on_the_other_side() -> None:
    # 10 px at stride 4: the third cell is half padding. A response in the mirrored view's first
    # cell belongs to the last 4 pixels of the image, 6..10.
    maps = torch.tensor([[[1.0, 0.0, 0.0]]])
    fused = fuse_views([View(maps, (4, 10), 4, mirrored=True)], (4, 10), 1)[0, 0]
    np.testing.assert_allclose(
        fused.numpy(), [0, 0, 0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1], atol=1e-6
    )


def test_negative_responses_never_cancel_positive_ones() -> None:
    maps = torch.tensor([[[2.0, -50.0]]])
    fused = fuse_views([View(maps, (1, 2), 1), View(-maps, (1, 2), 1)], (1, 2), 1)
    assert fused.tolist() == [[[2.0, 50.0]]]


def test_half_precision_maps_are_summed_in_float32() -> None:
    maps = torch.full((1, 1, 1), 2048.0, dtype=torch.float16)
    small = torch.ones(1, 1, 1, dtype=torch.float16)
    fused = fuse_views([View(maps, (1, 1), 1), View(small, (1, 1), 1)], (1, 1), 1)
    assert fused.item() == 2049.0


def test_an_image_without_classes_has_a_cam_without_maps() -> None:
    fused = fuse_views([View(torch.zeros(0, 2, 3), (8, 12), 4)], (16, 24), 4)
    assert fused.shape == (0, 4, 6)
    assert normalise(fused).shape == (0, 4, 6)


def test_views_that_cannot_be_fused() -> None:
    with pytest.raises(ValueError, match="no views"):
        fuse_views([], (4, 4), 4)
    with pytest.raises(ValueError, match="2x2 cells of stride 4 do not cover 8x9"):
        fuse_views([View(torch.zeros(1, 2, 2), (8, 9), 4)], (8, 9), 4)
    with pytest.raises(ValueError, match="different numbers"):
        fuse_views([View(torch.zeros(k, 1, 1), (4, 4), 4) for k in (1, 2)], (4, 4), 4)
    with pytest.raises(ValueError, match=r"\(K, h, w\)"):
        fuse_views([View(torch.zeros(4, 4), (4, 4), 1)], (4, 4), 4)


@given(st.floats(1e-3, 1e3), st.integers(0, 99))
def test_normalised_maps_reach_one_and_stay_within(scale: float, seed: int) -> None:
    cam = random_maps(4, 5, 6, seed).relu() * scale
    cam[2] = 0
    result = normalise(cam)
    assert result.min() >= 0
    assert result.max() <= 1
    assert (result[2] == 0).all()
    for c in (0, 1, 3):
        assert result[c].max() >= 1 - 1e-5 / cam[c].max() - 1e-6
        reference = cam[c].double() / (cam[c].double().max() + 1e-5)
        torch.testing.assert_close(result[c].double(), reference, rtol=1e-6, atol=1e-7)


def test_scaling_the_classifier_leaves_the_cam_unchanged() -> None:
    cam = random_maps(3, 5, 6).relu()
    torch.testing.assert_close(normalise(cam * 37.5), normalise(cam), rtol=0, atol=2e-5)


def test_normalise_drops_negative_values() -> None:
    assert normalise(torch.tensor([[[-3.0, -1.0]]])).tolist() == [[[0.0, 0.0]]]


def test_background_score() -> None:
    cam = torch.tensor([[[0.0, 0.2, 1.0, 0.5]], [[0.0, 0.6, 0.3, 0.5]]])
    score = background_score(cam, 4)
    np.testing.assert_allclose(score.numpy(), [[1, 0.4**4, 0, 0.5**4]], rtol=1e-5)
    assert (background_score(cam, 32) <= score).all()
    assert background_score(cam, 1e6).tolist() == [[1.0, 0.0, 0.0, 0.0]]
    assert background_score(torch.zeros(0, 2, 3), 4).tolist() == [[1.0] * 3] * 2
    with pytest.raises(ValueError, match="alpha 0"):
        background_score(cam, 0)


@given(st.sampled_from([1, 4, 6, 16, 24, 32]), st.integers(0, 99))
def test_alpha_and_its_threshold_give_the_same_hard_labels(alpha: int, seed: int) -> None:
    cam = torch.rand(3, 8, 9, generator=torch.Generator().manual_seed(seed)).double() ** 3
    scores = torch.cat([background_score(cam, alpha)[None], cam])
    labels = cam_labels(cam, np.arange(3), threshold_of_alpha(alpha))
    assert torch.equal(scores.argmax(0), labels.long())


def test_threshold_of_alpha_is_the_root_and_refuses_none() -> None:
    for alpha in (0.01, 0.5, 3.3, 1000):
        m = threshold_of_alpha(alpha)
        assert abs(m - (1 - m) ** alpha) < 1e-12
    with pytest.raises(ValueError, match="alpha -1"):
        threshold_of_alpha(-1)


@given(st.integers(0, 4), st.integers(0, 99), st.sampled_from([0.0, 0.25, 0.3, 1.0]))
def test_cam_labels_against_a_loop(k: int, seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    # Few distinct values, so that ties among classes and with the threshold are common.
    cam = rng.choice(np.array([0, 0.25, 0.3, 0.7], np.float32), (k, 3, 4))
    classes = np.sort(rng.choice(20, k, replace=False)).astype(np.uint16)
    labels = cam_labels(torch.from_numpy(cam), classes, threshold)
    assert labels.dtype == torch.uint8
    for y in range(3):
        for x in range(4):
            best, winner = np.float32(threshold), 0
            for c in range(k):
                if cam[c, y, x] > best:
                    best, winner = cam[c, y, x], int(classes[c]) + 1
            assert labels[y, x] == winner


def test_cam_labels_of_another_number_of_classes() -> None:
    with pytest.raises(ValueError, match="does not hold 1 classes"):
        cam_labels(torch.zeros(2, 3, 3), np.array([1]), 0.2)


@pytest.mark.parametrize(("dtype", "error"), [("float16", 2.5e-4), ("uint8", 0.5 / 255 + 1e-6)])
def test_storing_a_cam_loses_little(dtype: str, error: float) -> None:
    cam = torch.rand(3, 20, 20)
    cam[0, 0, :2] = torch.tensor([0.0, 1.0])
    stored = quantise(cam, dtype)
    assert stored.dtype == np.dtype(dtype)
    back = dequantise(stored)
    assert back.dtype == torch.float32
    assert (back - cam).abs().max() <= error
    assert back[0, 0, :2].tolist() == [0.0, 1.0]
    assert np.array_equal(quantise(back, dtype), stored)


def test_storing_what_is_no_cam() -> None:
    with pytest.raises(ValueError, match="one of float16, uint8"):
        quantise(torch.zeros(1, 1, 1), "float32")
    for bad in (1.01, -0.01, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="outside"):
            quantise(torch.tensor([[[bad]]]), "uint8")
    with pytest.raises(ValueError, match="not int32"):
        dequantise(np.zeros((1, 1, 1), np.int32))
    assert quantise(torch.zeros(0, 2, 2), "uint8").shape == (0, 2, 2)
