"""Label images of objects beside those of classes, as VOC's SegmentationObject has them.

Each object has a number, or a colour, of its own; 0, and VOC's border of 255, are of none. Its
class is that of its pixels in the mask.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..artifacts.inputs import contents
from ..core.label_numbers import IGNORE
from ..core.mask_values import ValueTable
from .place import Place
from .sample import Collection, Sample
from .shapes import BACKGROUND, Drawing, Later, Shape, polygon, region

CLASSES, OBJECTS = "SegmentationClass", "SegmentationObject"  # folders of the masks, one of each
BORDER = (224, 224, 192)  # VOC's colour of 255


def with_objects(found: Collection, masks: Path | None) -> Collection:
    """A collection whose masks lie in SegmentationClass/, with the objects of the folder beside."""
    if masks is None or masks.name != CLASSES:
        return found
    place = Place(masks.parent)
    files = {place.root / name for name in place.names if OBJECTS in name.split("/")[:-1]}
    if not files:
        return found
    samples = tuple(_with(one, masks, files, found) for one in found.samples)
    return replace(found, samples=samples)


def _with(sample: Sample, masks: Path, files: Container[Path], found: Collection) -> Sample:
    if not isinstance(sample.mask, Path) or not sample.mask.is_relative_to(masks):
        return sample
    file = masks.parent / OBJECTS / sample.mask.relative_to(masks)
    if file not in files:
        return sample
    later = partial(
        drawn_objects, file, sample.mask, found.masks.table, found.classes, sample.drawing
    )
    return replace(sample, drawing=later)


def all_background(said: str) -> Drawing:
    """Of an image that is known to show nothing but background."""
    corners = [(0, 0), (1, 0), (1, 1), (0, 1)]
    return Drawing((polygon(BACKGROUND, corners),), said, fraction=True)


def drawn_objects(
    file: Path,
    mask: Path,
    table: ValueTable,
    classes: Sequence[str],
    boxes: Drawing | Later | None,
) -> Drawing:
    """The objects of an image, behind its boxes.

    Args:
        file: their label image.
        mask: that of classes.
        table: what its numbers and colours stand for.
        boxes: what else was drawn.

    Raises:
        ValueError: one of these cannot be used, they differ in size, or an object has several
            classes, or none.
    """
    import numpy as np
    from scipy.ndimage import find_objects

    from ..core.label_images import decode_stored, read_labels

    said = f"{file.parent.name}/{file.name}"
    try:
        stored = decode_stored(contents(file))
    except ValueError as err:
        raise ValueError(f"{said} {err}") from None
    if stored.numbers is not None:
        codes, border = stored.numbers.astype(np.int64), IGNORE
    else:
        assert stored.colours is not None
        codes, border = stored.colours.astype(np.int64) @ (1 << 16, 1 << 8, 1), _code(BORDER)
    labels = read_labels(contents(mask), table)[1]
    if codes.shape != labels.shape:
        raise ValueError(f"{said} is not of the size of the mask {mask.name}")
    codes[codes == border] = 0
    values, places = np.unique(codes, return_inverse=True)
    places = places.reshape(codes.shape) + (values[0] != 0)  # 0 stays what is no object
    shapes: list[Shape] = []
    frames = find_objects(places.astype(np.int32))
    for place, (number, frame) in enumerate(zip(values[values != 0], frames, strict=True), 1):
        part = places[frame] == place
        held = np.unique(labels[frame][part])
        held = held[held != IGNORE]
        if len(held) != 1 or not 0 < held[0] <= len(classes):
            known = dict(enumerate(["background", *classes]))
            names = " and ".join(known.get(label, str(label)) for label in held.tolist()[:2])
            raise ValueError(f"{said}: object {number} is {names or 'nothing'} in the mask")
        name = classes[held[0] - 1]
        top, left = frame[0].start, frame[1].start
        shapes.append(region(name, part, left, top, said=f"object {number} ({name})"))
    drawn = boxes() if callable(boxes) else boxes
    if drawn is None:
        return Drawing(tuple(shapes), said)
    return replace(drawn, shapes=(*drawn.shapes, *shapes))


def _code(colour: tuple[int, int, int]) -> int:
    red, green, blue = colour
    return red << 16 | green << 8 | blue
