"""Which values of images of more than 8 bits become black and white: one range for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import or_

from ..console import warn
from ..core.reading import FEW, Reading, Span, number
from ..errors import WsssError


def settled(
    spans: Sequence[Span], reading: Reading, auto: bool, name: str
) -> tuple[Reading, str | None]:
    """How all images are read, and what there is to say about it.

    Args:
        spans: what each image of more than 8 bits holds.
        reading: what is asked for.
        auto: whether the range is that of all values found.
        name: the source, for messages.

    Raises:
        WsssError: no range is given, and the bits' own would leave less than half of the grey
            levels or does not exist; or one is given that no value lies in; or some images hold
            integers and others floats, which no range can serve.
    """
    if not spans:
        return reading, None
    floats = sum(not span.whole for span in spans)
    if 0 < floats < len(spans):
        raise WsssError(
            f"{name}: {floats} images hold floats and {len(spans) - floats} integers of more than "
            "8 bits, and one range is for all",
            "save them as numbers of one kind",
        )
    found = reduce(or_, spans)
    if auto:
        high = found.high if found.high > found.low else found.low + 1
        reading = replace(reading, range=(_plain(found.low), _plain(high)))
    held = f"{len(spans)} images of more than 8 bits hold {found}"
    if reading.range is None:
        refuse_unclear(spans, name)
        _warn_of_dim(spans, name)
        return reading, held
    low, high = reading.range
    if not auto and (found.high <= low or found.low >= high):
        ends = f"--range {number(low)},{number(high)}"
        raise WsssError(f"{name}: {held}, none of it within {ends}", "--range auto takes all of it")
    return reading, held


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
        f"pack with --range {number(low)},{number(high)} to make that black to white" + whole,
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
