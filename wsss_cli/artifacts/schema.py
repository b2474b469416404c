"""The kinds of artifact: one constant each, used by the writer, the reader and docs/formats.md."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Field:
    """One array that every item of an artifact has (or, if optional, may have).

    Attributes:
        name: its HDF5 group.
        dtypes: numpy dtype names that it may have; all items of a file share one.
        ndim: number of axes.
        optional: whether an item may lack it.
        compress: whether gzip pays; encoded images are compressed already.
    """

    name: str
    dtypes: tuple[str, ...]
    ndim: int
    optional: bool = False
    compress: bool = True

    def check(self, value: np.ndarray) -> None:
        """Raise ValueError where `value` is not of this field's dtype or number of axes."""
        if value.dtype.name not in self.dtypes or value.ndim != self.ndim:
            raise ValueError(
                f"field {self.name}: got {value.dtype.name} with {value.ndim} axes, "
                f"needs {' or '.join(self.dtypes)} with {self.ndim}"
            )


@dataclass(frozen=True)
class Schema:
    """What a kind of artifact promises. Bump `version` when an old reader would be wrong."""

    name: str
    version: int
    made_by: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field:
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise ValueError(f"{self.name} has no field {name!r}")


DATASET = Schema(
    "wsss/dataset",
    version=1,
    made_by="pack",
    fields=(
        Field("image", ("uint8",), 1, optional=True, compress=False),
        Field("path", ("uint8",), 1, optional=True),
        Field("digest", ("uint8",), 1, optional=True, compress=False),
        Field("tags", ("uint16",), 1),
        Field("size", ("int32",), 1),
        Field("mask", ("uint8",), 1, optional=True, compress=False),
    ),
)

CAM = Schema(
    "wsss/cam",
    version=1,
    made_by="make-cam",
    fields=(
        Field("cam", ("float16", "uint8"), 3),
        Field("classes", ("uint16",), 1),
        Field("size", ("int32",), 1),
        Field("background", ("float16", "uint8"), 2, optional=True),
    ),
)

LABEL = Schema(
    "wsss/label",
    version=1,
    made_by="make-seeds, random-walk or predict",
    fields=(Field("label", ("uint8",), 2), Field("present", ("uint16",), 1)),
)

SCHEMAS = {schema.name: schema for schema in (DATASET, CAM, LABEL)}
