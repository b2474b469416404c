"""Running a stage for its time and memory: what `wsss plan` starts once a stage.

    python -m wsss_cli.timed '[["make-cam", "--ids", "a.txt"], ...]'

Runs the commands one after the other in this process, and prints the seconds of each, as the clock
and as the processor counts them, and the peak of resident memory as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .errors import WsssError
from .machine.ending import follow_parent


def peak_bytes() -> int:
    """The most memory that this process ever had.

    Not ru_maxrss on Linux: a child inherits that from the process that it was forked from.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(commands: Sequence[Sequence[str]]) -> dict[str, object]:
    """Seconds of each command, by clock and of this process's CPU time, and the peak."""
    from . import cli  # noqa: F401  # tells planning the program
    from .planning.chain import command

    seconds, cpu = [], []
    for name, *words in commands:
        start, start_cpu = time.perf_counter(), time.process_time()
        command(name).main(words, standalone_mode=False)
        seconds.append(time.perf_counter() - start)
        cpu.append(time.process_time() - start_cpu)
    return {"seconds": seconds, "cpu": cpu, "peak": peak_bytes()}


if __name__ == "__main__":
    follow_parent()
    try:
        answer: dict[str, object] = main(json.loads(sys.argv[1]))
    except WsssError as err:
        answer = {"error": str(err)}
    print(json.dumps(answer))
