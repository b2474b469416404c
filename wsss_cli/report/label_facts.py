"""What labels a data set holds: tags, marks and truth, counted without its images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from ..artifacts import Artifact


def label_facts(data: Artifact) -> dict[str, Any]:
    """Counts of a data set's labels, by what they are; marks and truth only where there are some.

    Returns:
        `tags`: pairs of image and class of each value, and images that have one or none; `marks`:
        of each kind, and images that have some; `truth`: images with masks, boxes and objects, and
        how many of these there are.
    """
    facts = {"tags": _tags(data), "marks": _marks(data), "truth": _truth(data)}
    return {name: counts for name, counts in facts.items() if counts}


def _rows(data: Artifact, field: str) -> np.ndarray:
    """(n,) of each item the length of a field's first axis, -1 where it lacks the field."""
    rows: np.ndarray = data.column(field).shapes()[:, 0]
    return rows


def _tags(data: Artifact) -> dict[str, int]:
    present, absent = _rows(data, "tags"), _rows(data, "absent")
    classes, known = len(data.classes), absent >= 0
    unsaid = int((classes - present - absent)[known].sum())
    counts = {
        "present": int(present.sum()),
        "absent": classes * len(data) - int(present.sum()) - unsaid,
        "not_said": unsaid,
        "images_with_some": int((present > 0).sum()),
    }
    return counts


def _marks(data: Artifact) -> dict[str, int]:
    import numpy as np

    from ..core.mark_kinds import COLUMNS, KINDS

    rows = _rows(data, "mark")
    if not (rows > 0).any():
        return {}
    kinds = data.column("mark").values().reshape(-1, len(COLUMNS))[:, 0]
    counts = np.bincount(kinds, minlength=len(KINDS)).tolist()
    found = {name: count for name, count in zip(KINDS, counts, strict=False) if count}
    return {**found, "images_with_some": int((rows > 0).sum())}


def _truth(data: Artifact) -> dict[str, int]:
    counts = {}
    masks = int((_rows(data, "mask") >= 0).sum())
    if masks:
        counts["images_with_masks"] = masks
    for field, name in (("true_box", "boxes"), ("true_object", "objects")):
        rows = _rows(data, field)
        if (rows >= 0).any():
            counts[f"images_with_{name}"] = int((rows >= 0).sum())
            counts[name] = int(rows.clip(0).sum())
    return counts
