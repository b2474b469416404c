"""Outlines as true masks and true objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..core.boxes import overlaps
from ..core.filling import filled
from ..core.joining import joined
from ..core.labels import IGNORE, MAX_CLASSES
from ..core.mark_kinds import POLYGON, UNKNOWN
from ..core.marks import Mark, Region, TrueObject
from ..core.runs import cropped
from .shapes import BACKGROUND, IGNORED, Shape

SAME = 0.5  # intersection over union from which a box and an outline are of one object


def paint(
    shapes: Sequence[Shape], size: tuple[int, int], classes: Mapping[str, int], fill_boxes: bool
) -> tuple[np.ndarray, tuple[TrueObject, ...]]:
    """The labels and the true objects that fitted shapes give.

    Later shapes lie on top. Nothing is known of the pixels in a box of an object without an outline
    (255), unless such boxes are filled.

    Args:
        shapes: all of an image.
        size: H, W.
        classes: class index of each class name.
        fill_boxes: as `Use` has it.

    Raises:
        ValueError: more classes than masks can number.
    """
    if len(classes) > MAX_CLASSES:
        raise ValueError(
            f"masks can number {MAX_CLASSES} classes, there are {len(classes)}: pack outlines as "
            "marks"
        )
    label = np.zeros(size, np.uint8)
    alone = alone_of(shapes)
    if not fill_boxes:
        for one in alone:
            _lay(label, region_of(one, size), IGNORE)
    filled_too = {id(one) for one in alone} if fill_boxes else set()
    painted = [one for one in shapes if one.outline or id(one) in filled_too]
    regions: dict[object, list[Region]] = {}
    first: dict[object, Shape] = {}
    for number, one in enumerate(painted):
        part = region_of(one, size)
        if one.name in classes and not one.crowd:
            _lay(label, part, classes[one.name] + 1)
        else:
            _lay(label, part, 0 if one.name == BACKGROUND else IGNORE)
        if one.thing and one.name in classes and part.mask.size:
            key = ("of", number) if one.object == UNKNOWN else (one.object, one.name)
            regions.setdefault(key, []).append(part)
            first.setdefault(key, one)
    objects = tuple(
        TrueObject(classes[first[key].name], first[key].crowd, joined(parts))
        for key, parts in regions.items()
    )
    return label, objects


def _lay(label: np.ndarray, part: Region, value: int) -> None:
    x0, y0, x1, y1 = part.corners
    label[y0:y1, x0:x1][part.mask] = value


def alone_of(shapes: Sequence[Shape]) -> list[Shape]:
    """Boxes of classes that are not those of an outline: by object, or by where they lie."""
    outlines = [one for one in shapes if one.outline]
    numbers = {(one.object, one.name) for one in outlines if one.object != UNKNOWN}
    frames: dict[str, list[np.ndarray]] = {}
    for one in outlines:
        frames.setdefault(one.name, []).append(_frame(one))
    found = []
    for one in shapes:
        if not one.boxed or one.name in (BACKGROUND, IGNORED):
            continue
        if (one.object, one.name) in numbers:
            continue
        near = frames.get(one.name)
        if near is None or overlaps(_frame(one)[None], np.array(near)).max() < SAME:
            found.append(one)
    return found


def _frame(shape: Shape) -> np.ndarray:
    """(4,) x0, y0, x1, y1 around it."""
    every = np.concatenate(shape.rings)
    return np.concatenate([every.min(axis=0), every.max(axis=0)])


def region_of(shape: Shape, size: tuple[int, int]) -> Region:
    """The pixels of an image that a fitted box, polygon or region holds; worked out around it."""
    height, width = size
    every = np.concatenate(shape.rings)
    x0, y0 = np.clip(np.floor(every.min(axis=0)), 0, (width, height)).astype(np.int64).tolist()
    x1, y1 = np.clip(np.ceil(every.max(axis=0)) + 1, 0, (width, height)).astype(np.int64).tolist()
    rings = tuple(ring - (x0, y0) for ring in shape.rings)
    part = (y1 - y0, x1 - x0)
    if shape.kind == POLYGON:
        mask = filled(rings, part, shape.inclusive)
    else:
        region = shape.region
        assert not callable(region)
        mask = Mark(shape.kind, 0, rings, region).pixels(part)
    (left, top, right, bottom), kept = cropped(mask)
    return Region((x0 + left, y0 + top, x0 + right, y0 + bottom), kept)
