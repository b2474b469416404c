"""A collection of one large image and a small one, with all that can be said of images."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from wsss_cli.core.images import encode_mask
from wsss_cli.core.tiles import Tiling
from wsss_cli.formats.packing import OnError, pack
from wsss_cli.formats.sample import Collection, Sample
from wsss_cli.formats.shapes import (
    Drawing,
    Outlines,
    Shape,
    Use,
    box,
    line,
    point,
    polygon,
    region,
)
from wsss_cli.formats.tile_tags import Tiles, Unplaced

CLASSES = ("bird", "cat", "dog")
SIZE, SMALL = (45, 70), (12, 16)
TILING = Tiling(16, 5)
TILES = Tiles(TILING)
OUTLINE = np.array([[5.3, 4.1], [52.7, 9.4], [40.2, 39.8], [20.6, 20.3], [8.9, 36.2]])
HOLE = np.array([[15.2, 10.3], [30.4, 12.1], [22.8, 18.7]])


def png(size: tuple[int, int], seed: int, grey: bool = False) -> bytes:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, size if grey else (*size, 3)).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def shapes() -> tuple[Shape, ...]:
    """Outlines, regions, boxes with an object and alone, points and lines; two that touch."""
    blob = np.zeros((20, 25), bool)
    blob[2:18, 3:22] = np.random.default_rng(5).random((16, 19)) > 0.3
    return (
        polygon("cat", OUTLINE, [HOLE], object=1),
        region("dog", blob, 40, 22, object=2),
        polygon("cat", OUTLINE[:3] / 2 + 30, object=3, crowd=True),
        box("cat", 5.3, 4.1, 52.7, 39.8, object=1),
        box("dog", 60.25, 1.5, 69.5, 8.75, object=4, difficult=True),
        point("dog", 45.5, 30.5, object=2, rank=0, source="anna"),
        point("background", 69.5, 44.5, rank=1, source="ben"),
        line("cat", [[10, 8], [45, 12], [45, 30]], object=1, source="ben"),
    )


def collection(
    *, drawn: tuple[Shape, ...] | None = None, outlines: Outlines = Outlines.truth, **more: object
) -> Collection:
    """`big` with what is drawn on it, or with no more than tags; and `small`."""
    drawing = None if drawn is None else Drawing(drawn, "drawn.json")
    tags = ("cat", "dog") if drawn is None else drawing.names  # type: ignore[union-attr]
    big = Sample("sub/big", png(SIZE, 1), tuple(sorted(tags)), splits=("train",), drawing=drawing)
    small = Sample("small", png(SMALL, 2, grey=True), ("bird",), splits=("train", "val"))
    samples = (small, replace(big, **more))  # type: ignore[arg-type]
    return Collection(CLASSES, samples, ("train", "val"), {"source": "tests"}, use=Use(outlines))


def masks() -> dict[str, np.ndarray]:
    """Labels of both images: squares of classes, and a void corner."""
    big, small = np.zeros(SIZE, np.uint8), np.ones(SMALL, np.uint8)
    big[3:30, 5:33], big[25:40, 30:64], big[:4, 60:] = 2, 3, 255
    return {"sub/big": big, "small": small}


def with_masks(found: Collection) -> Collection:
    """The same with label images of their own."""
    labels = {name: encode_mask(label) for name, label in masks().items()}
    return replace(found, samples=tuple(replace(s, mask=labels[s.id]) for s in found.samples))


def packed(
    found: Collection, out: Path, tiles: Tiles | None = TILES, unplaced: Unplaced | None = None
) -> Path:
    """The data set of a collection."""
    if tiles is not None and unplaced is not None:
        tiles = replace(tiles, unplaced=unplaced)
    pack(replace(found, tiles=tiles), "tests", out, False, OnError.stop, None, 1, True, True)
    return out
