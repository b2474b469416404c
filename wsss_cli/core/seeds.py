"""Seeds: confident partial labels from class activation maps.

Every function takes the cam at image resolution, (K, H, W) float32 in [0, 1] with one map per
present class, and returns (H, W) uint8 labels: 0 background, 1..C class, IGNORE where unsure.
An image without classes (K = 0) is background throughout.
"""

from __future__ import annotations

import numpy as np

from .crf import PRESETS
from .labels import BACKGROUND, IGNORE, label_of_class, local_to_labels
from .refine import Refinement, refine_labels, refine_scores

# (low, high) of each mode of `threshold_seeds`
MODES: dict[str, tuple[float, float]] = {
    "fixed": (0.05, 0.30),
    "fraction-of-max": (0.05, 0.20),
    "quantile": (0.10, 0.20),
}
OVERLAPS = ("strongest", "smallest-first")
IRN_FG, IRN_BG = 0.30, 0.05
OAA_FLOOR, OAA_CONFLICT, OAA_MAP = 0.3, 0.9, 0.8  # of scores in 0..1
OAA_SALIENT, OAA_SHARE = 32, 0.01  # of 255; of pixels
PSA_ALPHA_LOW, PSA_ALPHA_HIGH = 4.0, 32.0  # the paper has 24, its code 32


def threshold_seeds(
    cam: np.ndarray,
    classes: np.ndarray,
    *,
    mode: str = "fixed",
    low: float | None = None,
    high: float | None = None,
    overlap: str = "strongest",
) -> np.ndarray:
    """Seeds by thresholds alone.

    With m the maximum over classes at a pixel:

    - fixed: class c where cam_c >= high, background where m < low.
    - fraction-of-max: class c where cam_c > high * max cam_c (SEC's rule, often called "top
      20 %"), background where m < low.
    - quantile: class c on the `high` share of pixels where cam_c is largest (and above 0),
      background on the `low` share where m is smallest; pixels equal to the last one taken are
      taken too.

    A pixel that is both background and class is the class; what is neither is IGNORE.

    Args:
        cam: (K, H, W) float in [0, 1].
        classes: (K,) class indices.
        mode: a key of `MODES`, which holds each mode's default low and high.
        overlap: which of several classes takes a pixel: the 'strongest' there (of equals, the
            first), or the one that covers the fewest pixels ('smallest-first').

    Raises:
        ValueError: an unknown mode or overlap, thresholds outside [0, 1] or (fixed) low above
            high, or cam and classes that disagree on K.

    Source: the foreground cue of SEC (Kolesnikov and Lampert, ECCV 2016) for fraction-of-max.

    >>> cam = np.array([[[0.9, 0.2, 0.01]]], dtype=np.float32)
    >>> threshold_seeds(cam, np.array([14]), low=0.05, high=0.3)
    array([[ 15, 255,   0]], dtype=uint8)
    """
    low, high = _thresholds(mode, low, high)
    if overlap not in OVERLAPS:
        raise ValueError(f"overlap {overlap!r}: one of {', '.join(OVERLAPS)}")
    _check(cam, classes)
    if len(classes) == 0:
        return np.full(cam.shape[1:], BACKGROUND, np.uint8)
    strongest = cam.max(axis=0)
    if mode == "quantile":
        foreground = np.stack([_top_share(one, high) for one in cam])
        background = _top_share(-strongest, low, above=-np.inf)
    else:
        if mode == "fixed":
            foreground = cam >= cam.dtype.type(high)
        else:
            # In float64, so that the maximum itself is always above the fraction of it.
            peaks = cam.max(axis=(1, 2), keepdims=True).astype(np.float64)
            foreground = cam > high * peaks
        background = strongest < strongest.dtype.type(low)
    label = np.where(background, np.uint8(BACKGROUND), np.uint8(IGNORE))
    return _paint(label, cam, foreground, label_of_class(classes), overlap)


def _thresholds(mode: str, low: float | None, high: float | None) -> tuple[float, float]:
    if mode not in MODES:
        raise ValueError(f"mode {mode!r}: one of {', '.join(MODES)}")
    low = MODES[mode][0] if low is None else low
    high = MODES[mode][1] if high is None else high
    if not (0 <= low <= 1 and 0 <= high <= 1):
        raise ValueError(f"low {low}, high {high}: must lie in 0..1")
    if mode == "fixed" and low > high:
        raise ValueError(f"low {low} is above high {high}")
    return low, high


def _top_share(values: np.ndarray, share: float, above: float = 0.0) -> np.ndarray:
    """Bool (H, W): the `share` of all pixels with the largest values, ties included."""
    count = min(int(np.ceil(share * values.size)), values.size)
    if count == 0:
        return np.zeros(values.shape, bool)
    last = np.partition(values, values.size - count, axis=None)[values.size - count]
    return (values >= last) & (values > above)


