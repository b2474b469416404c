"""What is asked of the C library's heap."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

MEGABYTES, TIMES = 64, 8
# pages that the kernel clears while blocks are made and freed, one at a time
PROGRAM = f"""
import resource
from wsss_cli.machine.heap import keep_heap
kept = KEEP and keep_heap()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({TIMES}):
    block = b"x" * ({MEGABYTES} << 20)
    del block
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def cleared(keep: bool, **environment: str) -> tuple[bool, int]:
    """Whether the heap was kept, and the pages cleared."""
    inherited = {name: at for name, at in os.environ.items() if not name.startswith("MALLOC_")}
    program = PROGRAM.replace("KEEP", str(keep))
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    kept, pages = map(int, done.stdout.split())
    return bool(kept), pages


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks this of glibc alone")
def test_a_kept_heap_clears_its_pages_once() -> None:
    kept, pages = cleared(keep=True)
    assert kept
    kept, all_anew = cleared(keep=False)
    assert not kept
    assert pages < all_anew / 3
    kept, _ = cleared(keep=True, MALLOC_TRIM_THRESHOLD_="131072")
    assert not kept, "what the user sets was overruled"
