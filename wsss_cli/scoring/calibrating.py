"""A threshold chosen with the masks of a few images, which are then left out of the score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import WsssError
from ..options.ids import select_ids
from .counts import MapCounts

if TYPE_CHECKING:
    from ..artifacts import Artifact, DatasetReader

HINT = "the images that choose the threshold are not scored"


def drawn(scored: Sequence[str], truth: DatasetReader, count: int, seed: int) -> list[str]:
    """`count` of the images to score that have a mask, sorted; the same in whatever order.

    Raises:
        WsssError: none would be left to score.
    """
    masked = sorted(image_id for image_id in scored if truth.has_mask(image_id))
    if count >= len(masked):
        raise WsssError(
            f"{truth.path}: {len(masked)} of the images to score have a mask; --calibrate {count} "
            "leaves none of them",
            HINT,
        )
    places = np.random.default_rng(seed).choice(len(masked), count, replace=False)
    return [masked[place] for place in sorted(places)]


def listed(scored: Sequence[str], truth: DatasetReader, name: str) -> list[str]:
    """The images to score that a file lists, sorted.

    Raises:
        WsssError: it cannot be read, names others or such without a mask, or leaves none.
    """
    ids = sorted(select_ids(scored, name, Path("the images to score")))
    blind = [image_id for image_id in ids if not truth.has_mask(image_id)]
    if blind:
        raise WsssError(
            f"{name}: {len(blind)} of {len(ids)} images have no mask in {truth.path}, "
            f"first {blind[0]!r}"
        )
    if not any(truth.has_mask(image_id) for image_id in set(scored) - set(ids)):
        raise WsssError(f"{name}: lists all images to score that have a mask", HINT)
    return ids


def best_threshold(
    predictions: Artifact,
    truth: DatasetReader,
    ids: Sequence[str],
    sweep: Sequence[float],
    average: str,
) -> tuple[float, int]:
    """The best threshold of some images' maps, and how many of them have a mask.

    Raises:
        WsssError: no mask among them holds a class.
    """
    counts = MapCounts(predictions, truth, sweep)
    for image_id in ids:
        counts.add(image_id)
    counts.check("that choose the threshold")
    threshold = counts.oracle(sweep, average).threshold
    assert threshold is not None
    return threshold, len(counts.outcome.counted)