def _paint(
    label: np.ndarray, cam: np.ndarray, foreground: np.ndarray, names: np.ndarray, overlap: str
) -> np.ndarray:
    """Put the (K, H, W) foreground onto label, settling pixels that several classes claim."""
    if overlap == "strongest":
        claims = np.where(foreground, cam, -1)
        return np.where(foreground.any(axis=0), names[claims.argmax(axis=0)], label)
    area = foreground.sum(axis=(1, 2))
    for k in sorted(range(len(names)), key=lambda k: (-area[k], -k)):
        label[foreground[k]] = names[k]
    return label


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
    _check(cam, classes, image)
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
    _check(cam, classes, image)
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

    from .cam import background_score

    cam = np.require(cam, np.float32, ["C", "W"])  # what torch can share
    stacks = []
    for alpha in (alpha_low, alpha_high):
        background = background_score(torch.from_numpy(cam), alpha).numpy()
        stacks.append(np.concatenate([background[None], cam]))
    if crf is not None:
        stacks = refine_scores(image, stacks, crf)
    return stacks[0], stacks[1]


def oaa_labels(cam: np.ndarray, classes: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    """Pseudo masks of OAA: the strongest of the maps and of background, where nothing is salient.

    With S the saliency in 0..1 and A_c a map stretched from its minimum and maximum to 0..1, the
    scores are 1 - S and A_c, where they reach 0.3, and else 0; the highest (of equals, the first)
    is the label. IGNORE where two scores exceed 0.9; where background is salient (S at least
    32 / 255) or a map exceeds 0.8; and everywhere, if less than a hundredth of the pixels has a
    class.

    Args:
        cam: (K, H, W) floating.
        classes: (K,) class indices.
        saliency: (H, W) uint8, 255 for what stands out most.

    Returns:
        (H, W) uint8 labels.

    Raises:
        ValueError: shapes that disagree, or a cam that is not floating.

    Source: `gen_gt.py` of OAA's published code (Jiang et al., ICCV 2019).
    """
    _check(cam, classes)
    if cam.shape[1:] != saliency.shape:
        raise ValueError(f"saliency of {saliency.shape} for maps of {cam.shape[1:]}")
    low, high = cam.min((1, 2), keepdims=True), cam.max((1, 2), keepdims=True)
    maps = np.where(high > low, (cam - low) / np.where(high > low, high - low, 1), 0)
    scores = np.concatenate([(1 - saliency / 255)[None], maps])
    scores[scores < OAA_FLOOR] = 0
    label = local_to_labels(scores.argmax(0), classes)
    salient = (saliency >= OAA_SALIENT) | (maps > OAA_MAP).any(0)
    label[(label == BACKGROUND) & salient] = IGNORE
    label[(scores > OAA_CONFLICT).sum(0) > 1] = IGNORE
    if ((label != BACKGROUND) & (label != IGNORE)).mean() < OAA_SHARE:
        label[:] = IGNORE
    return label


def _check(cam: np.ndarray, classes: np.ndarray, image: np.ndarray | None = None) -> None:
    if cam.ndim != 3 or cam.shape[0] != len(classes):
        raise ValueError(f"a cam of shape {cam.shape} does not hold {len(classes)} classes")
    if not np.issubdtype(cam.dtype, np.floating):
        raise ValueError(f"a cam is float, not {cam.dtype}")
    if image is not None and image.shape[:2] != cam.shape[1:]:
        raise ValueError(f"a cam of shape {cam.shape} does not fit an image of {image.shape}")


def background_by_saliency(label: np.ndarray, saliency: np.ndarray, below: float) -> np.ndarray:
    """Labels whose background is where nothing catches the eye, in place of what it was.

    Args:
        label: (H, W) uint8.
        saliency: (H, W) uint8, 255 for what stands out most.
        below: background where saliency / 255 is below this and no class is.

    Returns:
        (H, W) uint8; background that is salient becomes IGNORE.

    Raises:
        ValueError: shapes that differ, or `below` outside [0, 1].

    Source: the background cue of DSRG (Huang et al., CVPR 2018), with 0.06.

    >>> row = np.array([[0, 255, 3, 0]], np.uint8)
    >>> background_by_saliency(row, np.array([[0, 9, 0, 99]], np.uint8), 0.06)
    array([[  0,   0,   3, 255]], dtype=uint8)
    """
    if label.shape != saliency.shape:
        raise ValueError(f"saliency of {saliency.shape} for labels of {label.shape}")
    if not 0 <= below <= 1:
        raise ValueError(f"a saliency of {below}: must lie in 0..1")
    unsure = (label == BACKGROUND) | (label == IGNORE)
    ground = np.where(saliency < 255 * below, np.uint8(BACKGROUND), np.uint8(IGNORE))
    return np.where(unsure, ground, label)
