"""Pictures to look at: marks drawn over images."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw

from .filling import filled
from .labels import BACKGROUND
from .mark_kinds import BOX, IGNORED, LINE, POINT, REGION
from .marks import Mark
from .render import outline, resize_label, stripes

Colour = tuple[int, int, int]
Place = tuple[float, float]

GROUND: Colour = (0, 0, 0)  # of marks of the background, whose edge is light
UNSURE: Colour = (142, 142, 142)  # of marks that say that nothing is said
DARK, LIGHT = (16, 16, 16), (255, 255, 255)  # edges, so that a mark shows on any image
DIMMED = 0.75  # brightness of an image under marks
FILL = 0.4  # of a mark's colour within a polygon or region
THIN = 110  # pixels of a picture's longer side for each pixel of a line's width


def paint_marks(
    image: np.ndarray, marks: Iterable[Mark], size: tuple[int, int], colours: np.ndarray
) -> np.ndarray:
    """Marks over a dimmed image: points as dots; lines; outlines of boxes; filled areas.

    Classes have their colours, the background is black with a light edge, and what says that
    nothing is said is grey, its areas striped. Areas lie under boxes, these under lines, and
    points on top.

    Args:
        image: (h, w, 3) uint8, the image at the size of the picture.
        marks: in the frame of the image itself.
        size: (H, W) of that frame.
        colours: (C, 3) uint8 by class index.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: a mark with the label of no class.
    """
    ordered = sorted(marks, key=lambda mark: -mark.kind)
    if any(mark.label > len(colours) for mark in ordered):
        raise ValueError(f"a mark with the label of none of {len(colours)} classes")
    scale = np.array(image.shape[1::-1]) / np.array(size[::-1])
    picture = image * np.float32(DIMMED)
    areas = [mark for mark in ordered if mark.kind > BOX]
    for mark in areas:
        inside = _area(mark, scale, size, image.shape[:2])
        colour = np.array(_colours(mark, colours)[0], np.float32)
        filling = stripes(inside.shape)[inside, None] if mark.label == IGNORED else colour
        picture[inside] = picture[inside] * (1 - FILL) + filling * FILL
        if mark.kind == REGION:
            picture[inside & outline(inside)] = colour
    page = Image.fromarray(picture.round().astype(np.uint8))
    pen, width = ImageDraw.Draw(page), max(1, round(max(page.size) / THIN))
    for mark in ordered:
        if mark.kind != REGION:
            # Pillow's whole numbers are centres of pixels
            rings = [[(float(x), float(y)) for x, y in ring * scale - 0.5] for ring in mark.rings]
            _draw(pen, mark.kind, rings, _colours(mark, colours), width)
    return np.array(page)


def _colours(mark: Mark, colours: np.ndarray) -> tuple[Colour, Colour]:
    """A mark's own colour, and that of its edge."""
    if mark.label == BACKGROUND:
        return GROUND, LIGHT
    if mark.label == IGNORED:
        return UNSURE, DARK
    red, green, blue = colours[mark.label - 1].tolist()
    return (red, green, blue), DARK


def _area(
    mark: Mark, scale: np.ndarray, size: tuple[int, int], small: tuple[int, int]
) -> np.ndarray:
    """(h, w) bool: the picture's pixels that a polygon or region covers."""
    if mark.kind == REGION:
        return resize_label(mark.pixels(size).astype(np.uint8), small).astype(bool)
    return filled([ring * scale for ring in mark.rings], small)


def _draw(
    pen: ImageDraw.ImageDraw,
    kind: int,
    rings: list[list[Place]],
    colours: tuple[Colour, Colour],
    width: int,
) -> None:
    """A mark in pixels of the picture: first a wider one as its edge, then itself."""
    for colour, wide in ((colours[1], width + 2), (colours[0], width)):
        for ring in rings:
            if kind == POINT:
                ((x, y),), r = ring, round(1.5 * width) + (wide - width) // 2
                pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
            elif kind == BOX:
                (x0, y0), (x1, y1) = ring
                corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
                pen.line(corners, fill=colour, width=wide, joint="curve")
            else:
                ends = [] if kind == LINE else [ring[0]]
                pen.line([*ring, *ends], fill=colour, width=wide, joint="curve")
