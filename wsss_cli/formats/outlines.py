"""Whether outlines run along the edges of pixels or through the centres of those on the border.

OpenCV's findContours names border pixels, and no file says that its outlines were made so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer


@dataclass(frozen=True, kw_only=True)
class OutlineOptions:
    """Options of formats whose outlines may be of either kind."""

    inclusive: Annotated[
        bool | None,
        typer.Option(
            "--inclusive/--no-inclusive",
            help="Whether outlines name the pixels on their border, as OpenCV's contours do, and "
            "those belong to the object. Default: where most outlines of a file show it, as those "
            "of YOLO cannot.",
        ),
    ] = None


def names_border(
    xs: Sequence[float], ys: Sequence[float], box: tuple[float, float, float, float]
) -> bool:
    """Whether an outline seems to name the pixels on its border.

    Its numbers are whole then, and the last pixels that it names end at its box.

    Args:
        xs, ys: of all of an object's outline.
        box: x0, y0, x1, y1 of the object, in edges of pixels.

    >>> names_border([2, 4, 4, 2], [3, 3, 7, 7], (2, 3, 5, 8))
    True
    >>> names_border([2, 5, 5, 2], [3, 3, 8, 8], (2, 3, 5, 8))
    False
    """
    if not whole(xs) or not whole(ys):
        return False
    return bool(max(xs) + 1 == box[2] and max(ys) + 1 == box[3])


def whole(numbers: Sequence[float]) -> bool:
    """Whether all are whole numbers.

    >>> whole([1, 2.0]), whole([1, 2.5]), whole([float("inf")])
    (True, False, False)
    """
    return all(float(one).is_integer() for one in numbers)
