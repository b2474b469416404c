"""What people draw on images: points, lines, boxes and outlines, as a reader gives them.

Coordinates are those of pixel corners: x right, y down, the first pixel covers 0 to 1. A reader of
a format that names pixels by their index adds 0.5, and 1 to ends that are part of a box.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..core.mark_kinds import BOX, LINE, POINT, POLYGON, REGION, UNKNOWN

if TYPE_CHECKING:
    import numpy as np

BACKGROUND = "background"  # the name of shapes that say that no class is here
IGNORED = "__ignore__"  # of shapes that say that nothing is said here
ROUND = 96  # corners of an ellipse: they leave it by 1/1900 of its radius
OUTLINES = (POLYGON, REGION)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One thing that somebody drew.

    Attributes:
        kind: POINT, LINE, BOX, POLYGON or REGION.
        name: of its class, or BACKGROUND or IGNORED.
        rings: as `core.marks.Mark` has them, float64; of a region its two corners in whole pixels.
        region: of a region, (h, w) bool; or what gives that, where it takes time.
        object: shapes of one number are of one object.
        rank: its place in an order, such as that of clicks.
        source: who made it.
        crowd: an outline around several objects that nobody told apart: a true mask says nothing
            of its pixels. Their box is no mark, and counts for difficult.
        thing: whether it is an object; an outline of what cannot be counted, such as sky, is none.
        difficult: marked as hard to see.
        inclusive: an outline's rings pass through the centres of pixels that are its own.
        boxlike: a polygon that is a box, turned: it does not say which pixels are its object's.
        stroke: a region that somebody drew inside of an object, of which it is a part.
        said: what messages call it.
    """

    kind: int
    name: str
    rings: tuple[np.ndarray, ...]
    region: np.ndarray | Callable[[], np.ndarray] | None = None
    object: int = UNKNOWN
    rank: int = UNKNOWN
    source: str | None = None
    crowd: bool = False
    thing: bool = True
    difficult: bool = False
    inclusive: bool = False
    boxlike: bool = False
    stroke: bool = False
    said: str = ""

    @property
    def outline(self) -> bool:
        """Whether it says which pixels are its object's."""
        return self.kind in OUTLINES and not (self.boxlike or self.stroke)

    @property
    def boxed(self) -> bool:
        """Whether it is a box, upright or turned."""
        return self.kind == BOX or self.boxlike


