"""What every rule asks of its maps."""

from __future__ import annotations

import numpy as np


def check_maps(cam: np.ndarray, classes: np.ndarray, image: np.ndarray | None = None) -> None:
    """Raise ValueError for maps that do not fit their classes or their image."""
    if cam.ndim != 3 or cam.shape[0] != len(classes):
        raise ValueError(f"a cam of shape {cam.shape} does not hold {len(classes)} classes")
    if not np.issubdtype(cam.dtype, np.floating):
        raise ValueError(f"a cam is float, not {cam.dtype}")
    if image is not None and image.shape[:2] != cam.shape[1:]:
        raise ValueError(f"a cam of shape {cam.shape} does not fit an image of {image.shape}")
