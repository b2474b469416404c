"""The kinds of artifact: one constant each, used by the writer, the reader and docs/formats.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MAX_STRIDE = 256  # pixels; maps are enlarged by whole cells, however small the image
CLASSES, SIZE = "classes", "size"  # what a field's values are
BOXES, NUMBERS = "boxes", "class numbers"


@dataclass(frozen=True)
class Field:
    """One array that every item of an artifact has (or, if optional, may have).

    Attributes:
        name: its HDF5 group.
        dtypes: numpy dtype names that it may have; all items of a file share one.
        axes: the length of each axis, or a letter: in an item, axes of one letter are of one
            length in all fields. h and w are rows and columns of the grid of `params.stride` that
            covers the item's image.
        optional: whether an item may lack it.
        compress: whether gzip pays; encoded images are compressed already.
        holds: CLASSES, class indices, rising; SIZE, an image's height and width; BOXES, x0, y0, x1,
            y1 within it; NUMBERS, class indices in any order; empty: any values.
        later: files from before there was such a field lack it altogether, as do files of whose
            items none has it.
    """

    name: str
    dtypes: tuple[str, ...]
    axes: tuple[str | int, ...]
    optional: bool = False
    compress: bool = True
    holds: str = ""
    later: bool = False

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.axes)

    def check(self, value: np.ndarray) -> None:
        """Raise ValueError where `value` is not of this field's dtype or number of axes."""
        if value.dtype.name not in self.dtypes or value.ndim != self.ndim:
            raise ValueError(
                f"field {self.name}: got {value.dtype.name} with {value.ndim} axes, "
                f"needs {' or '.join(self.dtypes)} with {self.ndim}"
            )


@dataclass(frozen=True)
class Schema:
    """What a kind of artifact promises. Bump `version` when an old reader would be wrong.

    Attributes:
        name, version: in the file's attributes.
        made_by: the commands that write it.
        fields: of each item.
        one_of: optional fields of which every item has at least one.
        together: groups of optional fields of which an item has all or none.
    """

    name: str
    version: int
    made_by: str
    fields: tuple[Field, ...]
    one_of: tuple[str, ...] = ()
    together: tuple[tuple[str, ...], ...] = ()

    def field(self, name: str) -> Field:
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise ValueError(f"{self.name} has no field {name!r}")


DATASET = Schema(
    "wsss/dataset",
    version=2,
    made_by="pack",
    fields=(
        Field("image", ("uint8",), ("bytes",), optional=True, compress=False),
        Field("path", ("uint8",), ("letters",), optional=True),
        Field("digest", ("uint8",), (32,), optional=True, compress=False),
        Field("tags", ("uint16",), ("T",), holds=CLASSES),
        Field("absent", ("uint16",), ("A",), optional=True, holds=CLASSES, later=True),
        Field("size", ("int32",), (2,), holds=SIZE),
        Field("mask", ("uint8",), ("mask bytes",), optional=True, compress=False),
        Field("true_box", ("float32",), ("B", 4), optional=True, holds=BOXES, later=True),
        Field("true_box_class", ("uint16",), ("B",), optional=True, holds=NUMBERS, later=True),
        Field("true_box_difficult", ("uint8",), ("B",), optional=True, later=True),
        Field("true_object", ("int32",), ("O", 7), optional=True, later=True),
        Field("true_object_run", ("uint32",), ("runs of objects",), optional=True, later=True),
        Field("mark", ("int32",), ("M", 7), optional=True, later=True),
        Field("mark_ring", ("int32",), ("rings",), optional=True, later=True),
        Field("mark_xy", ("float32",), ("points", 2), optional=True, later=True),
        Field("mark_run", ("uint32",), ("runs of marks",), optional=True, later=True),
        Field("tile", ("int32",), (4,), optional=True, later=True),
        Field("whole", ("uint8",), ("letters of whole",), optional=True, later=True),
        Field("true_box_number", ("int32",), ("B",), optional=True, later=True),
        Field("true_object_number", ("int32",), ("O",), optional=True, later=True),
        Field("mark_number", ("int32",), ("M",), optional=True, later=True),
    ),
    one_of=("image", "path"),
    together=(
        ("true_box", "true_box_class", "true_box_difficult"),
        ("true_object", "true_object_run"),
        ("mark", "mark_ring", "mark_xy", "mark_run"),
        ("tile", "whole"),
    ),
)

CAM = Schema(
    "wsss/cam",
    version=1,
    made_by="make-cam",
    fields=(
        Field("cam", ("float16", "uint8"), ("K", "h", "w")),
        Field("classes", ("uint16",), ("K",), holds=CLASSES),
        Field("size", ("int32",), (2,), holds=SIZE),
        Field("background", ("float16", "uint8"), ("h", "w"), optional=True),
    ),
)

LABEL = Schema(
    "wsss/label",
    version=1,
    made_by="make-seeds, random-walk or predict",
    fields=(
        Field("label", ("uint8",), ("H", "W")),
        Field("present", ("uint16",), ("K",), holds=CLASSES),
    ),
)

SCHEMAS = {schema.name: schema for schema in (DATASET, CAM, LABEL)}