@dataclass(frozen=True)
class Drawing:
    """All that people drew on one image, before its pixels are looked at.

    Attributes:
        shapes: in the order in which they are painted: later ones lie on top.
        file: what messages call the file.
        size: (H, W) of the image that they were drawn on, where the file says so.
        fraction: whether coordinates are shares of the image's width and height; of an inclusive
            outline, those of pixels' indices.
        strict: a size that is the image's turned by a quarter, and what lies outside by more than a
            pixel, are refused, rather than taken for the image as displayed and cut.
        true_boxes: whether its boxes are those of all objects, so that boxes can be scored.
    """

    shapes: tuple[Shape, ...]
    file: str = ""
    size: tuple[int, int] | None = None
    fraction: bool = False
    strict: bool = False
    true_boxes: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The classes that it shows, each once, in order."""
        found = dict.fromkeys(one.name for one in self.shapes)
        return tuple(name for name in found if name not in (BACKGROUND, IGNORED))

    def without(self, names: Iterable[str]) -> Drawing:
        """The shapes of other classes."""
        left_out = set(names)
        return replace(self, shapes=tuple(one for one in self.shapes if one.name not in left_out))


Later = Callable[[], Drawing]  # a drawing that is read when it is asked for, to save memory


class Outlines(str, enum.Enum):
    """What outlines become."""

    truth = "truth"
    marks = "marks"
    both = "both"


@dataclass(frozen=True)
class Use:
    """What is made of shapes.

    Attributes:
        outlines: as `Outlines` says.
        fill_boxes: whether boxes of objects without an outline are painted as if they were one.
    """

    outlines: Outlines = Outlines.truth
    fill_boxes: bool = False

    @property
    def truth(self) -> bool:
        return self.outlines is not Outlines.marks

    @property
    def marks(self) -> bool:
        return self.outlines is not Outlines.truth


USUAL = Use()


def meant(name: str) -> str:
    """A class as a tool names it, or BACKGROUND or IGNORED, whose names differ from tool to tool.

    >>> meant("Background"), meant("__ignore__"), meant("back")
    ('background', '__ignore__', 'back')
    """
    plain = name.strip().lower().strip("_")
    return {"background": BACKGROUND, "ignore": IGNORED}.get(plain, name.strip())


def point(name: str, x: float, y: float, **more: Any) -> Shape:
    """A click."""
    import numpy as np

    return Shape(POINT, name, (np.array([[x, y]], np.float64),), **more)


def line(name: str, xy: Sequence[Sequence[float]] | np.ndarray, **more: Any) -> Shape:
    """A scribble: (n, 2) x and y; of one point alone, a point.

    Raises:
        ValueError: no points.
    """
    points = _points(xy)
    if not len(points):
        raise ValueError(f"a line of {name!r} without points")
    return Shape(POINT if len(points) == 1 else LINE, name, (points,), **more)


def box(name: str, x0: float, y0: float, x1: float, y1: float, **more: Any) -> Shape:
    """A box by two opposite corners, in any order."""
    import numpy as np

    corners = np.array([[min(x0, x1), min(y0, y1)], [max(x0, x1), max(y0, y1)]], np.float64)
    return Shape(BOX, name, (corners,), **more)


def polygon(
    name: str,
    outline: Sequence[Sequence[float]] | np.ndarray,
    holes: Iterable[Sequence[Sequence[float]] | np.ndarray] = (),
    **more: Any,
) -> Shape:
    """An outline, closed or not, and its holes.

    Raises:
        ValueError: fewer than three points.
    """
    rings = tuple(_open(_points(ring)) for ring in (outline, *holes))
    if any(len(ring) < 3 for ring in rings):
        raise ValueError(f"a polygon of {name!r} with fewer than 3 points")
    return Shape(POLYGON, name, rings, **more)


def region(name: str, mask: np.ndarray, left: int = 0, top: int = 0, **more: Any) -> Shape:
    """The pixels of a mask, (h, w) bool, whose first pixel is the image's column `left`, row `top`.

    Raises:
        ValueError: it begins outside of any image.
    """
    import numpy as np

    if left < 0 or top < 0:
        raise ValueError(f"a mask of {name!r} that begins outside of the image")
    height, width = mask.shape
    corners = np.array([[left, top], [left + width, top + height]], np.float64)
    return Shape(REGION, name, (corners,), mask.astype(bool), **more)


def later_region(
    name: str, decode: Callable[[], np.ndarray], corners: tuple[int, int, int, int], **more: Any
) -> Shape:
    """As `region`, of a mask that is decoded when it is needed, of which the corners are known."""
    import numpy as np

    x0, y0, x1, y1 = corners
    return Shape(REGION, name, (np.array([[x0, y0], [x1, y1]], np.float64),), decode, **more)


def ellipse(
    name: str, x: float, y: float, rx: float, ry: float, degrees: float = 0, **more: Any
) -> Shape:
    """An ellipse as a polygon of `ROUND` corners: centre, radii, and turn, clockwise as seen."""
    import numpy as np

    angle = np.arange(ROUND) * (2 * math.pi / ROUND)
    ring = np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)
    return polygon(name, turned(ring, (x, y), degrees), **more)


def turned(points: np.ndarray, centre: tuple[float, float], degrees: float) -> np.ndarray:
    """(n, 2) points turned about a centre, clockwise as seen, as y goes down.

    >>> import numpy as np
    >>> turned(np.array([[2.0, 1.0]]), (1, 1), 90).round(9).tolist()
    [[1.0, 2.0]]
    """
    import numpy as np

    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    found: np.ndarray = (points - centre) @ np.array([[cos, sin], [-sin, cos]]) + centre
    return found


def turned_box(
    name: str,
    x0: float,
    y0: float,
    x1: float,
    y1: float,
    degrees: float,
    centre: tuple[float, float] | None = None,
    **more: Any,
) -> Shape:
    """A box turned about a centre (its own, if none is given), clockwise as seen.

    It is a box if it stands upright still, and else a polygon of its corners.
    """
    import numpy as np

    if degrees % 180 == 0 and centre is None:
        return box(name, x0, y0, x1, y1, **more)
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)
    about = centre or ((x0 + x1) / 2, (y0 + y1) / 2)
    return polygon(name, turned(corners, about, degrees), boxlike=True, **more)


def _points(xy: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
    """
    Raises:
        ValueError: not pairs of numbers.
    """
    import numpy as np

    try:
        found = np.asarray(xy, np.float64)
    except (TypeError, ValueError):
        raise ValueError("coordinates that are no numbers") from None
    if found.size == 0:
        return np.zeros((0, 2))
    if found.ndim != 2 or found.shape[1] != 2:
        raise ValueError("coordinates that are not pairs of x and y")
    return found


def _open(ring: np.ndarray) -> np.ndarray:
    """A ring without its first point again at the end."""
    while len(ring) > 1 and (ring[0] == ring[-1]).all():
        ring = ring[:-1]
    return ring
