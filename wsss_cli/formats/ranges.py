"""Which values of images of more than 8 bits become black and white: one range for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import cast

from ..console import warn
from ..core.percentiles import Tally
from ..core.reading import FEW, Reading, Span, number
from ..errors import WsssError


def counting(reading: Reading) -> Tally | None:
    """What counts the values of all images, where percentiles of them are asked for."""
    return Tally() if reading.stretch else None


def settled(
    spans: Sequence[Span],
    reading: Reading,
    auto: bool,
    name: str,
    tally: Tally | None = None,
    narrow: int = 0,
) -> tuple[Reading, str | None]:
    """How all images are read, and what there is to say about it.

    Args:
        spans: what each image of more than 8 bits holds.
        reading: what is asked for.
        auto: whether the range is that of all values found.
        name: the source, for messages.
        tally: what `counting` gave, filled.
        narrow: how many images have 8 bits.

    Raises:
        WsssError: no range is given, and the bits' own would leave less than half of the grey
            levels or does not exist; or one is given that no value lies in; or some images hold
            integers and others floats, which no range can serve; or percentiles are asked for
            that there are none of.
    """
    if not spans:
        if reading.stretch:
            warn(f"{name}: no image has more than 8 bits: --stretch changes none")
        return replace(reading, stretch=None), None
    floats = sum(not span.whole for span in spans)
    if 0 < floats < len(spans):
        raise WsssError(
            f"{name}: {floats} images hold floats and {len(spans) - floats} integers of more than "
            "8 bits, and one range is for all",
            "save them as numbers of one kind",
        )
    found = reduce(or_, spans)
    if tally is not None:
        return _stretched(tally, reading, found, narrow, name)
    if auto:
        high = found.high if found.high > found.low else found.low + 1
        reading = replace(reading, range=(_plain(found.low), _plain(high)))
    held = f"{len(spans)} images of more than 8 bits hold {found}"
    if reading.range is None:
        refuse_unclear(spans, name)
        _warn_of_dim(spans, name)
        return reading, held
    low, high = cast("tuple[float, float]", reading.range)  # a pair alone is asked for
    if not auto and (found.high <= low or found.low >= high):
        ends = f"--range {number(low)},{number(high)}"
        raise WsssError(f"{name}: {held}, none of it within {ends}", "--range auto takes all of it")
    return reading, held


def _stretched(
    tally: Tally, reading: Reading, found: Span, narrow: int, name: str
) -> tuple[Reading, str]:
    """As `settled`, each band from one percentile to another.

    Raises:
        WsssError: images of 8 bits or of other numbers of bands are among them; or a band has no
            data, or the same value at both percentiles.
    """
    wide = tally.images.total()
    if narrow:
        raise WsssError(
            f"{name}: {narrow} images have 8 bits and {wide} more, and one stretch is for all",
            "pack them apart, or give --range, which leaves those of 8 bits alone",
        )
    if len(tally.images) > 1:
        kinds = " and ".join(f"{n} of {bands}" for bands, n in sorted(tally.images.items()))
        raise WsssError(
            f"{name}: {kinds} bands, and one stretch is for all",
            "--bands takes the same bands of all of them",
        )
    assert reading.stretch is not None
    low, high = (number(one) for one in reading.stretch)
    pairs, said = [], []
    for place, band in enumerate(reading.bands or range(1, max(tally.images) + 1)):
        ends = tally.percentiles(place, reading.stretch)
        if ends is None:
            raise WsssError(f"{name}: band {band} of all images is nodata", "take other --bands")
        if not ends[0] < ends[1]:
            raise WsssError(
                f"{name}: the percentiles {low} and {high} of band {band} are both "
                f"{number(ends[0])}",
                "take percentiles that are farther apart, for example --stretch 0,100, or another "
                "band; give --range where it is known",
            )
        pairs.append((_plain(ends[0]), _plain(ends[1])))
        said.append(f"band {band} from {number(ends[0])} to {number(ends[1])}")
    empty = f"; {100 * tally.empty / tally.pixels:.3g} % nodata, read as 0" if tally.empty else ""
    return replace(reading, range=tuple(pairs)), (
        f"{wide} images of more than 8 bits hold {found}; --stretch {low},{high}: "
        f"{', '.join(said)}{empty}"
    )


def refuse_unclear(spans: Sequence[Span], name: str) -> None:
    """Refuse images that would lose most of their grey levels, or have no levels of their own.

    Raises:
        WsssError: they would, all taken together.
    """
    if not spans or not (found := reduce(or_, spans)).unclear:
        return
    low, high = found.used
    lost = "which have no range of their own"
    if found.full is not None:
        levels = int((high - low) * 255 / found.full) + 1
        lost = f"{levels} of 256 grey levels would be left"
    whole = "" if found.full is None else f", --range 0,{found.full} leaves dark images dark"
    raise WsssError(
        f"{name}: {len(spans)} images of more than 8 bits hold {found}: {lost}",
        f"pack with --range {number(low)},{number(high)} to make that black to white, or with "
        f"--stretch 2,98 to leave out what is rare{whole}",
    )


def _warn_of_dim(spans: Sequence[Span], name: str) -> None:
    """Say that some images use a small part of the range that others use."""
    dim = [one for one in spans if one.full and FEW * (one.used[1] - one.used[0]) < one.full]
    if dim:
        warn(
            f"{name}: {len(dim)} of {len(spans)} images of more than 8 bits use less than 1/{FEW} "
            f"of 0..{dim[0].full}, and become nearly one grey; --range LO,HI is for all images: "
            "were they saved in another way?"
        )


def _plain(value: float) -> float:
    return int(value) if float(value).is_integer() else value
