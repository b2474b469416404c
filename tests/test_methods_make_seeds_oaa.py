"""make-seeds --method oaa: maps against saliency, and unsure where they contradict."""

from __future__ import annotations

from pathlib import Path

import pytest
from scenes import params_of, row, seeds

from wsss_cli.errors import UsageError
from wsss_cli.inference.saliency import Saliency
from wsss_cli.inference.seeding import check_settings
from wsss_cli.methods.make_seeds.oaa import CARD
from wsss_cli.options.cards import NoOptions
from wsss_cli.options.refine import Refine, RefineOptions


def test_it_has_no_numbers_of_its_own_and_needs_saliency() -> None:
    assert (CARD.options, CARD.by_saliency, CARD.lacks) == (NoOptions, True, ("saliency_below",))
    with pytest.raises(UsageError, match="--method oaa: needs --saliency"):
        CARD.check(None)
    CARD.check(Saliency(Path("eye"), 0.06))
    with pytest.raises(UsageError, match="--refine pamr: --method oaa refines nothing"):
        CARD.refinement(RefineOptions(refine=Refine.pamr), "cpu", ["irn"])
    check_settings(CARD, {})  # nothing to judge


def test_pixels_by_hand() -> None:
    """The map runs from 0 to 1, so that stretching changes nothing.

    In turn: salient and strong; 0.5 beats 1 - 128 / 255; neither; background beats 0.5; background
    beats 0.85, a map that is too strong for that; background, but salient (32 / 255 at least);
    background and the class both exceed 0.9; a class below 0.3 counts as 0.
    """
    cam = [1.0, 0.5, 0.0, 0.5, 0.85, 0.2, 0.95, 0.29]
    eye = [255, 128, 0, 0, 0, 32, 10, 255]
    expected = [3, 3, 0, 0, 255, 255, 255, 255]
    assert seeds(CARD, row(cam, classes=[2], saliency=eye)) == expected


def test_maps_are_stretched_and_the_strongest_wins() -> None:
    """0.4..0.8 becomes 0..1, so 0.6 is one half; a constant map is 0 throughout."""
    maps = [0.4, 0.6, 0.8], [0.0, 0.7, 1.0], [0.9, 0.9, 0.9]
    assert seeds(CARD, row(*maps, classes=[1, 5, 6], saliency=[0, 255, 255])) == [0, 6, 255]


def test_an_image_of_nearly_no_class_is_unsure_throughout() -> None:
    """Of 101 pixels one is less than a hundredth, of 100 it is not."""
    for count, expected in ((100, 0), (101, 255)):
        cam = [1.0] + [0.0] * (count - 1)
        eye = [255] + [0] * (count - 1)
        assert seeds(CARD, row(cam, saliency=eye))[1:] == [expected] * (count - 1)


def test_what_is_recorded(tiny_data: Path) -> None:
    assert params_of(CARD, tiny_data, None) == {"method": "oaa", "crf": None}


def test_saliency_of_another_size() -> None:
    scene = row([0.5, 0.5], saliency=[0])
    with pytest.raises(ValueError, match=r"saliency of \(1, 1\) for maps of \(1, 2\)"):
        seeds(CARD, scene)
