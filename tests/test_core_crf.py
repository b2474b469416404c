"""The CRF against a direct sum over all pairs of pixels, and the unaries that feed it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss_cli.core.crf import (
    PRESETS,
    REACH,
    CrfParams,
    Unfit,
    dense_crf,
    dense_crf_each,
    unary_from_labels,
    unary_from_scores,
)
from wsss_cli.core.labels import IGNORE

NO_PAIRS = CrfParams(gaussian_compat=0, bilateral_compat=0)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=0))
    return powers / powers.sum(axis=0)


def brute_crf(image: np.ndarray, unary: np.ndarray, params: CrfParams) -> np.ndarray:
    """Mean field with all pairs, each pixel's own term included, in float64."""
    n, height, width = unary.shape
    y, x = np.mgrid[:height, :width].reshape(2, -1).astype(float)
    place = np.stack([x, y], 1)
    colour = image.reshape(-1, 3).astype(float)
    kernel = np.zeros((height * width,) * 2)
    for compat, features in (
        (params.gaussian_compat, place / params.gaussian_sxy),
        (
            params.bilateral_compat,
            np.hstack([place / params.bilateral_sxy, colour / params.bilateral_srgb]),
        ),
    ):
        k = np.exp(-0.5 * ((features[:, None] - features[None]) ** 2).sum(-1))
        scale = 1 / np.sqrt(k.sum(1) + 1e-20)
        kernel += compat * scale[:, None] * k * scale[None]
    energy = unary.reshape(n, -1).astype(float)
    q = softmax(-energy)
    for _ in range(params.iterations):
        q = softmax(-energy + q @ kernel)
    return q.reshape(unary.shape)


