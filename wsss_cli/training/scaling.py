"""From the options of crops to how images are cut and scaled, what is unsaid included."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..options.cards import Due
from ..options.training import MAX_SIDE, Crops, interval, numbers

if TYPE_CHECKING:
    from .augment import Augment


def unless_sided(factors: str) -> Due:
    """A default of --rescale, where there is no --long-side."""
    return Due(lambda options: factors if options["long_side"] is None else None, factors)


def scaled(crops: Crops) -> Crops:
    """The crops, of whole images as large as a crop if nothing is said.

    What a tag promises holds for a whole image only. If unsaid, `max_side` is the highest of the
    longer sides, where these are known: a network has to be looked through at a size it was trained
    at.

    Raises:
        UsageError: both a factor and a longer side, or no range of these.
    """
    if crops.rescale is not None and crops.long_side is not None:
        raise UsageError("--rescale and --long-side: give one of them")
    if crops.rescale is not None:
        return looked_at(crops, MAX_SIDE)
    sides = crops.long_side or f"{crops.crop},{crops.crop}"
    return looked_at(replace(crops, long_side=sides), longest(crops))


def longest(crops: Crops) -> int:
    """The highest longer side of the images that are trained on; of whole ones, that of a crop."""
    sides = interval("--long-side", crops.long_side)
    return crops.crop if sides is None else max(1, round(sides[1]))


def looked_at(crops: Crops, side: int) -> Crops:
    """The crops, images validated and predicted at no longer side than this, if none is given."""
    return replace(crops, max_side=side if crops.max_side is None else crops.max_side)


def augmentation(crops: Crops) -> Augment:
    """The augmentation that the options ask for.

    Raises:
        UsageError: options that contradict or are out of range.
    """
    from .augment import Augment

    strength = numbers("--jitter", crops.jitter, "B,C,S,H")
    if strength is not None and strength[3] > 0.5:
        raise UsageError(f"--jitter {crops.jitter}: the hue turns by 0.5 at most")
    return Augment(
        crop=crops.crop,
        long_side=interval("--long-side", crops.long_side),
        factor=interval("--rescale", crops.rescale),
        max_side=crops.max_side or 0,
        jitter=strength,  # type: ignore[arg-type]  # four, by the form
    )
