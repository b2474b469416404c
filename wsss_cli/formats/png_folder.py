"""Labels written as palette PNGs, with the same way of going on after an interruption."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..artifacts.files import OutputFolder

if TYPE_CHECKING:
    import numpy as np


class PngFolder(OutputFolder):
    """A folder of PNGs being written: what `artifacts.Writer` is to an artifact."""

    def put(self, image_id: str, *, label: np.ndarray, present: np.ndarray) -> None:
        """Write one image's labels; a PNG has no place for `present`.

        Raises:
            WsssError: as `OutputFolder.write`.
        """
        from ..core.images import encode_mask

        self.write(image_id, encode_mask(label))
