"""From a segmentation network's probabilities to labels."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from .labels import BACKGROUND, IGNORE, local_to_labels
from .refine import Refinement, refine_scores


def prediction_labels(
    probabilities: np.ndarray,
    classes: np.ndarray,
    size: tuple[int, int],
    *,
    image: np.ndarray | None = None,
    crf: Refinement | None = None,
    min_confidence: float = 0.0,
) -> np.ndarray:
    """The most probable label of every pixel.

    Args:
        probabilities: (K + 1, h, w) float32, background first, summing to 1.
        classes: (K,) class indices that the other ones are of; no other label comes out.
        size: (H, W) of the result; probabilities of another size are enlarged bilinearly.
        image: (h, w, 3) uint8, for the CRF or PAMR.
        crf: the one or the other; refines the probabilities before anything else; None leaves them.
        min_confidence: pixels whose best label is less probable become 255.

    Returns:
        (H, W) uint8, 0 background; of equally probable labels the first.

    Raises:
        ValueError: probabilities that do not fit the classes, or a refinement without an image.

    >>> p = np.array([[[0.3, 0.6]], [[0.7, 0.4]]], np.float32)
    >>> prediction_labels(p, np.array([14]), (1, 2), min_confidence=0.65)
    array([[ 15, 255]], dtype=uint8)
    """
    if probabilities.ndim != 3 or len(probabilities) != len(classes) + 1:
        shape = probabilities.shape
        raise ValueError(f"probabilities of {shape} for background and {len(classes)} classes")
    if not len(classes):
        return np.full(size, BACKGROUND, np.uint8)
    if crf is not None:
        if image is None:
            raise ValueError("a refinement needs the image")
        probabilities = refine_scores(image, [probabilities], crf)[0]
    winner, confidence = _strongest(probabilities, size)
    labels = local_to_labels(winner, classes)
    labels[confidence < np.float32(min_confidence)] = IGNORE
    return labels


def _strongest(stack: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) uint8 index of the greatest of a stack's planes, and its value.

    Plane by plane: all planes of a large image at once would take gigabytes.
    """
    winner = np.zeros(size, np.uint8)
    greatest = _enlarged(stack[0], size).copy()
    better = np.empty(size, np.bool_)
    for index in range(1, len(stack)):
        plane = _enlarged(stack[index], size)
        np.greater(plane, greatest, out=better)
        np.maximum(greatest, plane, out=greatest)
        # indices rise, so the latest to be better is the greatest; without a mask it is fast
        np.maximum(winner, better * np.uint8(index), out=winner)
    return winner, greatest


def _enlarged(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if plane.shape == size:
        return plane
    pixels = torch.from_numpy(np.ascontiguousarray(plane))[None, None]
    return F.interpolate(pixels, size=size, mode="bilinear", align_corners=False)[0, 0].numpy()
