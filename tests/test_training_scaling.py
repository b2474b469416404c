"""How images are cut and scaled where nothing, a factor or a longer side is said."""

from __future__ import annotations

import pytest

from wsss_cli.errors import UsageError
from wsss_cli.options.cards import due
from wsss_cli.options.training import Crops
from wsss_cli.training.augment import Augment
from wsss_cli.training.scaling import augmentation, longest, looked_at, scaled, unless_sided


def crops(**options: str | int | None) -> Crops:
    return Crops(**{"max_side": None, "crop": 64, **options})  # type: ignore[arg-type]


def test_a_factor_is_the_default_unless_there_is_a_side() -> None:
    default = unless_sided("0.5,1.5")
    assert str(default) == "0.5,1.5"
    assert due(default, {"long_side": None}) == "0.5,1.5"
    assert due(default, {"long_side": "9,9"}) is None


def test_whole_images_are_as_large_as_a_crop_if_nothing_is_said() -> None:
    assert scaled(crops()) == crops(long_side="64,64", max_side=64)


@pytest.mark.parametrize(
    ("said", "side"),
    [
        ({"long_side": "24,40"}, 40),
        ({"long_side": "24,40.6"}, 41),
        ({"long_side": "0.1,0.2"}, 1),
        ({"rescale": "0.5,1.5"}, 1024),
        ({"long_side": "24,40", "max_side": 0}, 0),
        ({"rescale": "0.5,1.5", "max_side": 7}, 7),
    ],
)
def test_a_network_is_looked_through_at_a_size_that_it_was_trained_at(
    said: dict[str, str | int], side: int
) -> None:
    assert scaled(crops(**said)) == crops(**{**said, "max_side": side})


def test_the_longest_side_is_that_of_a_crop_where_no_range_is_given() -> None:
    assert longest(crops()) == 64
    assert longest(crops(long_side="24,40")) == 40


def test_a_side_that_is_given_stands() -> None:
    assert looked_at(crops(), 9).max_side == 9
    assert looked_at(crops(max_side=0), 9).max_side == 0


def test_both_contradict() -> None:
    with pytest.raises(UsageError, match="--rescale and --long-side: give one of them"):
        scaled(crops(rescale="1,1", long_side="9,9"))
    with pytest.raises(UsageError, match="--long-side 9: need LO,HI"):
        scaled(crops(long_side="9"))


def test_an_augmentation_by_its_numbers() -> None:
    found = augmentation(crops(long_side="24,40", max_side=40, jitter="0.1,0.2,0.3,0.5"))
    assert found == Augment(64, (24.0, 40.0), None, 40, True, (0.1, 0.2, 0.3, 0.5))
    assert augmentation(crops(rescale="0.5,2")) == Augment(64, None, (0.5, 2.0), 0)
    with pytest.raises(UsageError, match=r"the hue turns by 0\.5 at most"):
        augmentation(crops(jitter="0,0,0,0.51"))
