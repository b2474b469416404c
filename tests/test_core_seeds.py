"""Seeds by thresholds, IRN's and PSA's rules, against loops and their invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss_cli.core.crf import PRESETS, dense_crf, unary_from_labels, unary_from_scores
from wsss_cli.core.labels import IGNORE
from wsss_cli.core.seeds.defaults import MODES, OVERLAPS
from wsss_cli.core.seeds.irn import irn_seeds
from wsss_cli.core.seeds.oaa import oaa_labels
from wsss_cli.core.seeds.psa import psa_scores, psa_seeds
from wsss_cli.core.seeds.threshold import threshold_seeds

VALUES = np.array([0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.31, 0.7, 1], np.float32)


def random_cam(k: int, size: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A cam of few distinct values, so that ties are common, and its classes."""
    rng = np.random.default_rng(seed)
    classes = np.sort(rng.choice(20, k, replace=False)).astype(np.uint16)
    return rng.choice(VALUES, (k, *size)), classes


def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(image, cam, classes, truth) of two rectangles; the cam is blurred and unsure at edges."""
    truth = np.zeros((12, 16), np.uint8)
    truth[2:8, 2:7], truth[5:11, 9:14] = 6, 16
    colours = {0: (40, 90, 160), 6: (200, 60, 50), 16: (90, 190, 80)}
    image = np.zeros((12, 16, 3), np.uint8)
    for label, colour in colours.items():
        image[truth == label] = colour
    y, x = np.mgrid[:12, :16]
    cam = np.stack(
        [
            np.exp(-((y - 4.5) ** 2 + (x - 4) ** 2) / 9),
            np.exp(-((y - 7.5) ** 2 + (x - 11) ** 2) / 9),
        ]
    ).astype(np.float32)
    return image, cam, np.array([5, 15], np.uint16), truth


def brute_threshold_seeds(
    cam: np.ndarray, classes: np.ndarray, mode: str, low: float, high: float, overlap: str
) -> np.ndarray:
    """Pixel by pixel, from the words of the docstring."""
    k, height, width = cam.shape
    pixels = [(y, x) for y in range(height) for x in range(width)]
    strongest = {p: max((cam[c][p] for c in range(k)), default=0) for p in pixels}
    claims: list[set] = []
    for c in range(k):
        if mode == "fixed":
            claims.append({p for p in pixels if cam[c][p] >= np.float32(high)})
        elif mode == "fraction-of-max":
            claims.append({p for p in pixels if float(cam[c][p]) > high * float(cam[c].max())})
        else:
            count = int(np.ceil(high * len(pixels)))
            last = sorted(cam[c].ravel(), reverse=True)[count - 1] if count else np.inf
            claims.append({p for p in pixels if cam[c][p] >= last and cam[c][p] > 0})
    result = np.full((height, width), IGNORE, np.uint8)
    count = int(np.ceil(low * len(pixels)))
    for p in pixels:
        if mode == "quantile":
            background = count > 0 and strongest[p] <= sorted(strongest.values())[count - 1]
        else:
            background = strongest[p] < np.float32(low)
        owners = [c for c in range(k) if p in claims[c]]
        if owners and overlap == "strongest":
            result[p] = classes[max(owners, key=lambda c: (cam[c][p], -c))] + 1
        elif owners:
            result[p] = classes[min(owners, key=lambda c: (len(claims[c]), c))] + 1
        elif background:
            result[p] = 0
    return result


thresholds = st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.3, 0.7, 1.0])


@settings(deadline=None)
@given(
    st.integers(1, 3),
    st.sampled_from(sorted(MODES)),
    st.sampled_from(OVERLAPS),
    thresholds,
    thresholds,
    st.integers(0, 999),
)
def test_threshold_seeds_against_a_loop(
    k: int, mode: str, overlap: str, low: float, high: float, seed: int
) -> None:
    if mode == "fixed":
        low, high = sorted((low, high))
    cam, classes = random_cam(k, (4, 5), seed)
    before = cam.copy()
    seeds = threshold_seeds(cam, classes, mode=mode, low=low, high=high, overlap=overlap)
    assert seeds.dtype == np.uint8
    expected = brute_threshold_seeds(cam, classes, mode, low, high, overlap)
    assert np.array_equal(seeds, expected)
    assert np.array_equal(cam, before)
    mirrored = threshold_seeds(
        cam[:, :, ::-1], classes, mode=mode, low=low, high=high, overlap=overlap
    )
    assert np.array_equal(mirrored, seeds[:, ::-1])


@given(st.sampled_from(sorted(MODES)), st.integers(1, 3), st.integers(0, 99))
def test_moving_a_threshold_only_grows_what_it_governs(mode: str, k: int, seed: int) -> None:
    cam, classes = random_cam(k, (6, 7), seed)

    def seeds(low: float, high: float) -> np.ndarray:
        return threshold_seeds(cam, classes, mode=mode, low=low, high=high)

    strict, loose = (0.4, 0.2) if mode != "quantile" else (0.2, 0.4)
    few, many = seeds(0.1, strict), seeds(0.1, loose)
    is_class = (few != 0) & (few != IGNORE)
    assert ((many != 0) & (many != IGNORE))[is_class].all()
    if mode == "fixed":  # one threshold for all classes: the strongest stays the strongest
        assert np.array_equal(many[is_class], few[is_class])
    assert (seeds(0.2, strict) == 0)[few == 0].all()


@given(st.floats(0, 0.999999), st.integers(1, 4), st.integers(0, 99))
def test_the_strongest_cell_of_every_class_is_a_seed(high: float, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cam = rng.random((k, 5, 6), dtype=np.float32) + np.float32(0.001)
    classes = np.arange(k, dtype=np.uint16)
    seeds = threshold_seeds(cam, classes, mode="fraction-of-max", high=high)
    for c in range(k):
        assert seeds.flat[cam[c].argmax()] not in (0, IGNORE)
    alone = threshold_seeds(cam[:1], classes[:1], mode="fraction-of-max", high=high)
    assert alone.flat[cam[0].argmax()] == 1


def test_a_map_without_response_gives_no_seed() -> None:
    cam = np.zeros((1, 2, 3), np.float32)
    for mode in MODES:
        assert (threshold_seeds(cam, np.array([3]), mode=mode) == 0).all()


def test_overlap_rules() -> None:
    cam = np.array([[[0.9, 0.9, 0.9, 0.1]], [[0.1, 0.5, 0.95, 0.1]]], np.float32)
    classes = np.array([0, 1])
    arguments = {"mode": "fixed", "low": 0.2, "high": 0.5}
    strongest = threshold_seeds(cam, classes, **arguments)
    assert strongest.tolist() == [[1, 1, 2, 0]]
    smallest = threshold_seeds(cam, classes, overlap="smallest-first", **arguments)
    assert smallest.tolist() == [[1, 2, 2, 0]]


def test_quantile_takes_the_share_it_is_told() -> None:
    cam = np.linspace(0.01, 1, 100, dtype=np.float32).reshape(1, 10, 10)
    seeds = threshold_seeds(cam, np.array([7]), mode="quantile", low=0.1, high=0.2)
    assert (seeds == 8).sum() == 20
    assert (seeds[8:] == 8).all()
    assert (seeds == 0).sum() == 10
    assert (seeds[0] == 0).all()


def test_an_image_without_classes_is_background() -> None:
    cam, classes = np.zeros((0, 3, 4), np.float32), np.zeros(0, np.uint16)
    image = np.zeros((3, 4, 3), np.uint8)
    for seeds in (
        threshold_seeds(cam, classes),
        irn_seeds(image, cam, classes),
        psa_seeds(image, cam, classes),
    ):
        assert seeds.dtype == np.uint8
        assert seeds.tolist() == [[0] * 4] * 3


def test_what_threshold_seeds_refuses() -> None:
    cam, classes = np.zeros((1, 2, 2), np.float32), np.array([0])
    with pytest.raises(ValueError, match="mode 'otsu'"):
        threshold_seeds(cam, classes, mode="otsu")
    with pytest.raises(ValueError, match="overlap 'largest'"):
        threshold_seeds(cam, classes, overlap="largest")
    with pytest.raises(ValueError, match=r"low 0\.5 is above high 0\.3"):
        threshold_seeds(cam, classes, low=0.5)
    with pytest.raises(ValueError, match="must lie in"):
        threshold_seeds(cam, classes, high=1.5)
    with pytest.raises(ValueError, match="does not hold 2 classes"):
        threshold_seeds(cam, np.array([0, 1]))
    with pytest.raises(ValueError, match="not uint8"):
        threshold_seeds(cam.astype(np.uint8), classes)


@given(st.integers(1, 3), st.integers(0, 99))
def test_irn_without_crf_is_two_thresholds(k: int, seed: int) -> None:
    cam, classes = random_cam(k, (5, 6), seed)
    image = np.zeros((5, 6, 3), np.uint8)
    seeds = irn_seeds(image, cam, classes, fg=0.3, bg=0.05, crf=None)
    assert seeds.dtype == np.uint8
    strongest = cam.max(0)
    for y in range(5):
        for x in range(6):
            if strongest[y, x] > np.float32(0.3):
                expected = classes[cam[:, y, x].argmax()] + 1
            else:  # a tie with the background's score is background
                expected = IGNORE if strongest[y, x] > np.float32(0.05) else 0
            assert seeds[y, x] == expected
    mirrored = irn_seeds(image, cam[:, :, ::-1], classes, fg=0.3, bg=0.05, crf=None)
    assert np.array_equal(mirrored, seeds[:, ::-1])


def test_irn_with_crf_combines_two_refined_maps() -> None:
    image, cam, classes, truth = scene()
    seeds = irn_seeds(image, cam, classes)
    names = np.array([0, 6, 16], np.uint8)
    maps = []
    for score in (0.30, 0.05):
        hard = np.concatenate([np.full((1, 12, 16), score, np.float32), cam]).argmax(0)
        refined = dense_crf(image, unary_from_labels(hard, 3), PRESETS["irn"])
        maps.append(names[refined.argmax(0)])
    foreground, background = maps
    assert np.array_equal(seeds == IGNORE, (foreground == 0) & (background != 0))
    assert np.array_equal(seeds[foreground != 0], foreground[foreground != 0])
    assert (seeds[(foreground == 0) & (background == 0)] == 0).all()
    sure = seeds != IGNORE
    assert 0.25 < sure.mean() < 1
    assert (seeds == truth)[sure].mean() > 0.9


@given(st.integers(1, 3), st.integers(0, 99))
def test_psa_without_crf_is_two_backgrounds(k: int, seed: int) -> None:
    cam, classes = random_cam(k, (5, 6), seed)
    image = np.zeros((5, 6, 3), np.uint8)
    seeds = psa_seeds(image, cam, classes, crf=None)
    assert seeds.dtype == np.uint8
    for y in range(5):
        for x in range(6):
            m = float(cam[:, y, x].max())
            expected = int(classes[cam[:, y, x].argmax()]) + 1
            if m <= (1 - m) ** 4:
                expected = IGNORE
            if m <= (1 - m) ** 32:
                expected = 0
            assert seeds[y, x] == expected
    mirrored = psa_seeds(image, cam[:, :, ::-1], classes, crf=None)
    assert np.array_equal(mirrored, seeds[:, ::-1])


def test_psa_with_crf_lets_the_sure_background_win() -> None:
    image, cam, classes, truth = scene()
    seeds = psa_seeds(image, cam, classes)
    scores = psa_scores(image, cam)
    for alpha, q in zip((4, 32), scores, strict=True):
        stack = np.concatenate([(1 - cam.max(0, keepdims=True)) ** alpha, cam])
        expected = dense_crf(image, unary_from_scores(stack), PRESETS["psa"])
        np.testing.assert_allclose(q, expected, atol=1e-4)
    low, high = (q.argmax(0) for q in scores)
    assert (seeds[high == 0] == 0).all()
    assert (seeds[(low == 0) & (high != 0)] == IGNORE).all()
    both = (low != 0) & (high != 0)
    assert np.array_equal(seeds[both], np.array([0, 6, 16])[low[both]])
    sure = seeds != IGNORE
    assert 0.5 < sure.mean() < 1
    assert (seeds == truth)[sure].mean() > 0.9


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 3), st.tuples(st.integers(1, 9), st.integers(1, 9)), st.integers(0, 99))
def test_seeds_hold_present_labels_only(k: int, size: tuple[int, int], seed: int) -> None:
    cam, classes = random_cam(k, size, seed)
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    allowed = {0, IGNORE, *(classes.astype(int) + 1).tolist()}
    for seeds in (
        irn_seeds(image, cam, classes),
        psa_seeds(image, cam, classes),
        threshold_seeds(cam, classes, mode="quantile"),
    ):
        assert seeds.shape == size
        assert set(np.unique(seeds).tolist()) <= allowed


def test_many_classes_keep_their_labels() -> None:
    cam = np.eye(254, dtype=np.float32).reshape(254, 2, 127)
    classes = np.arange(254, dtype=np.uint16)
    image = np.zeros((2, 127, 3), np.uint8)
    expected = (np.arange(254) + 1).reshape(2, 127)
    assert np.array_equal(irn_seeds(image, cam, classes, crf=None), expected)
    assert np.array_equal(psa_seeds(image, cam, classes, crf=None), expected)
    assert np.array_equal(threshold_seeds(cam, classes), expected)


def test_what_the_crf_seeds_refuse() -> None:
    image, cam, classes, _ = scene()
    with pytest.raises(ValueError, match="need 0 <= bg <= fg"):
        irn_seeds(image, cam, classes, fg=0.1, bg=0.3)
    with pytest.raises(ValueError, match="need 0 < low <= high"):
        psa_seeds(image, cam, classes, alpha_low=32, alpha_high=4)
    with pytest.raises(ValueError, match="does not fit an image"):
        irn_seeds(image[1:], cam, classes)
    with pytest.raises(ValueError, match="does not fit an image"):
        psa_seeds(image[1:], cam, classes)


def brute_oaa_labels(cam: np.ndarray, classes: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    """Pixel by pixel, channel by channel."""
    found = np.zeros(saliency.shape, np.uint8)
    for y, x in np.ndindex(saliency.shape):
        channels = [1 - saliency[y, x] / 255]
        for one in cam.astype(np.float64):
            spread = one.max() - one.min()
            channels.append((one[y, x] - one.min()) / spread if spread else 0.0)
        kept = [value if value >= 0.3 else 0.0 for value in channels]
        best = kept.index(max(kept))
        found[y, x] = 0 if best == 0 else classes[best - 1] + 1
        salient = 255 * max([float(value > 0.8) for value in channels[1:]], default=0)
        if best == 0 and max(saliency[y, x], salient) >= 32:
            found[y, x] = IGNORE
        if sum(value > 0.9 for value in kept) >= 2:
            found[y, x] = IGNORE
    labelled = [value for value in found.flat if value not in (0, IGNORE)]
    if len(labelled) < 0.01 * found.size:
        found[:] = IGNORE
    return found


@given(k=st.integers(0, 3), seed=st.integers(0, 2**20), share=st.sampled_from([0.004, 0.02, 1]))
@settings(max_examples=80, deadline=None)
def test_oaa_labels_are_those_of_a_loop(k: int, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    cam, classes = random_cam(k, (12, 16), seed)
    cam = cam.astype(np.float64) * (rng.random(cam.shape) < share)  # few pixels, or many
    saliency = rng.choice([0, 20, 31, 32, 178, 179, 240, 255], (12, 16)).astype(np.uint8)
    assert np.array_equal(
        oaa_labels(cam, classes, saliency), brute_oaa_labels(cam, classes, saliency)
    )


def test_oaa_labels_of_a_scene() -> None:
    _, cam, classes, truth = scene()
    label = oaa_labels(cam, classes, np.where(truth > 0, 255, 0).astype(np.uint8))
    assert (label[truth == 6] == 6).all()
    assert (label[truth == 16] == 16).all()
    assert (label[truth == 0] == 0).mean() > 0.9
    with pytest.raises(ValueError, match="saliency of"):
        oaa_labels(cam, classes, np.zeros((2, 2), np.uint8))
    nothing = oaa_labels(cam[:0], classes[:0], np.zeros((12, 16), np.uint8))
    assert (nothing == IGNORE).all()
