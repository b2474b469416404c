"""What people drew, held against the image it was drawn on: marks, and true masks and objects.

Points and lines become marks. Boxes become marks, and true boxes where they are those of all
objects. Outlines become truth, for scoring alone, unless they are asked for as marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..core.mark_kinds import BOX, POINT, POLYGON, REGION, UNKNOWN
from ..core.mark_kinds import IGNORED as NO_LABEL
from ..core.marks import Mark, Marks, Region, TrueBoxes, TrueObject
from .painting import paint, region_of
from .shapes import BACKGROUND, IGNORED, USUAL, Drawing, Shape, Use
from .true_boxes import LEAST, BadBox, as_truth, within

FAR = 1e6  # a coordinate beyond is no place in an image
ROUNDED = 1.0  # pixels that rounding may put a point outside


@dataclass(frozen=True)
class Fitted:
    """A drawing on its image.

    Attributes:
        marks: weak labels; `sources` numbers their makers.
        sources: names of who made marks, each once.
        label: (H, W) uint8 labels that the outlines paint; None where there are none.
        objects: true instances, of outlines of classes.
        boxes: true boxes, where all objects have one.
        left_out: shapes outside of the image.
        cut: those that were cut at its edge.
    """

    marks: tuple[Mark, ...] = ()
    sources: tuple[str, ...] = ()
    label: np.ndarray | None = None
    objects: tuple[TrueObject, ...] = ()
    boxes: TrueBoxes | None = None
    left_out: int = 0
    cut: int = 0

    def digest_parts(self) -> Iterator[bytes]:
        """Bytes that change with it."""
        if self.marks:
            marks = Marks.of(self.marks)
            for array in (marks.table, marks.ring, marks.xy, marks.run):
                yield array.tobytes()
        yield "\n".join(self.sources).encode()
        yield b"" if self.label is None else self.label.tobytes()
        for one in self.objects:
            yield repr((one.class_index, one.crowd, one.region.corners)).encode()
            yield one.region.mask.tobytes()
        if self.boxes is not None:
            yield b"boxes" + self.boxes.corners.tobytes() + self.boxes.classes.tobytes()
            yield self.boxes.difficult.tobytes()


def fit(
    drawing: Drawing, size: tuple[int, int], classes: Mapping[str, int], use: Use = USUAL
) -> Fitted:
    """What a drawing is on an image.

    A shape that lies outside of the image is left out and counted; what lies outside in part is
    cut there, except that marks of lines and polygons keep their coordinates.

    Args:
        drawing: of this image.
        size: (H, W) of the image as displayed.
        classes: class index of each class name.
        use: what shapes become.

    Raises:
        ValueError: drawn on an image of another size; a coordinate that is no number or beyond all
            images; a mask that does not fit its corners, or more classes than masks can number.
        BadBox: a box of a strict drawing that is not within its image.
    """
    _check_size(drawing, size)
    fitted, cut = _placed(drawing, size)
    sources = tuple(dict.fromkeys(one.source for one in fitted if one.source is not None))
    marked = [one for one in fitted if _marks(one, use)]
    marks = tuple(_mark(one, classes, sources, size) for one in marked)
    label: np.ndarray | None = None
    objects: tuple[TrueObject, ...] = ()
    if use.truth and any(one.outline or (use.fill_boxes and one.boxed) for one in fitted):
        label, objects = paint(fitted, size, classes, use.fill_boxes)
    boxes = None
    if drawing.true_boxes:
        boxes = as_truth([one for one in fitted if one.kind == BOX], classes)
    return Fitted(marks, sources, label, objects, boxes, len(drawing.shapes) - len(fitted), cut)


def _check_size(drawing: Drawing, size: tuple[int, int]) -> None:
    height, width = size
    if drawing.size is None or drawing.size == size:
        return
    turned = drawing.size == (width, height)
    whole = any(_is_whole(one, drawing.size) for one in drawing.shapes)
    if turned and not drawing.strict and not whole:
        return  # of the file as stored: the coordinates are those of the image as displayed
    said = " as displayed (turned by EXIF?)" if turned else ""
    error = BadBox if drawing.strict else ValueError
    what = "its boxes were" if drawing.strict else "it was"
    raise error(
        f"{drawing.file}: {what} drawn on {drawing.size[1]}x{drawing.size[0]} pixels, the image is "
        f"{width}x{height}{said}"
    )


def _is_whole(shape: Shape, size: tuple[int, int]) -> bool:
    """Whether it is a mask of a whole image, which does not turn with the image."""
    return shape.kind == REGION and shape.rings[0].tolist() == [[0, 0], [size[1], size[0]]]


def _marks(shape: Shape, use: Use) -> bool:
    """Whether a shape is to become a mark."""
    return use.marks if shape.outline else not (shape.boxed and shape.crowd)


def _placed(drawing: Drawing, size: tuple[int, int]) -> tuple[list[Shape], int]:
    """The shapes within the image, in pixels, points, boxes and regions cut; how many stuck out.

    All places are looked at together, since a call of NumPy's for each shape takes longer.
    """
    shapes = drawing.shapes
    if not shapes:
        return [], 0
    side = np.array(size[::-1], np.float64)
    rings = [ring for one in shapes for ring in one.rings]
    every = np.concatenate(rings)
    if drawing.fraction:
        lengths = [len(ring) for ring in rings]
        whole = np.repeat([one.inclusive for one in shapes for _ in one.rings], lengths)
        every = every * side
        every[whole] = every[whole].round() + 0.5  # such shares are of indices of pixels
        ends = np.cumsum(lengths)
        rings = np.split(every, ends[:-1])
    counts = [sum(len(ring) for ring in one.rings) for one in shapes]
    starts = np.cumsum([0, *counts[:-1]])
    far = ~(np.abs(every) <= FAR).all(axis=1)  # NaN is not
    if far.any():
        first = shapes[int(np.searchsorted(starts, far.argmax(), side="right")) - 1]
        raise ValueError(f"{drawing.file}: {_said(first)} has a coordinate that is no place")
    low, high = np.minimum.reduceat(every, starts), np.maximum.reduceat(every, starts)
    out = np.maximum(-high, low - side).max(axis=1).tolist()  # how far all of it lies outside
    over = np.maximum(-low, high - side).max(axis=1).tolist()  # how far a part of it does
    found, cut, ring = [], 0, 0
    for one, gone, beyond in zip(shapes, out, over, strict=True):
        own = tuple(rings[ring : ring + len(one.rings)])
        ring += len(one.rings)
        kept: Shape | None = replace(one, rings=own) if drawing.fraction else one
        if one.kind == BOX and drawing.strict:
            assert kept is not None
            kept = within(kept, size[1], size[0], drawing.file)
            beyond = 2 * ROUNDED if kept is not one else 0
        elif gone > (ROUNDED if one.kind == POINT else 0):
            kept = None
        elif one.kind == REGION:
            assert kept is not None
            kept = _cut_region(kept, drawing.file, size)
        elif one.kind in (POINT, BOX):
            kept = _clipped(kept, side, beyond)
        if kept is not None:
            found.append(kept)
            cut += beyond > ROUNDED
    return found, cut


def _clipped(shape: Shape | None, side: np.ndarray, beyond: float) -> Shape | None:
    """A point or box within the image; None for a box of which nothing is left."""
    assert shape is not None
    if beyond > 0:
        shape = replace(shape, rings=(np.clip(shape.rings[0], 0, side),))
    if shape.kind == BOX:
        (x0, y0), (x1, y1) = shape.rings[0].tolist()
        if min(x1 - x0, y1 - y0) < LEAST:
            return None
    return shape


def _cut_region(shape: Shape, file: str, size: tuple[int, int]) -> Shape | None:
    height, width = size
    mask = shape.region() if callable(shape.region) else shape.region
    assert mask is not None
    x0, y0, x1, y1 = shape.rings[0].round().astype(np.int64).ravel().tolist()
    if mask.shape != (y1 - y0, x1 - x0):
        raise ValueError(
            f"{file}: the mask of {_said(shape)} is {mask.shape[1]}x{mask.shape[0]}, its corners "
            f"say {x1 - x0}x{y1 - y0}"
        )
    x0, y0 = max(x0, 0), max(y0, 0)
    kept = Region.of(mask[: height - y0, : width - x0])
    left, top, right, bottom = kept.corners
    if not kept.mask.size:
        return None
    corners = np.array([[x0 + left, y0 + top], [x0 + right, y0 + bottom]], np.float64)
    return replace(shape, rings=(corners,), region=kept.mask)


def _said(shape: Shape) -> str:
    return shape.said or f"a shape of {shape.name!r}"


def _mark(
    shape: Shape, classes: Mapping[str, int], sources: tuple[str, ...], size: tuple[int, int]
) -> Mark:
    if shape.inclusive and shape.kind == POLYGON:  # its corners are no edges of pixels
        kept = region_of(shape, size)
        corners = np.array(kept.corners, np.float64).reshape(2, 2)
        shape = replace(shape, kind=REGION, rings=(corners,), region=kept.mask)
    label = {BACKGROUND: 0, IGNORED: NO_LABEL}.get(shape.name)
    region = shape.region
    assert not callable(region)
    return Mark(
        shape.kind,
        classes[shape.name] + 1 if label is None else label,
        shape.rings,
        region,
        shape.object,
        shape.rank,
        UNKNOWN if shape.source is None else sources.index(shape.source),
    )
