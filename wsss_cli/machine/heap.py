"""How the C library keeps memory for this process."""

from __future__ import annotations

import ctypes
import os

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of mallopt, in glibc's malloc.h
KEPT = 2**31 - 1  # free bytes at the end of the heap; what C's int holds
LARGEST = 2**30  # bytes of an allocation that comes from the heap


def keep_heap() -> bool:
    """Have freed memory stay with this process; whether the C library does so.

    glibc maps each block above 32 MiB anew and gives it back when freed, and a network's maps on
    the CPU are many such blocks: a quarter of a training step goes to the kernel, which clears
    their pages. Kept, they cost up to a sixth more memory. MALLOC_TRIM_THRESHOLD_ or
    MALLOC_MMAP_THRESHOLD_, where one of them is set, says otherwise; where there is no glibc,
    nothing is done.
    """
    if any(name in os.environ for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return False
    return bool(mallopt(MMAP_THRESHOLD, LARGEST) and mallopt(TRIM_THRESHOLD, KEPT))
