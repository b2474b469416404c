"""Fully connected CRF on the CPU, by pydensecrf, and the unaries that go into it.

Mean field as pydensecrf computes it: Q = softmax(-U) at first, then per iteration
Q = softmax(-U + sum_m w_m L_m K_m L_m Q), K_m the Gaussian or bilateral kernel (the pixel itself
included), L_m = diag(1 / sqrt(K_m 1)). The kernels are evaluated on a permutohedral lattice, so
results agree with a direct sum only to a few percent, but the same input gives the same bytes.

Source: Kraehenbuehl and Koltun, NIPS 2011. The wrapper holds the GIL: use processes to run
several at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .labels import IGNORE

CLIP = 1e-5  # scores below count as this: the largest energy is 11.5
CONFIDENCE = 0.7  # probability of a hard label (IRN)
NARROWEST = 0.1  # standard deviation, in pixels or grey levels: neighbours weigh exp(-50) there
HEAVIEST = 1e6  # Potts weight: far above any energy, far below what float32 holds
# Standard deviations that the longer side may measure, by kernel. Beyond, coordinates leave the
# 16 bits that pydensecrf's lattice has for them, and it writes where it should not.
REACH = {"gaussian": 10_000, "bilateral": 3_500}


class Unfit(ValueError):
    """Parameters that make a CRF, but none for an image of this size."""


@dataclass(frozen=True)
class CrfParams:
    """One setting of the CRF.

    Attributes:
        gaussian_sxy, bilateral_sxy: standard deviations in pixels of the CRF's grid, >= NARROWEST.
        bilateral_srgb: standard deviation in grey levels of 0..255, >= NARROWEST.
        gaussian_compat, bilateral_compat: Potts weights, 0..HEAVIEST; 0 leaves the term out.
        iterations: mean field steps; 0 gives softmax(-unary).
    """

    gaussian_sxy: float = 3.0
    gaussian_compat: float = 3.0
    bilateral_sxy: float = 80.0
    bilateral_srgb: float = 13.0
    bilateral_compat: float = 10.0
    iterations: int = 10

    def __post_init__(self) -> None:
        widths = (self.gaussian_sxy, self.bilateral_sxy, self.bilateral_srgb)
        if not all(NARROWEST <= width < float("inf") for width in widths):
            raise ValueError(f"CRF standard deviations must be {NARROWEST} or more, and finite")
        if not all(0 <= w <= HEAVIEST for w in (self.gaussian_compat, self.bilateral_compat)):
            raise ValueError(f"CRF weights must lie in 0..{HEAVIEST:g}")
        if self.iterations < 0:
            raise ValueError("CRF iterations must not be below 0")

    def shrunk(self, factor: float) -> CrfParams:
        """For a grid `factor` times smaller than the image: distances shrink, colours do not."""
        return replace(
            self,
            gaussian_sxy=self.gaussian_sxy / factor,
            bilateral_sxy=self.bilateral_sxy / factor,
        )


_PSA = CrfParams(3, 3, 80, 13, 10, 10)

# Settings of published code; see the name's project for where each is used.
PRESETS: dict[str, CrfParams] = {
    "psa": _PSA,
    "seam": _PSA,
    "1-stage-wseg": _PSA,
    "rrm-train": _PSA,
    "seam-rw": replace(_PSA, iterations=1),
    "irn": CrfParams(3, 3, 50, 5, 10, 10),
    "sec-train": _PSA.shrunk(12),  # on the 41x41 grid
    "dsrg-tf-train": replace(_PSA.shrunk(12), iterations=5),
    "sec-test": _PSA,
    "deeplab-v2": CrfParams(1, 3, 67, 3, 4, 10),
    "rrm-test": CrfParams(3, 3, 83, 5, 4, 10),
    "sdi": replace(_PSA, iterations=5),
}


def dense_crf(image: np.ndarray, unary: np.ndarray, params: CrfParams) -> np.ndarray:
    """Refine per-pixel label scores by the colours of the image.

    Args:
        image: (H, W, 3) uint8; the order of the colours does not matter.
        unary: (n, H, W) float energies, lower is more likely. A constant added to all labels of
            a pixel changes nothing.
        params: kernels and iterations.

    Returns:
        (n, H, W) float32 probabilities, summing to 1 over n (all 1 for n = 1).

    Raises:
        ValueError: shapes or dtype that do not fit, or energies that are not finite.
        Unfit: standard deviations too small for an image of this size.
    """
    return dense_crf_each(image, [unary], params)[0]


def dense_crf_each(
    image: np.ndarray, unaries: Sequence[np.ndarray], params: CrfParams
) -> list[np.ndarray]:
    """`dense_crf` for several unaries of one image, which share its lattices (same results).

    Raises:
        ValueError: as `dense_crf`, or unaries of different shapes.
    """
    _check(image, unaries)
    if not unaries:
        return []
    n, height, width = unaries[0].shape
    if n < 2:
        return [np.ones((n, height, width), np.float32) for _ in unaries]
    terms = params.gaussian_compat > 0 or params.bilateral_compat > 0
    if params.iterations == 0 or not terms:
        return [_softmax(-np.asarray(unary, np.float32)) for unary in unaries]

    _check_reach(params, max(height, width))
    from pydensecrf.densecrf import DenseCRF2D

    crf = DenseCRF2D(width, height, n)
    if params.gaussian_compat > 0:
        crf.addPairwiseGaussian(sxy=params.gaussian_sxy, compat=params.gaussian_compat)
    if params.bilateral_compat > 0:
        crf.addPairwiseBilateral(
            sxy=params.bilateral_sxy,
            srgb=params.bilateral_srgb,
            rgbim=np.require(image, requirements=["C", "W"]),  # it takes no other
            compat=params.bilateral_compat,
        )
    refined = []
    for unary in unaries:
        flat = np.require(unary, np.float32, ["C", "W"]).reshape(n, -1)
        crf.setUnaryEnergy(flat)
        state = crf.startInference()
        for _ in range(params.iterations):  # one call a step: in between, signals are heard
            crf.stepInference(*state)
        refined.append(np.array(state[0], np.float32, order="C").reshape(n, height, width))
    return refined


def _check(image: np.ndarray, unaries: Sequence[np.ndarray]) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"a CRF needs an (H, W, 3) uint8 image, not {image.shape} {image.dtype}")
    for unary in unaries:
        if unary.ndim != 3 or unary.shape[1:] != image.shape[:2]:
            raise ValueError(f"a unary of {unary.shape} does not fit an image of {image.shape}")
        if unary.shape != unaries[0].shape:
            raise ValueError("unaries that share a lattice need the same number of labels")
        if not np.isfinite(unary).all():
            raise ValueError("a unary has energies that are not finite")


def _check_reach(params: CrfParams, side: int) -> None:
    """Raise Unfit where the lattice cannot tell all pixels' places apart."""
    for kernel, reach in REACH.items():
        sxy, compat = getattr(params, f"{kernel}_sxy"), getattr(params, f"{kernel}_compat")
        if compat > 0 and side > sxy * reach:
            raise Unfit(
                f"a CRF of {kernel} sxy {sxy:g} cannot work on {side} pixels: needs "
                f"{side / reach:.2g} or more"
            )


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=0))
    return powers / powers.sum(axis=0)


