"""What eval says of a classifier's answers: means over maps, by class, and their rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

ORDERS = {"maps": "", "random": "_random", "centre": "_centre"}  # and the ends of their columns
MEASURES = {  # of each order, by its column
    "insertion": "insertion",
    "deletion": "deletion",
    "average_drop": "drop",
    "average_increase": "increase",
}
FACTS = ("score", "score_deleted", "score_uninserted", "coverage")  # of each map
RULES = {
    "insertion": "area under the score while pixels are inserted, the map's strongest first; "
    "higher is better",
    "deletion": "area under the score while they are deleted; lower is better",
    "average_drop": "share of the score that is lost where only the map's share of each pixel is "
    "left, the rest deleted; lower is better",
    "average_increase": "share of maps that raise the score so; higher is better",
    "mean": "over maps: all classes that have one in an image, be they in its mask or not",
    "ties": "equal pixels come in random order",
    "random": "a random map as smooth as the network's cells, with the map's own values for drop "
    "and increase",
    "centre": "from the image's centre outwards, with the map's own values for drop and increase",
}
DELETED = {
    "mean": "deleted pixels become the mean colour",
    "blurred": "deleted pixels become those of the blurred image",
}
INSERTED = {
    "mean": "pixels are inserted into the mean colour",
    "blurred": "pixels are inserted into the blurred image",
}


def report(
    rows: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
    settings: Mapping[str, Any],
    score: str,
    weights: Mapping[str, Any],
    images: int,
    of: int,
) -> dict[str, Any]:
    """For the JSON: the rules, the means, those of each class, and each map's values.

    Args:
        rows: of each map `id`, `class`, `FACTS` and the columns of `MEASURES` and `ORDERS`.
        classes: the class names, in order.
        settings: how the classifier was asked.
        score: which of its scores was followed, in words.
        weights: what the classifier's file is.
        images: how many were asked about.
        of: how many could have been.
    """
    substrates = {
        "deletion_rule": DELETED[settings["deletion_substrate"]],
        "insertion_rule": INSERTED[settings["insertion_substrate"]],
    }
    return {
        "weights": dict(weights),
        "protocol": {"score": score, **settings, **substrates, **RULES},
        "images": images,
        "images_with_maps": of,
        **means(rows),
        "classes": {name: means(row for row in rows if row["class"] == name) for name in classes},
        "per_map": {name: [row[name] for row in rows] for name in rows[0]},
    }


def means(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over maps and how many these are, with None where there is none."""
    found = list(rows)

    def mean(column: str) -> float | None:
        return float(np.mean([row[column] for row in found])) if found else None

    return {
        "count": len(found),
        **{name: mean(name) for name in FACTS},
        "mean": {
            order: {name: mean(column + end) for name, column in MEASURES.items()}
            for order, end in ORDERS.items()
        },
    }
