"""Views of an image: their sizes and pixels, and what networks make of them together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wsss_cli.core.cam import fuse_views, normalise
from wsss_cli.core.crf import CrfParams
from wsss_cli.core.images import to_input
from wsss_cli.core.prediction import prediction_labels
from wsss_cli.core.views import (
    network_batch,
    resize_image,
    scaled_copies,
    scaled_size,
    working_size,
)
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.classifier import Classifier
from wsss_cli.nets.gradient import GradientClassifier
from wsss_cli.nets.inference import class_views, label_probabilities, mean_logits
from wsss_cli.nets.oaa import AttentionNet
from wsss_cli.nets.seam import SeamNet
from wsss_cli.nets.segmentation import Segmenter, build_segmenter

SCALES = (0.5, 1.0, 1.5, 2.0)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    torch.manual_seed(3)
    return Classifier(build_backbone("tiny"), 5).eval()


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    torch.manual_seed(4)
    model = build_segmenter("fcn", build_backbone("tiny"), 4).eval()
    for parameter in model.head.parameters():
        parameter.data *= 3  # labels that vary over the image
    return model


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@given(
    height=st.integers(1, 9000), width=st.integers(1, 9000), limit=st.integers(1, 3000)
)  # fmt: skip
def test_working_size_fits_and_keeps_the_shape(height: int, width: int, limit: int) -> None:
    h, w = working_size((height, width), limit)
    assert 1 <= h <= height
    assert 1 <= w <= width
    assert max(h, w) == min(limit, max(height, width))
    assert abs(h - height * max(h, w) / max(height, width)) <= 0.5 or h == 1
    assert working_size((height, width), 0) == (height, width)


def test_scaled_sizes_are_those_of_the_reference() -> None:
    # numpy's round to even, as the published code has it
    for side in range(1, 700):
        for scale in (0.5, 1.5, 1.75):
            expected = max(1, int(np.round(side * scale)))
            assert scaled_size((side, side), scale) == (expected, expected)


def test_copies_are_pillows_bicubic_made_from_the_image_itself() -> None:
    image = noise(40, 60)
    copies = scaled_copies(image, (0.5, 1.0, 2.0), max_side=30)
    assert [copy.shape[:2] for copy in copies] == [(10, 15), (20, 30), (40, 60)]
    for copy in copies[:2]:
        picture = Image.fromarray(image).resize(copy.shape[1::-1], Image.Resampling.BICUBIC)
        assert np.array_equal(copy, np.asarray(picture))
    assert np.array_equal(copies[2], image)  # the working size is half of the image's
    assert resize_image(image, (40, 60)) is image


def test_batch_holds_the_image_and_its_mirror_image() -> None:
    x = to_input(noise(5, 8))
    y = to_input(noise(5, 8, seed=1))
    assert torch.equal(network_batch(x[None], flip=False), x[None])
    batch = network_batch(torch.stack([x, y]), flip=True)
    expected = [x, y, torch.flip(x, [2]), torch.flip(y, [2])]
    assert torch.equal(batch, torch.stack(expected))
    assert batch.is_contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def test_a_pair_gives_what_two_passes_give(classifier: Classifier) -> None:
    x = to_input(noise(45, 70))
    plain, mirrored = class_views(classifier, [x[None]], flip=True)[0]
    torch.testing.assert_close(plain.maps, classifier.cam_logits(x[None])[0])
    torch.testing.assert_close(mirrored.maps, classifier.cam_logits(x.flip(-1)[None])[0])
    assert (plain.mirrored, mirrored.mirrored) == (False, True)
    assert plain.size == mirrored.size == (45, 70)
    assert plain.maps.shape == (5, 3, 5)


@torch.inference_mode()
def test_only_chosen_classes_are_drawn(classifier: Classifier) -> None:
    copies = [to_input(c)[None] for c in scaled_copies(noise(33, 47), SCALES, 0)]
    every = class_views(classifier, copies, flip=True)[0]
    some = class_views(classifier, copies, flip=True, classes=[torch.tensor([1, 4])])[0]
    assert len(every) == len(some) == 2 * len(SCALES)
    for one, other in zip(every, some, strict=True):
        torch.testing.assert_close(one.maps[[1, 4]], other.maps)
        assert (one.size, one.mirrored) == (other.size, other.mirrored)


@torch.inference_mode()
def test_mean_logits_are_the_classifiers_own(classifier: Classifier) -> None:
    copies = [to_input(c)[None] for c in scaled_copies(noise(33, 47), (1.0, 2.0), 0)]
    views = class_views(classifier, copies, flip=True)[0]
    own = [classifier(network_batch(copy, flip=True)) for copy in copies]
    torch.testing.assert_close(mean_logits(views), torch.cat(own).mean(0))


def looked_through(kind: str) -> Classifier | GradientClassifier:
    torch.manual_seed(6)
    backbone = build_backbone("tiny")
    if kind == "seam":
        return SeamNet(backbone, 5).eval()
    if kind == "oaa":
        model = AttentionNet(backbone, 5, layers=1).eval()
        torch.nn.init.normal_(model.head.bias)
        return model
    plain = Classifier(backbone, 5).eval()
    return plain if kind == "cam" else GradientClassifier(plain, kind)


@pytest.mark.parametrize("kind", ["cam", "seam", "oaa", "gradcam++"])
@pytest.mark.parametrize("flip", [True, False])
def test_images_of_one_size_together(kind: str, flip: bool) -> None:
    check_together(looked_through(kind), flip)


@torch.inference_mode()
def check_together(model: Classifier | GradientClassifier, flip: bool) -> None:
    images = [
        [to_input(c) for c in scaled_copies(noise(33, 47, seed), (0.5, 1), 0)] for seed in (1, 2, 3)
    ]
    together = [torch.stack(same) for same in zip(*images, strict=True)]
    classes = [torch.tensor(own) for own in ([1, 4], [0], [2, 3, 4])]
    for chosen in (classes, None):
        every = class_views(model, together, flip, chosen)
        assert len(every) == len(images)
        for i, (copies, views) in enumerate(zip(images, every, strict=True)):
            own = None if chosen is None else [chosen[i]]
            (alone,) = class_views(model, [c[None] for c in copies], flip, own)
            assert len(views) == len(alone) == (4 if flip else 2)
            for view, expected in zip(views, alone, strict=True):
                torch.testing.assert_close(view.maps, expected.maps, rtol=1e-4, atol=1e-5)
                assert (view.size, view.mirrored) == (expected.size, expected.mirrored)
            if chosen is None:
                torch.testing.assert_close(mean_logits(views), mean_logits(alone))


@torch.inference_mode()
def cam(model: Classifier, image: np.ndarray, flip: bool = True, stride: int = 4) -> torch.Tensor:
    copies = [to_input(copy)[None] for copy in scaled_copies(image, SCALES, 0)]
    views = class_views(model, copies, flip)[0]
    return normalise(fuse_views(views, image.shape[:2], stride))


@pytest.mark.parametrize("size", [(48, 64), (33, 52), (21, 44)])
def test_mirrored_image_has_mirrored_maps(classifier: Classifier, size: tuple[int, int]) -> None:
    image = noise(*size)
    maps = cam(classifier, image)
    mirrored = cam(classifier, np.ascontiguousarray(image[:, ::-1]))
    torch.testing.assert_close(mirrored.flip(-1), maps, rtol=0, atol=2e-4)
    assert maps.std() > 0.05  # there is something to mirror


def test_scale_of_the_classifier_does_not_matter(classifier: Classifier) -> None:
    image = noise(40, 52)
    before = cam(classifier, image)
    weight = classifier.head.weight.data
    weight *= 1000
    try:
        after = cam(classifier, image)
    finally:
        weight /= 1000
    assert before.amax() > 0.9
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (2, 3)])
def test_smallest_images(
    classifier: Classifier, segmenter: Segmenter, size: tuple[int, int]
) -> None:
    image = np.full((*size, 3), 200, np.uint8)
    maps = cam(classifier, image)
    assert maps.shape == (5, 1, -(-size[1] // 4))
    assert ((maps >= 0) & (maps <= 1)).all()
    copies = [to_input(copy)[None] for copy in scaled_copies(image, SCALES, 0)]
    with torch.inference_mode():
        (found,) = label_probabilities(segmenter, copies, True, size)
    torch.testing.assert_close(found.sum(0), torch.ones(size))


@torch.inference_mode()
def test_one_view_is_plain_prediction(segmenter: Segmenter) -> None:
    x = to_input(noise(37, 50))
    (found,) = label_probabilities(segmenter, [x[None]], False, (37, 50))
    torch.testing.assert_close(found, segmenter(x[None])[0].softmax(0))


@torch.inference_mode()
def test_probabilities_are_the_softmax_of_mean_logits(segmenter: Segmenter) -> None:
    size = (37, 50)
    copies = [to_input(copy)[None] for copy in scaled_copies(noise(*size), (0.5, 1.0, 1.5), 0)]
    labels = torch.tensor([0, 2, 3])
    total = torch.zeros(3, *size, dtype=torch.float64)
    for copy in copies:
        for view in (copy, copy.flip(-1)):
            logits = segmenter(view)[0, labels].double()
            logits = logits if view is copy else logits.flip(-1)
            total += torch.nn.functional.interpolate(
                logits[None], size=size, mode="bilinear", align_corners=False
            )[0]
    (found,) = label_probabilities(segmenter, copies, True, size, [labels])
    torch.testing.assert_close(found.double(), (total / 6).softmax(0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("flip", [True, False])
@torch.inference_mode()
def test_probabilities_of_images_together(segmenter: Segmenter, flip: bool) -> None:
    size = (37, 50)
    images = [
        [to_input(c) for c in scaled_copies(noise(*size, seed), (0.5, 1), 0)] for seed in (1, 2)
    ]
    together = [torch.stack(same) for same in zip(*images, strict=True)]
    for labels in (None, [torch.tensor([0, 3]), torch.tensor([0, 1, 2])]):
        found = label_probabilities(segmenter, together, flip, size, labels)
        for i, copies in enumerate(images):
            own = None if labels is None else [labels[i]]
            (alone,) = label_probabilities(segmenter, [c[None] for c in copies], flip, size, own)
            torch.testing.assert_close(found[i], alone)


def test_mirrored_image_has_mirrored_labels(segmenter: Segmenter) -> None:
    image = noise(37, 50)
    found = []
    for pixels in (image, np.ascontiguousarray(image[:, ::-1])):
        copies = [to_input(copy)[None] for copy in scaled_copies(pixels, SCALES, 0)]
        with torch.inference_mode():
            found += label_probabilities(segmenter, copies, True, (37, 50))
    torch.testing.assert_close(found[1].flip(-1), found[0], rtol=0, atol=1e-5)
    assert len(found[0].argmax(0).unique()) > 1


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
