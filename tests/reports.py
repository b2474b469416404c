"""Reports of eval made by hand, from matrices of images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wsss_cli.core.image_counts import ImageCounts, cells_of
from wsss_cli.core.metrics import scores

NAMES = ["background", "cat", "dog"]


def report_on(
    matrices: Mapping[str, np.ndarray], run: str = "1", point: str = "labels", **protocol: Any
) -> dict[str, Any]:
    """What eval writes of images whose (3, 4) matrices are these, as far as others read it."""
    ids = sorted(matrices)
    counts = ImageCounts.of(3, [cells_of(matrices[image_id]) for image_id in ids])
    said = {"average": "union", "void": "not counted", "resolution": "own", **protocol}
    found = scores(counts.total(), said["average"])
    kind = "wsss/label" if point == "labels" else "wsss/cam"
    return {
        "format": "wsss/eval",
        "version": 2,
        "miou": found.miou,
        "predictions": {"file": "p.h5", "kind": kind, "run": run},
        "data": {"file": "d.h5", "run": "of data"},
        "protocol": said,
        "labels": NAMES,
        "scores": {point: {"how": "as in the file", "threshold": None, **found.as_dict()}},
        "ids": ids,
        "per_image": {point: counts.as_lists()},
    }


def write_report_on(path: Path, matrices: Mapping[str, np.ndarray], **options: Any) -> Path:
    """Its JSON."""
    path.write_text(json.dumps(report_on(matrices, **options)))
    return path


def predictions(
    images: int, seed: int, quality: float = 0.6, truth: int = 0
) -> dict[str, np.ndarray]:
    """(3, 4) matrices of images `i000`, ...; those of one `truth` have the same true pixels.

    Args:
        quality: share of the true pixels that are hit.
    """
    rng = np.random.default_rng([truth, 99])
    true = rng.integers(1, 400, (images, 3)) * (rng.random((images, 3)) < 0.7)
    true[:, 0] += 100
    rng = np.random.default_rng([seed, 98])
    found = {}
    for image in range(images):
        matrix = np.zeros((3, 4), np.int64)
        for label in range(3):
            others = [(1 - quality) / 3] * 4
            others[label] = quality
            matrix[label] = rng.multinomial(true[image, label], others)
        found[f"i{image:03}"] = matrix
    return found
