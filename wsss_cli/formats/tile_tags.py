"""What the tiles of a large image are tagged with: the classes that have a place in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..core.cutting import bounds_of, cut_boxes, cut_marks, cut_objects
from ..core.tiles import Tiling, Window, tile_id
from ..errors import WsssError
from .fitting import Fitted
from .reading import Unplaced
from .sample import Sample

SHOWN = 3  # images that are named; the others are counted


@dataclass(frozen=True)
class Tiles:
    """How images are cut.

    Attributes:
        tiling: the grid.
        unplaced: see there; None where such images are refused.
    """

    tiling: Tiling
    unplaced: Unplaced | None = None

    def record(self) -> dict[str, Any]:
        """For the artifact: plain values."""
        said = {} if self.unplaced is None else {"tile_tags": self.unplaced.value}
        return {**self.tiling.record(), **said}


class Part(NamedTuple):
    """One tile of an image.

    Attributes:
        window: the part of the image that it shows.
        tags: classes that it is known to show, in the image's order.
        absent: as `Sample` has it.
    """

    window: Window
    tags: tuple[str, ...]
    absent: tuple[str, ...] | None


class Cut(NamedTuple):
    """An image cut into tiles.

    Attributes:
        parts: its tiles, in order.
        unplaced: tags of the image that have no place in it.
    """

    parts: tuple[Part, ...]
    unplaced: tuple[str, ...]


def cut_sample(
    sample: Sample,
    size: tuple[int, int],
    labels: np.ndarray | None,
    fitted: Fitted | None,
    classes: Sequence[str],
    tiles: Tiles,
) -> Cut | None:
    """The tiles of an image with what they are tagged with; None where it stays whole.

    A tile shows a class that its image is tagged with if pixels of the true mask, a true object, a
    true box or a mark of that class lie in it. Where there is a true mask, or all objects have a
    box, a tile shows no other class. Where there are marks alone, it may: an object can reach
    beyond them. Nothing is said then of the image's other tags.

    Args:
        size: (H, W) of the image.
        labels: of its own mask.
        fitted: what was drawn on it.
        classes: names by class index.
    """
    if not tiles.tiling.cuts(size):
        return None
    truth = labels if labels is not None or fitted is None else fitted.label
    known = truth is not None or (fitted is not None and fitted.boxes is not None)
    windows = tiles.tiling.windows(size)
    bounds = bounds_of(() if fitted is None else fitted.marks)
    seen = [_seen(truth, fitted, bounds, one, size, classes) for one in windows]
    placed = set().union(*seen)
    unplaced = () if known else tuple(tag for tag in sample.tags if tag not in placed)
    every = set(unplaced) if tiles.unplaced is Unplaced.inherit else set()
    parts = []
    for window, shown in zip(windows, seen, strict=True):
        tags = tuple(tag for tag in sample.tags if tag in shown or tag in every)
        parts.append(Part(window, tags, _absent(sample, tags, classes, known)))
    return Cut(tuple(parts), unplaced)


def _seen(
    truth: np.ndarray | None,
    fitted: Fitted | None,
    bounds: np.ndarray,
    window: Window,
    size: tuple[int, int],
    classes: Sequence[str],
) -> set[str]:
    """The classes that have a place in a window."""
    numbers: set[int] = set()
    if truth is not None:
        held = np.flatnonzero(np.bincount(truth[window.slices].ravel(), minlength=256))
        numbers |= {label - 1 for label in held.tolist() if 0 < label <= len(classes)}
    if fitted is not None:
        marks, _ = cut_marks(fitted.marks, window, size, bounds)
        objects, _ = cut_objects(fitted.objects, window)
        numbers |= {one.label - 1 for one in marks if one.label > 0}
        numbers |= {one.class_index for one in objects}
        if fitted.boxes is not None:
            boxes, _ = cut_boxes(fitted.boxes, window)
            ends = np.ceil(boxes.corners.astype(np.float64) - 0.5)
            covers = (ends[:, 2:] > ends[:, :2]).all(axis=1)
            numbers |= set(boxes.classes[covers].tolist())
    return {classes[number] for number in numbers}


def _absent(
    sample: Sample, tags: tuple[str, ...], classes: Sequence[str], known: bool
) -> tuple[str, ...] | None:
    others = tuple(tag for tag in sample.tags if tag not in tags)
    if known:
        return None if sample.absent is None else (*sample.absent, *others)
    if not others or sample.absent is not None:
        return sample.absent
    return tuple(name for name in classes if name not in sample.tags)


def items_of(
    samples: Iterable[Sample], cuts: Mapping[str, Cut | None], name: str, tiles: Tiles
) -> list[Sample]:
    """The tiles of samples that are cut, and the others as they are, sorted by id.

    Raises:
        WsssError: tags without a place, and nothing says what tiles make of them; or an image
            that is called like a tile.
    """
    items: list[Sample] = []
    bad: dict[str, str] = {}
    for sample in samples:
        cut = cuts[sample.id]
        if cut is None:
            items.append(sample)
            continue
        if cut.unplaced and tiles.unplaced is None:
            bad[sample.id] = cut.unplaced[0]
        items += [
            replace(sample, id=tile_id(sample.id, one.window), tags=one.tags, absent=one.absent)
            for one in cut.parts
        ]
    if bad:
        named = ", ".join(f"{image_id} ({tag!r})" for image_id, tag in list(bad.items())[:SHOWN])
        raise WsssError(
            f"{name}: {len(bad)} images would be cut and have tags that no mark or mask gives a "
            f"place, first {named}",
            "which tile shows them is not known; --tile-tags unsaid says so of every tile, "
            "--tile-tags inherit tags every tile of the image; or pack without --tile",
        )
    items.sort(key=lambda one: one.id.encode())
    for one, other in pairwise(items):
        if one.id == other.id:
            raise WsssError(f"{name}: an image is called {one.id!r}, as a tile is", "rename it")
    return items