def unary_from_scores(scores: np.ndarray, clip: float = CLIP) -> np.ndarray:
    """-log of scores clipped to [clip, 1].

    The scores need not sum to 1: PSA's background and class scores do not.

    Args:
        scores: (n, H, W) float.

    Returns:
        (n, H, W) float32 energies in [0, -log(clip)].
    """
    return -np.log(np.clip(np.asarray(scores, np.float32), clip, 1))


def unary_from_labels(labels: np.ndarray, n: int, confidence: float = CONFIDENCE) -> np.ndarray:
    """Energies of hard labels: -log confidence for the label, the rest shared by the others.

    Args:
        labels: (H, W) integers 0..n-1, background 0 being a label like the others, or IGNORE for
            a pixel about which nothing is known (all labels equal).
        n: number of labels.
        confidence: probability of the given label, in (0, 1).

    Returns:
        (n, H, W) float32; for n = 1 all 0.

    Raises:
        ValueError: a label that is neither below n nor IGNORE, or a confidence outside (0, 1).

    Source: IRN (Ahn et al., CVPR 2019), where the confidence is 0.7.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence}: must lie between 0 and 1")
    labels = np.asarray(labels)
    unknown = labels == IGNORE if n <= IGNORE else np.zeros(labels.shape, bool)
    if labels.size and (labels.min() < 0 or labels[~unknown].max(initial=0) >= n):
        raise ValueError(f"labels must lie in 0..{n - 1} or be {IGNORE}")
    if n < 2:
        return np.zeros((n, *labels.shape), np.float32)
    unary = np.full((n, *labels.shape), -np.log((1 - confidence) / (n - 1)), np.float32)
    for label in range(n):
        unary[label][labels == label] = -np.log(confidence)
    unary[:, unknown] = np.log(n)
    return unary
