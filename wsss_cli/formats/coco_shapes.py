"""COCO's annotations as shapes, and what no file says of itself: what crowds are, and outlines."""

from __future__ import annotations

import enum
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import WsssError
from .coco_json import Page
from .coco_records import Annotation, Box, Id
from .coco_rle import Rle, area_of, box_of, mask_of
from .outlines import names_border, whole
from .shapes import BACKGROUND, IGNORED, Drawing, Shape, box, later_region, polygon


class Crowd(str, enum.Enum):
    """What iscrowd stands for."""

    ignore = "ignore"
    class_ = "class"


class OnTop(str, enum.Enum):
    """Which of two objects that overlap is seen."""

    smaller = "smaller"
    later = "later"


@dataclass(frozen=True)
class Ways:
    """How a file's annotations are read.

    Attributes:
        names: of the class of each category, or BACKGROUND or IGNORED.
        ignore_crowds: whether nothing is known of the pixels of crowds.
        inclusive: whether outlines of whole numbers name the pixels on their border.
        on_top: which of two that overlap is painted over the other.
        stuff: whether annotations are of what cannot be counted.
        all_boxed: whether boxes are those of all objects.
    """

    names: Mapping[Id, str]
    ignore_crowds: bool = False
    inclusive: bool = False
    on_top: OnTop = OnTop.smaller
    stuff: bool = False
    all_boxed: bool = True


def drawing_of(
    found: Sequence[Annotation], ways: Ways, file: str, size: tuple[int, int] | None
) -> Drawing:
    """What annotations draw on their image, what lies on top last.

    Args:
        found: all of one image, their categories known.
        file: what messages call the image.
        size: (H, W) of the image, where the file says so.

    Raises:
        ValueError: run lengths that are not of the image.
    """
    drawn = [_shapes(one, number, ways) for number, one in enumerate(found)]
    boxed = all(any(shape.boxed for shape in shapes) for _, shapes in drawn)
    if ways.on_top is OnTop.smaller:
        drawn.sort(key=lambda pair: -pair[0])
    shapes = tuple(shape for _, shapes in drawn for shape in shapes)
    size = _size(found, size)
    return Drawing(shapes, file, size, true_boxes=boxed and ways.all_boxed and not ways.stuff)


def _shapes(one: Annotation, number: int, ways: Ways) -> tuple[float, list[Shape]]:
    """The pixels that an annotation holds, roughly, and its shapes."""
    import numpy as np

    assert one.category is not None
    name, frame, area = ways.names[one.category], one.box, 0.0
    more: dict[str, Any] = {
        "object": number,
        "crowd": ways.ignore_crowds and one.crowd,
        "source": one.annotator,
        "said": f"annotation {number + 1} ({name})",
    }
    shapes = []
    if isinstance(one.outline, Rle):
        rle = one.outline
        area, decode = area_of(rle), partial(mask_of, rle)
        corners = 0, 0, rle.width, rle.height
        shapes.append(later_region(name, decode, corners, thing=not ways.stuff, **more))
    elif one.outline is not None:
        for part in one.outline:
            inclusive = ways.inclusive and whole(part)
            ring = np.array(part).reshape(-1, 2)
            shape = polygon(name, ring, thing=not ways.stuff, inclusive=inclusive, **more)
            area += _area(shape)
            shapes.append(shape)
    if frame is None and one.outline is not None:
        frame = _frame(one.outline, ways.inclusive)
    if frame is not None and not ways.stuff and name not in (BACKGROUND, IGNORED):
        shapes.append(box(name, *frame, **more))
        area = area or (frame[2] - frame[0]) * (frame[3] - frame[1])
    return area, shapes


def _area(shape: Shape) -> float:
    """Within the first ring (the shoelace formula)."""
    import numpy as np

    (x, y), (next_x, next_y) = shape.rings[0].T, np.roll(shape.rings[0], -1, axis=0).T
    return abs(float((x * next_y - next_x * y).sum())) / 2


def _frame(outline: Rle | tuple[array[float], ...], inclusive: bool) -> Box | None:
    """The box around an outline; None around no pixels."""
    if isinstance(outline, Rle):
        x0, y0, x1, y1 = map(float, box_of(outline))
    else:
        more = float(inclusive and all(map(whole, outline)))
        xs = [x for part in outline for x in part[0::2]]
        ys = [y for part in outline for y in part[1::2]]
        x0, y0, x1, y1 = min(xs), min(ys), max(xs) + more, max(ys) + more
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _size(found: Iterable[Annotation], size: tuple[int, int] | None) -> tuple[int, int] | None:
    """The size of the image that was drawn on: that of run lengths, where there are such.

    Raises:
        ValueError: run lengths of several sizes, or of another image's.
    """
    sizes = {one.outline[:2] for one in found if isinstance(one.outline, Rle)}
    if not sizes:
        return size
    (height, width), *others = sorted(sizes)
    if others or size not in (None, (height, width), (width, height)):
        other = others[0] if others else size
        assert other is not None
        raise ValueError(
            f"has run lengths of {width}x{height} pixels, and is said to have {other[1]}x{other[0]}"
        )
    return height, width


def ignores_crowds(page: Page, crowds: Sequence[Annotation], asked: Crowd | None) -> bool:
    """Whether the crowds of a file are what nobody told apart, rather than objects.

    COCO's own files say so; in those of CVAT and datumaro iscrowd stands on every mask, and in
    files of stuff on all.

    Raises:
        WsssError: there are crowds, nothing tells, and nobody said.
    """
    if asked is not None:
        return asked is Crowd.ignore
    if not crowds or is_stuff(page):
        return False
    if "cocodataset.org" in page.info:
        return True
    if all(one.attributed for one in crowds):
        return False
    raise WsssError(
        f"{page.file}: {len(crowds)} annotations have iscrowd 1, and nothing says what it means",
        "--crowd ignore, if they are groups that nobody told apart, so that nothing is known of "
        "their pixels; --crowd class, if a tool marks all masks so",
    )


def which_on_top(found: Sequence[Annotation], asked: OnTop | None) -> OnTop:
    """Which of two objects that overlap is seen.

    CVAT, told by its attributes as datumaro is, sorts by z_order (bindings.py of its
    dataset_manager). The order of others means nothing. Where outlines of VOC's objects overlap, on
    12 images, the smaller is seen at 2434 pixels of 2445, the later one at 11.
    """
    if asked is not None:
        return asked
    return OnTop.later if found and all(one.attributed for one in found) else OnTop.smaller


def is_stuff(page: Page) -> bool:
    """Whether a file's annotations are of stuff, such as sky."""
    return page.file.name.lower().startswith("stuff")


def border_named(found: Iterable[Annotation]) -> tuple[int, int]:
    """How many of all outlines of polygons name the pixels on their border, and how many there are.

    Those without a box show nothing, and are not counted.
    """
    named = total = 0
    for one in found:
        if one.box is None or one.outline is None or isinstance(one.outline, Rle):
            continue
        total += 1
        if all(map(whole, one.outline)):
            xs = [x for part in one.outline for x in part[0::2]]
            ys = [y for part in one.outline for y in part[1::2]]
            named += names_border(xs, ys, one.box)
    return named, total
