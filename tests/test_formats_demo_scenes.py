"""The drawn scenes."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy import ndimage

from wsss_cli.core.images import decode_image, decode_mask
from wsss_cli.formats import demo_scenes as demo
from wsss_cli.formats.demo_scenes import CLASSES, SIDES, demo_scenes, draw_scene


@pytest.fixture(scope="module")
def scenes() -> list[tuple[np.ndarray, np.ndarray]]:
    return [draw_scene(np.random.default_rng([5, index])) for index in range(40)]


def test_the_same_numbers_give_the_same_scenes() -> None:
    first, again, more = demo_scenes(2, 1), demo_scenes(2, 1), demo_scenes(3, 2)
    assert first == again
    assert first.samples[:2] == more.samples[:2]
    assert [sample.id for sample in first.samples] == ["train-00000", "train-00001", "val-00000"]
    images = {sample.image for sample in (*more.samples, *demo_scenes(1, 0, seed=1).samples)}
    assert len(images) == 6


def test_a_scene_is_drawn_alike_everywhere() -> None:
    """The demo's published scores are for these scenes: a change of the rules must be seen."""
    image, label = draw_scene(np.random.default_rng([0, 0, 0]))
    assert image.shape == (124, 117, 3)
    assert hashlib.sha256(label.tobytes()).hexdigest()[:16] == "0da3a0bc6b378849"


def test_tags_are_what_the_mask_holds() -> None:
    found = demo_scenes(6, 3)
    assert found.classes == CLASSES
    assert found.splits == ("train", "val")
    for sample in found.samples:
        label = decode_mask(sample.mask)
        assert sample.tags == tuple(CLASSES[i - 1] for i in np.unique(label) if i)
        assert sample.splits == (sample.id.split("-")[0],)
        assert decode_image(sample.image).shape == (*label.shape, 3)
        assert all(SIDES[0] <= side <= SIDES[1] for side in label.shape)


def test_scenes_have_several_objects_of_several_classes(scenes: list) -> None:
    counts = [ndimage.label(label > 0)[1] for _, label in scenes]
    assert min(counts) >= 1
    assert max(counts) >= 3
    assert np.mean(counts) >= 1.7
    held = [set(np.unique(label)) - {0} for _, label in scenes]
    assert set.union(*held) == set(range(1, len(CLASSES) + 1))
    assert np.mean([len(labels) >= 2 for labels in held]) > 0.4
    assert all(0.03 < (label > 0).mean() < 0.6 for _, label in scenes)


def test_badges_are_small_and_bodies_plain(scenes: list) -> None:
    """Most of an object is near one colour; that colour tells the object from the ground."""
    for image, label in scenes[:20]:
        for number in range(1, ndimage.label(label > 0)[1] + 1):
            inside = ndimage.label(label > 0)[0] == number
            inside = ndimage.binary_erosion(inside, iterations=2)
            if inside.sum() < 150:  # cut by the scene's side
                continue
            colours = image[inside].astype(float)
            middle = np.median(colours, 0)
            plain = (np.abs(colours - middle) < 40).all(1).mean()
            assert 0.6 < plain < 0.99
            ground = np.median(image[label == 0].astype(float), 0)
            assert (middle - ground).mean() > 25


def test_bodies_do_not_tell_the_class() -> None:
    """One family of outlines and colours: the class is drawn apart from both."""
    rng = np.random.default_rng(0)
    bodies = [demo._random_body(rng, 100, 100) for _ in range(3000)]
    overall = np.mean([body.colour for body in bodies], 0)
    for label in range(1, len(CLASSES) + 1):
        own = [body for body in bodies if body.label == label]
        assert len(own) > 400
        assert np.abs(np.mean([body.colour for body in own], 0) - overall).max() < 0.02
