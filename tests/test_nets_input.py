"""The step in front of a network that wants another normalisation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms.functional import normalize

from wsss_cli.core.images import MEAN_COLOUR, to_input
from wsss_cli.core.normalisation import IMAGENET, Normalisation
from wsss_cli.nets.input import Renormalise, recorded_normalisation, taking

HALF = Normalisation((0.5, 0.4, 0.3), (0.5, 0.25, 0.125))


def test_values_are_those_of_the_other_constants() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    wanted = normalize(torch.from_numpy(pixels).permute(2, 0, 1) / 255, HALF.mean, HALF.std)
    step = Renormalise(HALF)
    found = step(to_input(pixels)[None])
    assert (found[0] - wanted).abs().max() < 1e-5
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert not step.state_dict()


def test_nothing_is_the_mean_colour_of_photographs() -> None:
    """What lies outside an image, 0, is the colour that missing pixels have as bytes."""
    grey = np.full((2, 2, 3), MEAN_COLOUR, np.uint8)
    step = Renormalise(HALF)
    assert (step(torch.zeros(1, 3, 2, 2)) - step(to_input(grey)[None])).abs().max() < 0.02


def test_images_of_imagenet_need_no_step() -> None:
    assert taking(IMAGENET) is None
    assert isinstance(taking(HALF), Renormalise)


def test_what_a_config_records() -> None:
    assert recorded_normalisation({"backbone": "resnet50"}) is None
    recorded = {"mean": list(HALF.mean), "std": list(HALF.std)}
    assert recorded_normalisation(recorded) == HALF
    for odd in ({"mean": [0.5] * 3}, {**recorded, "std": "half"}, {**recorded, "std": [0.5]}):
        with pytest.raises(ValueError, match=r"mean|std"):
            recorded_normalisation(odd)
