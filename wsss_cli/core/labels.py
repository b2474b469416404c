"""Class indices and labels: the two numberings, and the one place that converts them.

A *class index* 0..C-1 numbers the classifier's outputs and the maps of a cam. A *label* 0..C
numbers the pixels of a mask: 0 is background, `IGNORE` marks pixels that carry no label.
"""

from __future__ import annotations

import numpy as np

from .label_numbers import BACKGROUND, IGNORE, MAX_CLASSES

__all__ = [
    "BACKGROUND", "IGNORE", "MAX_CLASSES", "class_of_label", "label_of_class", "labels_to_local",
]  # fmt: skip


def label_of_class(index: np.ndarray) -> np.ndarray:
    """uint8 labels (1..C) of class indices (0..C-1), any shape.

    Raises:
        ValueError: an index below 0 or above what a uint8 label can hold.

    >>> label_of_class(np.array([0, 19]))
    array([ 1, 20], dtype=uint8)
    """
    index = np.asarray(index)
    if index.size and (index.min() < 0 or index.max() >= MAX_CLASSES):
        raise ValueError(f"class indices must lie in 0..{MAX_CLASSES - 1}")
    return (index + 1).astype(np.uint8)


def class_of_label(label: np.ndarray) -> np.ndarray:
    """uint16 class indices (0..C-1) of foreground labels (1..C), any shape.

    Raises:
        ValueError: a background or IGNORE label, which has no class.

    >>> class_of_label(np.array([1, 20], np.uint8))
    array([ 0, 19], dtype=uint16)
    """
    label = np.asarray(label)
    if label.size and (label.min() < 1 or label.max() == IGNORE):
        raise ValueError("background and IGNORE are labels of no class")
    return (label.astype(np.int64) - 1).astype(np.uint16)


def labels_to_local(label: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Number an image's labels by its K present classes: 0 background, k+1 for classes[k].

    Args:
        label: uint8 labels, any shape.
        classes: (K,) class indices present.

    Returns:
        uint8 of the same shape; IGNORE stays; labels of classes not present become IGNORE.
    """
    table = np.full(256, IGNORE, np.uint8)
    table[BACKGROUND] = BACKGROUND
    table[label_of_class(classes)] = np.arange(1, len(classes) + 1, dtype=np.uint8)
    return table[label]


def local_to_labels(local: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Undo `labels_to_local`: 0 stays background, k+1 becomes the label of classes[k]."""
    table = np.full(256, IGNORE, np.uint8)
    table[BACKGROUND] = BACKGROUND
    table[1 : len(classes) + 1] = label_of_class(classes)
    return table[local]
