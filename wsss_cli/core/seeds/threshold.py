"""Seeds by thresholds alone."""

from __future__ import annotations

import numpy as np

from ..labels import BACKGROUND, IGNORE, label_of_class
from .check import check_maps
from .defaults import MODES, OVERLAPS


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
    check_maps(cam, classes)
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
