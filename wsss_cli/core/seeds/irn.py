"""IRN's seeds: two thresholds, each after a CRF, where they agree."""

from __future__ import annotations

import numpy as np

from ..crf import PRESETS
from ..labels import BACKGROUND, IGNORE, local_to_labels
from ..refine import Refinement, refine_labels
from .check import check_maps
from .defaults import IRN_BG, IRN_FG


def irn_seeds(
    image: np.ndarray,
    cam: np.ndarray,
    classes: np.ndarray,
    *,
    fg: float = IRN_FG,
    bg: float = IRN_BG,
    crf: Refinement | None = PRESETS["irn"],
) -> np.ndarray:
    """IRN's confident labels: two hard label maps, each refined by a CRF, where they agree.

    Args:
        image: (H, W, 3) uint8.
        cam: (K, H, W) float in [0, 1].
        classes: (K,) class indices.
        fg: background score of the first map, whose classes are taken.
        bg: background score of the second, whose background is taken where the first has no
            class either; what is left is IGNORE.
        crf: or PAMR in its place; None compares the maps as they are.

    Raises:
        ValueError: shapes that disagree, or bg above fg.

    Source: IRN (Ahn et al., CVPR 2019), section 4.1.
    """
    check_maps(cam, classes, image)
    if not 0 <= bg <= fg <= 1:
        raise ValueError(f"bg {bg}, fg {fg}: need 0 <= bg <= fg <= 1")
    if len(classes) == 0:
        return np.full(cam.shape[1:], BACKGROUND, np.uint8)
    winner = cam.argmax(axis=0).astype(np.uint8) + np.uint8(1)
    strongest = cam.max(axis=0)
    certain, possible = (
        np.where(strongest > cam.dtype.type(score), winner, np.uint8(0)) for score in (fg, bg)
    )
    if crf is not None:
        n = len(classes) + 1
        refined = refine_labels(image, [certain, possible], n, crf)
        certain, possible = (q.argmax(axis=0) for q in refined)
    unsure = np.where(possible == 0, np.uint8(BACKGROUND), np.uint8(IGNORE))
    return np.where(certain > 0, local_to_labels(certain, classes), unsure)
