"""Augmentation: windows, resampling, padding, colour, and its dependence on the generator alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wsss_cli.core.images import IMAGENET_MEAN, IMAGENET_STD, MEAN_COLOUR, as_tensor, batch_to_input
from wsss_cli.core.labels import IGNORE
from wsss_cli.training.augment import (
    Augment,
    Window,
    colour_jitter,
    cut,
    cut_label,
    fit_square,
    place_image,
    place_label,
    random_window,
)
from wsss_cli.training.data import sample_generator

BICUBIC = Image.Resampling.BICUBIC
SIDES = st.integers(1, 90)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


@settings(max_examples=200, deadline=None)
@given(SIDES, SIDES, st.floats(0.1, 3), st.integers(1, 64), st.integers(0, 99))
def test_a_window_lies_in_its_image_and_lands_in_its_crop(
    height: int, width: int, scale: float, crop: int, seed: int
) -> None:
    window = random_window((height, width), scale, crop, np.random.default_rng(seed))
    assert window.scaled == (max(1, round(height * scale)), max(1, round(width * scale)))
    sides = zip(window.scaled, window.start, window.size, window.place, strict=True)
    for scaled, start, size, place in sides:
        assert size == min(scaled, crop)
        assert 0 <= start <= scaled - size
        assert 0 <= place <= crop - size


def test_every_place_is_drawn() -> None:
    rng = np.random.default_rng(0)
    cuts = {random_window((10, 4), 1.0, 8, rng).start[0] for _ in range(200)}
    places = {random_window((10, 4), 1.0, 8, rng).place[1] for _ in range(200)}
    assert cuts == {0, 1, 2}
    assert places == {0, 1, 2, 3, 4}


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.floats(0.4, 2.5), st.integers(4, 48), SIDES)
def test_cutting_equals_scaling_all_with_pillow_and_cropping(
    height: int, width: int, scale: float, crop: int, seed: int
) -> None:
    image = noise(height, width, seed)
    window = random_window((height, width), scale, crop, np.random.default_rng(seed))
    (y, x), (h, w) = window.start, window.size
    part = np.s_[y : y + h, x : x + w]
    whole = np.asarray(Image.fromarray(image).resize(window.scaled[::-1], BICUBIC))
    found = cut(image, window)
    assert found.shape == (h, w, 3)
    # both round between their two passes, each in its own fixed point
    assert np.abs(found.astype(int) - whole[part]).max() <= 2

    centres = [
        (np.arange(s) + 0.5) * n / s for s, n in zip(window.scaled, (height, width), strict=True)
    ]
    expected = image[np.ix_(centres[0].astype(int), centres[1].astype(int))][..., 0]
    clear = np.ix_(
        *(np.abs(c - c.round()) > 1e-3 for c in (centres[0][part[0]], centres[1][part[1]]))
    )
    assert np.array_equal(cut_label(image[..., 0], window)[clear], expected[part][clear])


def test_strong_shrinking_does_not_alias() -> None:
    """Stripes of one pixel become grey, as a widened kernel makes them."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    shrunk = cut(stripes, random_window((64, 64), 1 / 8, 8))
    assert shrunk.shape == (8, 8, 3)
    assert np.abs(shrunk.astype(int) - 127).max() < 12


def test_placing_pads_with_the_mean_colour_and_with_ignore() -> None:
    window = Window((2, 3), (0, 0), (2, 3), (1, 2), 6)
    image, label = noise(2, 3), np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    crop, labels = place_image(image, window), place_label(label, window)
    assert (crop.shape, crop.dtype) == ((3, 6, 6), torch.uint8)
    assert (labels.shape, labels.dtype) == ((6, 6), torch.uint8)
    inside = np.s_[..., 1:3, 2:5]
    assert torch.equal(crop[inside], as_tensor(image))
    assert torch.equal(labels[inside], torch.from_numpy(label))
    outside = torch.ones(6, 6, dtype=torch.bool)
    outside[1:3, 2:5] = False
    assert (torch.tensor(MEAN_COLOUR) == crop[:, outside].T).all()
    assert (labels[outside] == IGNORE).all()


def test_image_and_labels_stay_together() -> None:
    """Labels painted into the image as colours are found again under them."""
    label = np.repeat(np.repeat(np.arange(48, dtype=np.uint8).reshape(6, 8), 10, 0), 10, 1)
    image = np.stack([label * 5] * 3, -1)
    augment = Augment(crop=40, factor=(0.8, 2.0))
    agree = []
    for index in range(30):
        crop, labels = augment(image, label, sample_generator(0, 0, index))
        assert labels is not None
        seen = (crop[0] / 5).round()
        valid = labels != IGNORE
        agree.append((seen[valid] == labels[valid]).float().mean())
        assert (torch.tensor(MEAN_COLOUR) == crop[:, ~valid].T).all()
    assert min(agree) > 0.75  # bicubic blurs block borders; a shift would leave far less
    assert np.mean(agree) > 0.85


def test_without_any_change_the_crop_is_the_image() -> None:
    image, label = noise(32, 48), noise(32, 48)[..., 0]
    crop, labels = Augment(48, flip=False)(image, label, sample_generator(0, 0, 0))
    rows = (labels != IGNORE).any(1)
    assert rows.sum() == 32
    assert torch.equal(crop[:, rows], as_tensor(image))
    assert labels is not None
    assert torch.equal(labels[rows], torch.from_numpy(label))


