"""Which images of a data set have labels of a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .supervision import MARKS, MASKS, OBJECTS, TAGS, TRUE_BOXES

if TYPE_CHECKING:
    from .store import Artifact

NO_CLASS, ABSENT = "tags, of no class", "tags verified absent"
FIELDS = {ABSENT: "absent", MASKS: "mask", TRUE_BOXES: "true_box", OBJECTS: "true_object"}
COLUMNS = 7  # of a data set's table of marks, the first of which is the kind, in the order of MARKS


def holders(data: Artifact, what: str) -> np.ndarray | None:
    """(n,) bool, which items have such labels; None of labels that a data set does not hold."""
    if what in (TAGS, NO_CLASS):
        return np.asarray(data.column("tags").shapes()[:, 0] <= (0 if what == NO_CLASS else np.inf))
    field = "mark" if what in MARKS else FIELDS.get(what)
    if field not in {one.name for one in data.schema.fields}:
        return None
    column = data.column(field)
    shapes = column.shapes()
    if what not in MARKS:
        return np.asarray(shapes.min(axis=1) >= 0)
    found = np.zeros(len(shapes), bool)
    if column.holds_values:
        owner = np.repeat(np.arange(len(shapes)), shapes[:, 0].clip(0))
        kinds = column.values().reshape(-1, COLUMNS)[:, 0]
        found[owner[kinds == MARKS.index(what)]] = True
    return found
