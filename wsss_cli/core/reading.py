"""How pixels are read that 8-bit RGB cannot hold as they are: what is said, and what is found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BEHIND = {"white": 255, "black": 0}  # what transparent pixels are laid over
FEW = 8  # a part of the range so small that single pixels beyond it do not count

DROP = "drop"  # transparency is left out, colours stay as stored


@dataclass(frozen=True)
class Reading:
    """How pixels are read that 8-bit RGB cannot hold as they are; None where that is not said.

    Attributes:
        range: of images of more than 8 bits, the values that become 0 and 255; or a pair of them
            for each band.
        alpha: "white" or "black", which transparent pixels are laid over; or "drop".
        bands: numbers of the one or three bands that are taken, from 1.
        stretch: the percentiles that the range is made of, band by band, over all images. Nodata
            does not count then, and becomes 0.
    """

    range: tuple[float, float] | tuple[tuple[float, float], ...] | None = None
    alpha: str | None = None
    bands: tuple[int, ...] | None = None
    stretch: tuple[float, float] | None = None

    def record(self) -> dict[str, Any]:
        """What is said, as plain JSON values."""
        said = {
            "range": self.range,
            "alpha": self.alpha,
            "bands": self.bands,
            "stretch": self.stretch,
        }
        return {name: _plain(value) for name, value in said.items() if value is not None}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Reading:
        """From what `record` gave, whatever else is in it.

        Raises:
            ValueError: values that make no sense.
        """
        span, alpha, bands = (record.get(name) for name in ("range", "alpha", "bands"))
        stretch = record.get("stretch")
        pairs: Any = [span] if _is_pair(span) else span  # one for all bands, or one for each
        if span is not None and not (
            isinstance(pairs, list | tuple) and pairs and all(_is_pair(one) for one in pairs)
        ):
            raise ValueError(f"range {span}: need two numbers, the smaller first")
        if stretch is not None and not (
            _is_pair(stretch) and stretch[0] >= 0 and stretch[1] <= 100
        ):
            raise ValueError(
                f"stretch {stretch}: need two percentiles from 0 to 100, the smaller first"
            )
        if alpha is not None and alpha not in (*BEHIND, DROP):
            raise ValueError(f"alpha {alpha}: one of {', '.join([*BEHIND, DROP])}")
        if bands is not None and not (
            isinstance(bands, list | tuple)
            and len(bands) in (1, 3)
            and all(isinstance(one, int) and one > 0 for one in bands)
        ):
            raise ValueError(f"bands {bands}: need one or three numbers from 1")
        ends: Any = None if span is None else tuple((one[0], one[1]) for one in pairs)
        if _is_pair(span):
            ends = ends[0]
        elif ends and bands and len(ends) != len(bands):
            raise ValueError(f"range {span}: need one pair for each of {len(bands)} bands")
        chosen = None if bands is None else tuple(bands)
        return cls(ends, alpha, chosen, stretch and (stretch[0], stretch[1]))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(_is_number(one) for one in value)
        and value[0] < value[1]
    )


def _plain(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


AS_IT_IS = Reading()


@dataclass(frozen=True)
class Span:
    """What values images of more than 8 bits hold.

    Attributes:
        low, high: the least and the greatest.
        full: what they could hold at most, from 0; None where that is not fixed: of floats, and
            of integers that are negative or need more than 16 bits.
        whole: whether they are integers.
        most: between which values all but 1 % of the pixels lie, where that is known.
    """

    low: float
    high: float
    full: int | None
    whole: bool = True
    most: tuple[float, float] | None = field(default=None, compare=False)

    def __or__(self, other: Span) -> Span:
        """Of both together."""
        full = None if None in (self.full, other.full) else max(self.full or 0, other.full or 0)
        low, high = min(self.low, other.low), max(self.high, other.high)
        most = None
        if self.most is not None and other.most is not None:
            most = min(self.most[0], other.most[0]), max(self.most[1], other.most[1])
        return Span(low, high, full, self.whole and other.whole, most)

    @property
    def used(self) -> tuple[float, float]:
        """The least and the greatest value; of 99 % of the pixels, where only the rest is far off.

        >>> Span(0, 65535, 65535, most=(90, 4000)).used, Span(0, 65535, 65535, most=(9, 9e3)).used
        ((90, 4000), (0, 65535))
        """
        small = self.full is None or 2 * (self.high - self.low) < self.full
        if (
            self.full
            and self.most
            and not small
            and FEW * (self.most[1] - self.most[0]) < self.full
        ):
            return self.most
        return self.low, self.high

    @property
    def unclear(self) -> bool:
        """Whether a range must be given: less than half of the full one would be left.

        >>> Span(0, 4095, 65535).unclear, Span(0, 4095, 4095).unclear
        (True, False)
        """
        low, high = self.used
        return self.full is None or 2 * (high - low) < self.full

    def __str__(self) -> str:
        ends = f"{number(self.low)}..{number(self.high)}"
        low, high = self.used
        if (low, high) != (self.low, self.high):
            return f"{ends} of 0..{self.full}, but 99 % of the pixels {number(low)}..{number(high)}"
        return ends if self.full is None else f"{ends} of 0..{self.full}"


def number(value: float) -> str:
    """A value as it would be typed."""
    return str(int(value)) if float(value).is_integer() else f"{value:.7g}"