def test_flip_mirrors_half_of_the_images_and_twice_is_none() -> None:
    image, label = noise(16, 16), noise(16, 16)[..., 0]
    augment = Augment(16)
    mirrored = 0
    for index in range(200):
        crop, labels = augment(image, label, sample_generator(0, 0, index))
        assert labels is not None
        if not torch.equal(crop, as_tensor(image)):
            mirrored += 1
            assert torch.equal(crop.flip(-1), as_tensor(image))
            assert torch.equal(labels.flip(-1), torch.from_numpy(label))
    assert 70 < mirrored < 130


def test_the_same_generator_gives_the_same_crop_and_another_another() -> None:
    augment = Augment(32, long_side=(20, 60), jitter=(0.3, 0.3, 0.3, 0.1))
    image = noise(40, 50)

    def crop(epoch: int, index: int, seed: int = 0) -> torch.Tensor:
        return augment(image, None, sample_generator(seed, epoch, index))[0]

    assert torch.equal(crop(1, 2), crop(1, 2))
    for other in (crop(1, 3), crop(2, 2), crop(1, 2, seed=1)):
        assert not torch.equal(crop(1, 2), other)


@pytest.mark.parametrize(
    ("augment", "low", "high"),
    [
        (Augment(8, long_side=(20, 40)), 20 / 50, 40 / 50),
        (Augment(8, factor=(0.5, 1.5)), 0.5, 1.5),
        (Augment(8, factor=(0.5, 1.5), max_side=25), 0.25, 0.75),
        (Augment(8), 1, 1),
        (Augment(8, max_side=100), 1, 1),
    ],
)
def test_scales_fill_their_range(augment: Augment, low: float, high: float) -> None:
    rng = np.random.default_rng(0)
    drawn = [augment.scale((40, 50), rng) for _ in range(300)]
    assert low <= min(drawn) <= low + 0.05 * (high - low)
    assert high - 0.05 * (high - low) <= max(drawn) <= high


def test_jitter_of_no_strength_changes_nothing() -> None:
    image = noise(9, 9)
    assert np.array_equal(colour_jitter(image, (0, 0, 0, 0), np.random.default_rng(0)), image)


def test_jitter_stays_within_its_strength() -> None:
    grey = np.full((4, 4, 3), 100, np.uint8)
    levels = {
        int(colour_jitter(grey, (0.3, 0, 0, 0), np.random.default_rng(seed))[0, 0, 0])
        for seed in range(200)
    }
    assert 70 <= min(levels) < 75
    assert 125 < max(levels) <= 130
    assert colour_jitter(grey, (0, 0.5, 0.5, 0.5), np.random.default_rng(1)).std() == 0


def test_hue_turns_a_full_circle_and_saturation_can_vanish() -> None:
    red = np.zeros((1, 1, 3), np.uint8)
    red[..., 0] = 200
    seen = [colour_jitter(red, (0, 0, 0, 0.5), np.random.default_rng(s))[0, 0] for s in range(60)]
    strongest = {int(np.argmax(colour)) for colour in seen}
    assert strongest == {0, 1, 2}
    assert all(colour.max() == 200 for colour in seen)
    grey = [colour_jitter(red, (0, 0, 1, 0), np.random.default_rng(s))[0, 0] for s in range(60)]
    assert min(int(colour.max()) - int(colour.min()) for colour in grey) < 20


def test_fit_square_centres_the_whole_image() -> None:
    image = noise(20, 40)
    square = fit_square(image, 40)
    assert square.shape == (3, 40, 40)
    assert torch.equal(square[:, 10:30], as_tensor(image))
    around = torch.cat([square[:, :10], square[:, 30:]], 1)
    assert (around == torch.tensor(MEAN_COLOUR)[:, None, None]).all()
    assert fit_square(noise(7, 300), 32).shape == (3, 32, 32)


def test_a_label_map_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="image is 8x9"):
        Augment(8)(noise(8, 9), np.zeros((9, 8), np.uint8), np.random.default_rng(0))


@pytest.mark.parametrize(
    "augment", [Augment(40, long_side=(25, 50)), Augment(40, factor=(0.7, 1.3))]
)
def test_what_the_network_sees_is_the_plain_paths_within_two_levels(augment: Augment) -> None:
    """The plain path: scale all with Pillow, normalise in float, mirror, crop, zeros around."""
    for index in range(20):
        image = noise(30 + index, 45, index)
        crop, _ = augment(image, None, sample_generator(0, 0, index))
        found = batch_to_input(crop[None])[0].numpy()

        rng = sample_generator(0, 0, index)
        window = random_window(image.shape[:2], augment.scale(image.shape[:2], rng), 40, rng)
        large = np.asarray(Image.fromarray(image).resize(window.scaled[::-1], BICUBIC))
        floats = (large / 255 - IMAGENET_MEAN) / IMAGENET_STD
        plain = np.zeros((40, 40, 3))
        (top, left), (y, x), (h, w) = window.start, window.place, window.size
        plain[y : y + h, x : x + w] = floats[top : top + h, left : left + w]
        if rng.random() < 0.5:
            plain = plain[:, ::-1]
        assert np.abs(found - plain.transpose(2, 0, 1)).max() < 2.01 / 255 / min(IMAGENET_STD)
