"""What artifacts hold, painted over their images: the rows of a contact sheet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..artifacts.maps import cam_stride, checked_item
from ..core import render, render_marks
from ..core.labels import IGNORE
from ..core.mark_kinds import IGNORED
from ..errors import WsssError
from .sheet import Row, contact_sheet

if TYPE_CHECKING:
    from ..artifacts import Artifact, DatasetReader

# What needs a line in the legend: class indices; GROUND for marks of the background; None for what
# carries no label.
Shown = set[int | None]
GROUND = -1


def draw(
    truth: DatasetReader,
    sources: Sequence[Artifact],
    ids: Iterable[str],
    room: tuple[int, int],
    marks: bool = True,
) -> np.ndarray:
    """The sheet, (H, W, 3) uint8.

    Args:
        room: (h, w) of one picture.
        marks: whether to draw a column of the data set's marks, where it holds any.

    Raises:
        WsssError: an item that does not fit its image.
    """
    colours = render.class_colours(len(truth.classes))
    rows: list[Row] = []
    shown: Shown = set()
    for image_id in ids:
        pictures, found = _pictures(truth, sources, image_id, room, colours, marks)
        shown |= found
        rows.append(Row(pictures, f"{image_id}   {_tagged(truth, image_id)}"))
    titles = ["image", "marks", *short_names([source.path for source in sources]), "truth"]
    for place in (len(titles) - 1, 1):  # truth and marks: what no row has gets no column
        if all(row.pictures[place] is None for row in rows):
            del titles[place]
            rows = [
                Row([*row.pictures[:place], *row.pictures[place + 1 :]], row.caption)
                for row in rows
            ]
    legend: list[tuple[str, tuple[int, int, int] | None]] = [
        ("background", render_marks.GROUND)
        if index == GROUND
        else (truth.classes[index], tuple(colours[index].tolist()))
        for index in sorted(index for index in shown if index is not None)
    ]
    if None in shown:
        legend.append(("ignore", None))
    return contact_sheet(titles, rows, legend, room)


def _tagged(truth: DatasetReader, image_id: str) -> str:
    """An image's tags in words."""
    said = ", ".join(truth.classes[tag] for tag in truth.tags(image_id)) or "no class"
    unsaid = len(truth.not_said(image_id))
    classes = "class" if unsaid == 1 else "classes"
    return f"{said} ({unsaid} {classes} not said)" if unsaid else said


def short_names(paths: Sequence[Path]) -> list[str]:
    """Each path's last parts, as many as tell it from the others of its name.

    >>> short_names([Path("a/x/cam.h5"), Path("b/x/cam.h5"), Path("b/x/seeds.h5")])
    ['a/x/cam.h5', 'b/x/cam.h5', 'seeds.h5']
    """
    names = []
    for path in paths:
        for length in range(1, len(path.parts) + 1):
            end = path.parts[-length:]
            if sum(other.parts[-length:] == end for other in paths) == 1:
                break
        else:  # the same file twice
            end = path.parts[-1:]
        names.append("/".join(end))
    return names


def _pictures(
    truth: DatasetReader,
    sources: Sequence[Artifact],
    image_id: str,
    room: tuple[int, int],
    colours: np.ndarray,
    marks: bool,
) -> tuple[list[np.ndarray | None], Shown]:
    """One row: the image, its marks, what each file makes of it, its truth; what these show."""
    image = truth.image(image_id)
    small = render.resize_image(image, render.fit(image.shape[:2], room))
    picture, shown = _paint_marks(truth, image_id, small, colours) if marks else (None, set())
    pictures: list[np.ndarray | None] = [small, picture]
    for source in sources:
        picture = None
        if image_id in source:
            with _naming(source, image_id):
                picture, found = _paint(source, image_id, small, image, colours)
            shown |= found
        pictures.append(picture)
    mask, picture = truth.mask(image_id), None
    if mask is not None:
        with _naming(truth, image_id):
            picture, found = _paint_label(small, mask, image, colours)
        shown |= found
    return [*pictures, picture], shown


def _paint_marks(
    truth: DatasetReader, image_id: str, small: np.ndarray, colours: np.ndarray
) -> tuple[np.ndarray | None, Shown]:
    """The picture of an image's marks, None where it has none; and what it shows."""
    marks = truth.marks(image_id)
    if marks is None or not len(marks):
        return None, set()
    shown: Shown = {None if mark.label == IGNORED else mark.label - 1 for mark in marks}
    return render_marks.paint_marks(small, marks, truth.size(image_id), colours), shown


@contextmanager
def _naming(source: Artifact, image_id: str) -> Iterator[None]:
    """Say which item of which file does not fit its image."""
    try:
        yield
    except ValueError as err:
        raise WsssError(f"{source.path}: image {image_id!r}: {err}") from None


def _paint(
    source: Artifact, image_id: str, small: np.ndarray, image: np.ndarray, colours: np.ndarray
) -> tuple[np.ndarray, Shown]:
    """The picture of labels or maps, and what it shows."""
    if source.kind == "wsss/label":
        return _paint_label(small, source[image_id]["label"], image, colours)
    item, _ = checked_item(source, image_id)
    return _paint_maps(small, item, cam_stride(source), image, colours)


def _paint_label(
    small: np.ndarray, label: np.ndarray, image: np.ndarray, colours: np.ndarray
) -> tuple[np.ndarray, Shown]:
    """The picture, and what it shows."""
    if label.shape != image.shape[:2]:
        raise ValueError(f"labels of {label.shape} for an image of {image.shape[:2]}")
    little = render.resize_label(label, small.shape[:2])
    shown: Shown = {None if v == IGNORE else v - 1 for v in np.unique(little[little > 0]).tolist()}
    return render.paint_label(small, little, colours), shown


def _paint_maps(
    small: np.ndarray,
    item: dict[str, np.ndarray],
    stride: int,
    image: np.ndarray,
    colours: np.ndarray,
) -> tuple[np.ndarray, Shown]:
    """The picture, and what it shows."""
    from ..core.cam import enlarge  # loads torch; sheets of labels are drawn without it

    large = enlarge(item["cam"], image.shape[:2], stride)
    maps = render.resize_maps(large, small.shape[:2])
    classes = item["classes"]
    return render.paint_maps(small, maps, colours[classes]), set(classes.tolist())