def scene(seed: int = 0, size: tuple[int, int] = (12, 16)) -> tuple[np.ndarray, np.ndarray]:
    """A noisy image of two rectangles and an unsure unary of three labels."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(size, int)
    truth[2:8, 2:7] = 1
    truth[5:11, 9:14] = 2
    colours = np.array([[40, 90, 160], [200, 60, 50], [90, 190, 80]])
    image = np.clip(colours[truth] + rng.normal(0, 6, (*size, 3)), 0, 255).astype(np.uint8)
    unary = rng.normal(0, 1, (3, *size)) + 1.0 * (np.arange(3)[:, None, None] != truth)
    return image, unary.astype(np.float32)


@pytest.mark.parametrize("preset", ["psa", "irn", "deeplab-v2", "sec-train"])
def test_against_all_pairs(preset: str) -> None:
    agree, differ = [], []
    for seed in range(3):
        image, unary = scene(seed)
        q = dense_crf(image, unary, PRESETS[preset])
        reference = brute_crf(image, unary, PRESETS[preset])
        agree.append((q.argmax(0) == reference.argmax(0)).mean())
        differ.append(np.abs(q - reference).mean())
    # The lattice only approximates the Gaussian, so a few pixels near a tie fall otherwise.
    assert np.mean(agree) > 0.95
    assert np.mean(differ) < 0.04


def test_the_scene_is_cleaned_up() -> None:
    image, unary = scene()
    labels = dense_crf(image, unary, PRESETS["psa"]).argmax(0)
    assert (labels[3:7, 3:6] == 1).all()
    assert (labels[6:10, 10:13] == 2).all()
    assert (labels[:, 15] == 0).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3), (12, 16)])
def test_probabilities_for_images_of_any_size(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    unary = rng.random((4, *size), dtype=np.float32)
    q = dense_crf(image, unary, PRESETS["psa"])
    assert q.shape == (4, *size)
    assert q.dtype == np.float32
    assert q.flags.c_contiguous
    assert q.min() >= 0
    np.testing.assert_allclose(q.sum(0), 1, atol=1e-6)


@given(st.integers(1, 5), st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_without_pairs_or_steps_it_is_softmax(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    unary = (10 * rng.normal(size=(n, 5, 6))).astype(np.float32)
    for params in (NO_PAIRS, CrfParams(iterations=0)):
        np.testing.assert_allclose(dense_crf(image, unary, params), softmax(-unary), atol=1e-6)


@pytest.mark.parametrize("left_out", ["gaussian", "bilateral"])
def test_a_term_of_weight_zero_is_left_out(left_out: str) -> None:
    image, unary = scene()
    params = CrfParams(**{f"{left_out}_compat": 0.0})
    # An infinitesimal weight is the same to float32, and goes through the library.
    tiny = CrfParams(**{f"{left_out}_compat": 1e-30})
    assert np.array_equal(dense_crf(image, unary, params), dense_crf(image, unary, tiny))


def test_fewer_than_two_labels() -> None:
    image, unary = scene()
    assert (dense_crf(image, unary[:1], PRESETS["psa"]) == 1).all()
    assert dense_crf(image, unary[:0], PRESETS["psa"]).shape == (0, 12, 16)


def test_the_same_input_gives_the_same_bytes_and_sharing_a_lattice_too() -> None:
    image, first = scene(0)
    second = scene(1)[1]
    alone = [dense_crf(image, unary, PRESETS["irn"]) for unary in (first, second, first)]
    shared = dense_crf_each(image, [first, second, first], PRESETS["irn"])
    for one, other in zip(alone, shared, strict=True):
        assert one.tobytes() == other.tobytes()
    assert dense_crf_each(image, [], PRESETS["irn"]) == []


def test_inputs_are_left_alone_and_need_not_be_contiguous() -> None:
    image, unary = scene()
    before = image.copy(), unary.copy()
    q = dense_crf(image, unary, PRESETS["psa"])
    assert np.array_equal(image, before[0])
    assert np.array_equal(unary, before[1])
    fortran = dense_crf(np.asfortranarray(image), np.asfortranarray(unary), PRESETS["psa"])
    assert np.array_equal(fortran, q)
    double = dense_crf(image, unary.astype(np.float64), PRESETS["psa"])
    assert np.array_equal(double, q)


def test_permuting_labels_permutes_the_result() -> None:
    image, unary = scene()
    order = [2, 0, 1]
    q, permuted = (dense_crf(image, u, PRESETS["psa"]) for u in (unary, unary[order]))
    np.testing.assert_allclose(permuted, q[order], atol=1e-5)


def test_a_constant_per_pixel_changes_nothing() -> None:
    image, unary = scene()
    shift = np.random.default_rng(3).normal(0, 3, unary.shape[1:]).astype(np.float32)
    moved = dense_crf(image, unary + shift, PRESETS["psa"])
    np.testing.assert_allclose(moved, dense_crf(image, unary, PRESETS["psa"]), atol=1e-4)


def test_nothing_to_tell_apart_stays_uniform() -> None:
    image = np.full((8, 9, 3), 77, np.uint8)
    q = dense_crf(image, np.zeros((4, 8, 9), np.float32), PRESETS["psa"])
    np.testing.assert_allclose(q, 0.25, atol=1e-6)


def test_energies_far_above_the_weights_are_never_overruled() -> None:
    image, _ = scene()
    hard = np.random.default_rng(5).integers(0, 3, (12, 16))
    unary = 60.0 * (np.arange(3)[:, None, None] != hard)
    assert np.array_equal(dense_crf(image, unary, PRESETS["psa"]).argmax(0), hard)


def test_mirroring_mirrors_up_to_the_lattice() -> None:
    image, unary = scene()
    q = dense_crf(image, unary, PRESETS["psa"])
    mirrored = dense_crf(image[:, ::-1], unary[:, :, ::-1], PRESETS["psa"])[:, :, ::-1]
    assert (mirrored.argmax(0) == q.argmax(0)).mean() > 0.97


def test_the_order_of_colours_does_not_matter_much() -> None:
    image, unary = scene()
    q = dense_crf(image, unary, PRESETS["psa"])
    swapped = dense_crf(image[:, :, ::-1], unary, PRESETS["psa"])
    assert (swapped.argmax(0) == q.argmax(0)).mean() > 0.97


def test_width_and_height_are_not_confused() -> None:
    # Colours change across columns only; labels of uniform rows must follow them.
    image = np.zeros((4, 30, 3), np.uint8)
    image[:, 15:] = 255
    unary = np.full((2, 4, 30), 0.7, np.float32)
    unary[0, :, 2] = unary[1, :, 27] = 0.0
    labels = dense_crf(image, unary, PRESETS["psa"]).argmax(0)
    assert (labels[:, :15] == 0).all()
    assert (labels[:, 15:] == 1).all()


def test_what_a_crf_refuses() -> None:
    image, unary = scene()
    with pytest.raises(ValueError, match="uint8 image"):
        dense_crf(image.astype(np.float32), unary, PRESETS["psa"])
    with pytest.raises(ValueError, match="does not fit"):
        dense_crf(image, unary.transpose(0, 2, 1), PRESETS["psa"])
    with pytest.raises(ValueError, match="same number"):
        dense_crf_each(image, [unary, unary[:2]], PRESETS["psa"])
    unary[0, 0, 0] = np.inf
    with pytest.raises(ValueError, match="not finite"):
        dense_crf(image, unary, PRESETS["psa"])


@pytest.mark.parametrize(
    "bad",
    [
        {"gaussian_sxy": 0},
        {"gaussian_sxy": 0.05},
        {"bilateral_sxy": float("nan")},
        {"bilateral_srgb": -1},
        {"bilateral_srgb": float("inf")},
        {"iterations": -1},
        {"gaussian_compat": -1},
        {"bilateral_compat": 1e30},
        {"bilateral_compat": float("nan")},
    ],
)
def test_parameters_that_make_no_crf(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        CrfParams(**bad)


def test_read_only_inputs_give_the_same() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (9, 11, 3), np.uint8)
    unary = rng.random((2, 9, 11)).astype(np.float32)
    expected = dense_crf(image, unary, CrfParams())
    image.setflags(write=False)
    unary.setflags(write=False)
    np.testing.assert_array_equal(dense_crf(image, unary, CrfParams()), expected)


@pytest.mark.parametrize("kernel", ["gaussian", "bilateral"])
def test_a_kernel_too_narrow_for_the_image_is_refused(kernel: str) -> None:
    """pydensecrf would write past its memory and crash, at once or later."""
    off = {"gaussian": "bilateral", "bilateral": "gaussian"}[kernel]
    params = replace(CrfParams(), **{f"{kernel}_sxy": 0.1, f"{off}_compat": 0})
    side = int(0.1 * REACH[kernel])
    for width, works in ((side, True), (side + 1, False)):
        image = np.random.default_rng(0).integers(0, 256, (1, width, 3), np.uint8)
        unary = np.zeros((2, 1, width), np.float32)
        unary[1] = 1
        if works:
            q = dense_crf(image, unary, params)
            assert (q.argmax(axis=0) == 0).all()
            np.testing.assert_allclose(q.sum(axis=0), 1, atol=1e-6)
        else:
            with pytest.raises(Unfit, match=f"{kernel} sxy 0.1 cannot work on {width}"):
                dense_crf(image, unary, params)


def test_presets() -> None:
    assert PRESETS["irn"] == CrfParams(3, 3, 50, 5, 10, 10)
    assert PRESETS["psa"] == CrfParams(3, 3, 80, 13, 10, 10) == CrfParams()
    assert PRESETS["seam-rw"].iterations == 1
    assert PRESETS["sdi"].iterations == 5
    small = PRESETS["sec-train"]
    assert (small.gaussian_sxy, round(small.bilateral_sxy, 2)) == (0.25, 6.67)
    assert (small.bilateral_srgb, small.bilateral_compat) == (13, 10)  # colours do not shrink


def test_unary_from_scores() -> None:
    scores = np.array([[[0.0, 1e-9, 0.5]], [[1.0, 2.0, 1e-3]]])
    unary = unary_from_scores(scores)
    assert unary.dtype == np.float32
    expected = -np.log([[[1e-5, 1e-5, 0.5]], [[1, 1, 1e-3]]])
    np.testing.assert_allclose(unary, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("n", [2, 3, 7])
def test_unary_from_labels(n: int) -> None:
    labels = np.random.default_rng(0).integers(0, n, (4, 5)).astype(np.uint8)
    labels[0, 0], labels[3, 4] = 0, IGNORE
    probability = np.exp(-unary_from_labels(labels, n).astype(float))
    np.testing.assert_allclose(probability.sum(0), 1, atol=1e-6)
    for y in range(4):
        for x in range(5):
            for label in range(n):
                expected = 0.7 if labels[y, x] == label else 0.3 / (n - 1)
                if labels[y, x] == IGNORE:
                    expected = 1 / n
                assert probability[label, y, x] == pytest.approx(expected, rel=1e-5)


def test_unary_from_labels_of_one_label_and_of_wrong_ones() -> None:
    assert unary_from_labels(np.zeros((2, 3), int), 1).tolist() == [[[0.0] * 3] * 2]
    with pytest.raises(ValueError, match=r"0\.\.2"):
        unary_from_labels(np.array([[0, 3]]), 3)
    with pytest.raises(ValueError, match=r"0\.\.2"):
        unary_from_labels(np.array([[-1, 2]]), 3)
    for confidence in (0.0, 1.0):
        with pytest.raises(ValueError, match="between 0 and 1"):
            unary_from_labels(np.zeros((1, 1), int), 2, confidence)
