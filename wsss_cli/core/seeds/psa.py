"""PSA's seeds: two strengths of background, each after a CRF."""

from __future__ import annotations

import numpy as np

from ..crf import PRESETS
from ..labels import BACKGROUND, IGNORE, local_to_labels
from ..refine import Refinement, refine_scores
from .check import check_maps
from .defaults import PSA_ALPHA_HIGH, PSA_ALPHA_LOW


def psa_seeds(
    image: np.ndarray,
    cam: np.ndarray,
    classes: np.ndarray,
    *,
    alpha_low: float = PSA_ALPHA_LOW,
    alpha_high: float = PSA_ALPHA_HIGH,
    crf: Refinement | None = PRESETS["psa"],
) -> np.ndarray:
    """PSA's confident labels: two strengths of background, each refined by a CRF.

    The small alpha makes much background, so what is class there is sure; the large alpha makes
    little, so what is background there is sure, and it has the last word.

    Args:
        image: (H, W, 3) uint8.
        cam: (K, H, W) float in [0, 1].
        classes: (K,) class indices.
        alpha_low, alpha_high: exponents of the background score.
        crf: or PAMR in its place; None takes the strongest score as it is.

    Raises:
        ValueError: shapes that disagree, or not 0 < alpha_low <= alpha_high.

    Source: PSA (Ahn and Kwak, CVPR 2018), section 3.2. The labels are settled at every pixel
    here, where PSA averages probabilities over 8x8 blocks of a training crop first.
    """
    check_maps(cam, classes, image)
    if not 0 < alpha_low <= alpha_high:
        raise ValueError(f"alphas {alpha_low}, {alpha_high}: need 0 < low <= high")
    if len(classes) == 0:
        return np.full(cam.shape[1:], BACKGROUND, np.uint8)
    low, high = psa_scores(image, cam, alpha_low=alpha_low, alpha_high=alpha_high, crf=crf)
    sure_class, sure_background = low.argmax(axis=0), high.argmax(axis=0) == 0
    label = local_to_labels(sure_class, classes)
    label[sure_class == 0] = IGNORE
    label[sure_background] = BACKGROUND
    return label


def psa_scores(
    image: np.ndarray,
    cam: np.ndarray,
    *,
    alpha_low: float = PSA_ALPHA_LOW,
    alpha_high: float = PSA_ALPHA_HIGH,
    crf: Refinement | None = PRESETS["psa"],
) -> tuple[np.ndarray, np.ndarray]:
    """The two (K+1, H, W) float32 score maps, channel 0 background, that `psa_seeds` compares."""
    import torch

    from ..cam import background_score

    cam = np.require(cam, np.float32, ["C", "W"])  # what torch can share
    stacks = []
    for alpha in (alpha_low, alpha_high):
        background = background_score(torch.from_numpy(cam), alpha).numpy()
        stacks.append(np.concatenate([background[None], cam]))
    if crf is not None:
        stacks = refine_scores(image, stacks, crf)
    return stacks[0], stacks[1]
