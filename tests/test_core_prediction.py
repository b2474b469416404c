"""From probabilities to labels, by brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss_cli.core.crf import CrfParams
from wsss_cli.core.prediction import prediction_labels


def probabilities(n: int, size: tuple[int, int], seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, 2, (n, *size))
    powers = np.exp(logits)
    return (powers / powers.sum(0)).astype(np.float32)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    classes=st.sets(st.integers(0, 253), max_size=5),
    low=st.floats(0, 1),
)
def test_labels_by_brute_force(seed: int, classes: set[int], low: float) -> None:
    present = np.array(sorted(classes), np.uint16)
    stack = probabilities(len(present) + 1, (4, 5), seed)
    found = prediction_labels(stack, present, (4, 5), min_confidence=low)
    assert found.dtype == np.uint8
    for y in range(4):
        for x in range(5):
            values = [float(stack[k, y, x]) for k in range(len(stack))]
            best = values.index(max(values))
            expected = 0 if best == 0 else int(present[best - 1]) + 1
            sure = not classes or max(values) >= np.float32(low)
            assert found[y, x] == (expected if sure else 255)


def test_labels_of_a_larger_image_come_from_enlarged_probabilities() -> None:
    stack = probabilities(4, (6, 7), 1)
    large = torch.nn.functional.interpolate(
        torch.from_numpy(stack)[None], size=(15, 20), mode="bilinear", align_corners=False
    )[0]
    found = prediction_labels(stack, np.array([3, 5, 9]), (15, 20), min_confidence=0.5)
    expected = np.array([0, 4, 6, 10], np.uint8)[large.argmax(0).numpy()]
    expected[large.amax(0).numpy() < 0.5] = 255
    assert np.array_equal(found, expected)


def test_no_class_means_background_whatever_the_probabilities() -> None:
    found = prediction_labels(np.ones((1, 0, 0), np.float32), np.zeros(0, np.uint16), (3, 4))
    assert np.array_equal(found, np.zeros((3, 4), np.uint8))


def test_crf_refines_before_anything_else() -> None:
    image = np.zeros((12, 16, 3), np.uint8)
    image[:, 8:] = 255
    stack = np.full((2, 12, 16), 0.5, np.float32)
    stack[1, :, 8:] = 0.6
    stack[1, 4, 11] = 0.45  # one doubtful pixel amid an object
    stack[0] = 1 - stack[1]
    classes = np.array([6])
    idle = CrfParams(gaussian_compat=0, bilateral_compat=0)
    plain = prediction_labels(stack, classes, (12, 16))
    assert plain[4, 11] == 0
    assert np.array_equal(prediction_labels(stack, classes, (12, 16), image=image, crf=idle), plain)
    refined = prediction_labels(stack, classes, (12, 16), image=image, crf=CrfParams())
    assert (refined[:, 8:] == 7).all()
    with pytest.raises(ValueError, match="needs the image"):
        prediction_labels(stack, classes, (12, 16), crf=CrfParams())


def test_probabilities_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="for background and 2 classes"):
        prediction_labels(np.ones((2, 3, 4), np.float32), np.array([1, 2]), (3, 4))
