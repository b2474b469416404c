"""Decoded images kept in memory, which worker processes that are forked later share.

Decoding a JPEG takes longer than all else that training does to an image, and the pixels are the
same in every epoch.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from typing import Any

import numpy as np

CHANNELS = 3


class PixelCache:
    """Room for the pixels of images whose sizes are known.

    The memory is anonymous and shared: whichever process decodes an image first, all have it. It
    is taken as it fills. Two processes that fill one place at once write the same bytes. A copy
    sent to a process that was not forked has no room, and keeps nothing.
    """

    def __init__(self, sizes: Mapping[str, tuple[int, int]], limit: int) -> None:
        """
        Args:
            sizes: (H, W) by id; in this order images get room, as long as there is some.
            limit: bytes at most.
        """
        self._place: dict[str, tuple[int, int, int, int]] = {}  # flag, start, H, W
        start = len(sizes)  # after a byte for each image: are its pixels here?
        for flag, (image_id, (height, width)) in enumerate(sizes.items()):
            stop = start + height * width * CHANNELS
            if stop <= limit:
                self._place[image_id] = flag, start, height, width
                start = stop
        self._memory = mmap.mmap(-1, start) if self._place else None

    def __len__(self) -> int:
        """How many images there is room for."""
        return len(self._place)

    def __reduce__(self) -> tuple[Any, ...]:
        return PixelCache, ({}, 0)

    def get(self, image_id: str) -> np.ndarray | None:
        """(H, W, 3) uint8, not to be written to; None where it has not been put."""
        place = self._place.get(image_id)
        if place is None or self._memory is None or not self._memory[place[0]]:
            return None
        return self._view(place)

    def put(self, image_id: str, image: np.ndarray) -> None:
        """Keep a copy of an image, if there is room for one of its size."""
        place = self._place.get(image_id)
        if place is None or self._memory is None or image.shape != (*place[2:], CHANNELS):
            return
        self._view(place)[...] = image
        self._memory[place[0]] = 1  # last: who sees the flag sees the pixels

    def _view(self, place: tuple[int, int, int, int]) -> np.ndarray:
        _, start, height, width = place
        assert self._memory is not None
        return np.ndarray((height, width, CHANNELS), np.uint8, self._memory, start)
