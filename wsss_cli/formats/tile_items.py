"""The tiles of a large image as items of a data set: pixels, mask and what was drawn, cut alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..core.cutting import bounds_of, cut_boxes, cut_marks, cut_objects
from ..core.marks import TrueBoxes
from ..core.tiles import Window
from .fitting import Fitted


@dataclass(frozen=True)
class CutFitted:
    """What was drawn on an image, in one tile.

    Attributes:
        fitted: in the tile's coordinates.
        marks, objects, boxes: of each that is there, its place among those of the image.
    """

    fitted: Fitted
    marks: list[int]
    objects: list[int]
    boxes: list[int]

    def numbers(self, outlined: bool) -> dict[str, np.ndarray]:
        """The fields that put parts together again, of kinds that the image has.

        Args:
            outlined: whether true objects are kept.
        """
        found = {"true_object_number": self.objects} if outlined else {}
        if self.fitted.marks:
            found["mark_number"] = self.marks
        if self.fitted.boxes is not None:
            found["true_box_number"] = self.boxes
        return {name: np.array(value, np.int32) for name, value in found.items()}


def cut_fitted(fitted: Fitted, window: Window, size: tuple[int, int]) -> CutFitted:
    """What of a drawing on an image of (H, W) lies in a window."""
    marks, of_marks = cut_marks(fitted.marks, window, size, bounds_of(fitted.marks))
    objects, of_objects = cut_objects(fitted.objects, window)
    boxes: TrueBoxes | None = None
    of_boxes: list[int] = []
    if fitted.boxes is not None:
        boxes, of_boxes = cut_boxes(fitted.boxes, window)
    label = None if fitted.label is None else fitted.label[window.slices]
    cut = replace(fitted, marks=tuple(marks), label=label, objects=objects, boxes=boxes)
    return CutFitted(cut, of_marks, of_objects, of_boxes)


def tile_fields(image_id: str, window: Window, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """The fields that say which part of which image of (H, W) a tile is."""
    return {
        "tile": np.array([window.y, window.x, *size], np.int32),
        "whole": np.frombuffer(image_id.encode(), np.uint8),
    }
