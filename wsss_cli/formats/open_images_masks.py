"""Masks of Open Images: PNG files of another size than their image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..artifacts import ledger
from ..artifacts.inputs import contents

if TYPE_CHECKING:
    import numpy as np


def mask_of(path: Path, image: Path) -> np.ndarray:
    """(H, W) bool of the image: the mask's pixel that is nearest to each.

    Raises:
        ValueError: a mask that is no PNG of one band.
        OSError: unreadable.
    """
    from ..core.images import image_size

    return _resized(path, *image_size(contents(image)))


def _resized(path: Path, height: int, width: int) -> np.ndarray:
    import numpy as np

    from ..core.raster import open_image, told

    ledger.read(path)
    try:
        with told("decode"):
            found = np.asarray(open_image(contents(path), ("PNG",)))
    except ValueError as err:
        raise ValueError(f"its mask {path.name} {err}") from None
    if found.ndim != 2:
        raise ValueError(f"its mask {path.name} has {found.shape[2]} bands")
    return nearest(found > 0, height, width)


def nearest(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """A mask at another size: at each pixel's centre, the pixel of the mask that lies there.

    >>> import numpy as np
    >>> nearest(np.array([[True, False]]), 2, 4).astype(int).tolist()
    [[1, 1, 0, 0], [1, 1, 0, 0]]
    """
    import numpy as np

    rows = (2 * np.arange(height) + 1) * mask.shape[0] // (2 * height)
    columns = (2 * np.arange(width) + 1) * mask.shape[1] // (2 * width)
    found: np.ndarray = mask[rows[:, None], columns]
    return found
