"""Beside a busy neighbour: training, maps and the walk, with one process that burns a core.

    python benchmarks/bench_neighbour.py --json neighbour.json

Everything is bound to two cores. CPU seconds beside the neighbour, over those without it, should be
at most 1.3; and the wall clock should show a fair share of the cores: three threads want two. The
same without our setting (threads that wait keep their core) is measured alike.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from measuring import options, report, target

CORES = 2
MOST = 1.3  # times the CPU seconds, and times the fair share's wall clock
TINY = "--backbone tiny --backbone-weights random --batchnorm train --freeze-stages 0"
WORK = {
    "training": f"train-cls --data data.h5 {TINY} --output-stride 8 --no-dilated --crop 112 "
    "--batch-size 8 --epochs 2 --val-every 0 -o out.pt",
    "maps": "make-cam --weights cls.pt -o out.h5",
    "walk": "random-walk --cam cam.h5 --weights aff.pt -o out.h5",
}
MADE = (
    "pack --demo 48 -o data.h5",
    f"train-cls --data data.h5 {TINY} --output-stride 8 --no-dilated --crop 112 --epochs 1 "
    "-o cls.pt",
    "make-cam --weights cls.pt -o cam.h5",
    "make-seeds --cam cam.h5 --method threshold -o seeds.h5",
    "train-aff --seeds seeds.h5 --backbone tiny --backbone-weights random --crop 64 --epochs 1 "
    "-o aff.pt",
)
# A user's word on another library's waiting leaves GNU's as it is by itself.
WAITS = {"asleep (ours)": {}, "awake": {"KMP_BLOCKTIME": "200"}}


def run(words: str, folder: str, extra: dict[str, str]) -> tuple[float, float]:
    """Wall and CPU seconds of a command."""
    clean = {
        key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP"))
    }
    command = [sys.executable, "-m", "wsss_cli", *words.split(), "--force", "-q"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, env={**clean, **extra}, check=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


@contextmanager
def neighbour(there: bool) -> Iterator[None]:
    """A process that burns a core, where wanted."""
    if not there:
        yield
        return
    burning = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        burning.kill()
        burning.wait()


def main() -> None:
    arguments = options(__doc__, threads=CORES).parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    rows, targets = [], []
    with tempfile.TemporaryDirectory() as folder:
        for words in MADE:
            run(words, folder, {})
        for name, words in WORK.items():
            times: dict[tuple[str, bool], list[tuple[float, float]]] = {}
            for _ in range(arguments.repeats):  # in turn, so that what else runs disturbs all alike
                for how, extra in WAITS.items():
                    for there in (False, True):
                        with neighbour(there):
                            found = run(words, folder, extra)
                        times.setdefault((how, there), []).append(found)
            median = {
                key: [statistics.median(column) for column in zip(*values, strict=True)]
                for key, values in times.items()
            }
            for how in WAITS:
                (wall, cpu), (slower, more) = median[how, False], median[how, True]
                rows.append(
                    {
                        "work": name,
                        "threads wait": how,
                        "CPU s alone": cpu,
                        "CPU s beside": more,
                        "times": more / cpu,
                        "wall s alone": wall,
                        "wall s beside": slower,
                        "times, wall": slower / wall,
                    }
                )
            (wall, cpu), (slower, more) = (
                median["asleep (ours)", there] for there in (False, True)
            )
            fair = wall * (CORES + 1) / CORES
            note = f"of {cpu:.1f} CPU s"
            for what, ratio in (("CPU", cpu / more), ("wall, fair share", fair / slower)):
                work = f"{name} beside a busy process: {what}"
                targets.append(target(work, ratio, 1 / MOST, 1.0, "runs to the end", note))
    report(rows, CORES, arguments.json, targets)


if __name__ == "__main__":
    main()
