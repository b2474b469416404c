"""What training could not learn from its images, said before it begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..console import warn
from ..core.label_numbers import IGNORE
from ..core.teachable import unteachable

if TYPE_CHECKING:
    from ..artifacts import Artifact, DatasetReader


def doubt_tags(data: DatasetReader, ids: Sequence[str]) -> None:
    """Warn of classes that are on all images to train on, or on none."""
    held, unsaid = Counter[int](), Counter[int]()
    for image_id in ids:
        held.update(data.tags(image_id).tolist())
        unsaid.update(data.not_said(image_id).tolist())
    numbers = range(len(data.classes))
    counts = [held[index] for index in numbers]
    absent = [len(ids) - held[index] - unsaid[index] for index in numbers]
    for text in unteachable(data.classes, counts, len(ids), absent):
        warn(f"{data.path}: in training, {text}")


def doubt_labels(labels: Artifact, ids: Sequence[str]) -> None:
    """Warn where all labels to train on are one and the same, or none is there.

    Reads until it has seen two labels.

    Args:
        labels: artifact of kind label.
        ids: those of its images that are trained on.
    """
    import numpy as np

    seen: set[int] = set()
    for image_id in ids:
        label = labels.field(image_id, "label")
        if label is not None:
            seen |= set(np.unique(label).tolist()) - {IGNORE}
        if len(seen) > 1:
            return
    if not seen:
        warn(
            f"{labels.path}: no pixel of the {len(ids)} images to train on has a label, all are "
            f"{IGNORE}: there is nothing to learn"
        )
        return
    names = ["background", *labels.classes]
    only = seen.pop()
    named = names[only] if only < len(names) else str(only)
    warn(
        f"{labels.path}: every label of the {len(ids)} images to train on is {named}: a network "
        "learns to predict nothing else"
    )
