"""What networks make of several views of an image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pictures import noise

from wsss_cli.core.cam import fuse_views, normalise
from wsss_cli.core.images import to_input
from wsss_cli.core.views import network_batch, scaled_copies
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
