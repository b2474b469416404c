"""Label images of other tools as labels: which stored number or colour stands for which label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from .label_numbers import BACKGROUND, IGNORE

if TYPE_CHECKING:
    import numpy as np

Colour = tuple[int, int, int]

_NONE = -1  # in a look-up table: no entry


class NoLabel(ValueError):
    """A number or colour in a label image that stands for no label."""


class Stored(NamedTuple):
    """What a label image holds.

    Attributes:
        numbers: (H, W) uint8 or uint16, or None where only its colours mean something.
        colours: (H, W, 3) uint8 RGB, or None where it has no channels of colour.
        palette: (256, 3) uint8, the colours of numbers that are indices, else None.
        exact: the PNG's own bytes, where its numbers can be stored as they are.
    """

    numbers: np.ndarray | None
    colours: np.ndarray | None
    palette: np.ndarray | None = None
    exact: bytes | None = None


@dataclass(frozen=True)
class ValueTable:
    """Labels of stored numbers and colours.

    Attributes:
        numbers: label of each number that is named.
        colours: label of each colour, red, green and blue in 0..255.
        closed: whether numbers that are not named, other than 0 and 255, are refused. Otherwise
            a number stands for the label of the same number.
        first: the number that the first class has where none is named: 1, or 0 where no number
            stands for background.
    """

    numbers: Mapping[int, int] = field(default_factory=dict)
    colours: Mapping[Colour, int] = field(default_factory=dict)
    closed: bool = False
    first: int = 1

    @property
    def plain(self) -> bool:
        """Whether numbers are labels as they stand."""
        return not self.numbers and not self.colours and self.first == 1

    @cached_property
    def by_number(self) -> np.ndarray:
        """(65536,) int32: label of each number, -1 where it has none."""
        import numpy as np

        table = np.full(1 << 16, _NONE, np.int32)
        if not self.closed:
            table[:IGNORE] = np.arange(IGNORE) + (1 - self.first)
            if self.first == 0:
                table[IGNORE - 1] = _NONE  # label 255 is no class
        table[IGNORE] = IGNORE
        if self.first == 1:
            table[BACKGROUND] = BACKGROUND
        for number, label in self.numbers.items():
            table[number] = label
        return table

    @cached_property
    def by_colour(self) -> np.ndarray:
        """(2^24,) int16: label of each colour R * 65536 + G * 256 + B, -1 where it has none."""
        import numpy as np

        table = np.full(1 << 24, _NONE, np.int16)
        for (red, green, blue), label in self.colours.items():
            table[red << 16 | green << 8 | blue] = label
        return table


PLAIN = ValueTable()


def labels_of(stored: Stored, table: ValueTable) -> np.ndarray:
    """(H, W) uint8 labels of what a label image holds.

    Colours are looked up where the table names any; greys and palette indices by number, where
    the table names numbers or no colours.

    Raises:
        NoLabel: a number or colour without a label; says which, and in how many pixels.
    """
    import numpy as np

    numbers, colours = stored.numbers, stored.colours
    if stored.palette is not None and table.colours:
        colours = stored.palette[numbers]
    if colours is not None and table.colours:
        found = table.by_colour[_codes(colours)]
        if numbers is None or not table.numbers or not (found == _NONE).any():
            return _checked(found, colours)
    if numbers is None:
        assert colours is not None
        shown = _shown(colours.reshape(-1, 3)[_first_coloured(colours)])
        raise NoLabel(f"is in colours, such as {shown}: labels need a palette or greys")
    if table.colours and not table.numbers:  # greys are colours, too
        grey = np.repeat(numbers[..., None], 3, axis=2)
        if grey.max(initial=0) <= 255:
            return _checked(table.by_colour[_codes(grey.astype(np.uint8))], grey)
    return _checked(table.by_number[numbers], numbers, table)


def _codes(colours: np.ndarray) -> np.ndarray:
    """(H, W) int32: R * 65536 + G * 256 + B of (H, W, 3) uint8."""
    import numpy as np

    red, green, blue = (colours[..., channel].astype(np.int32) for channel in range(3))
    return red << 16 | green << 8 | blue


def _first_coloured(colours: np.ndarray) -> int:
    """Place of the first pixel that is no grey."""
    flat = colours.reshape(-1, 3)
    return int((flat[:, :1] != flat[:, 1:]).any(axis=1).argmax())


def _checked(found: np.ndarray, stored: np.ndarray, table: ValueTable | None = None) -> np.ndarray:
    """uint8 of labels that are all there."""
    import numpy as np

    lacking = found == _NONE
    if lacking.any():
        first = stored[lacking][0]
        if table is None:
            raise NoLabel(
                f"holds the colour {_shown(first)} in {lacking.sum()} pixels, "
                "which stands for no label"
            )
        known = "" if table.closed else ", there are labels up to 254"
        raise NoLabel(
            f"holds the number {first} in {lacking.sum()} pixels, which stands for no label{known}"
        )
    return found.astype(np.uint8)


def _shown(colour: np.ndarray) -> str:
    return ",".join(str(int(channel)) for channel in colour)
