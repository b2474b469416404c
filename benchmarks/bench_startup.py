"""Start-up: help, completion and `info` beside `python -c "import torch"`.

    python benchmarks/bench_startup.py --json startup.json

CPU seconds of whole processes, started in turn, so that what else runs disturbs all alike.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from measuring import options, report, target

from wsss_cli.artifacts import LABEL, create


def cpu_seconds(command: list[str], extra: dict[str, str]) -> tuple[float, str]:
    """User and system time of a process that must succeed; what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, env={**os.environ, **extra}, check=True, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return spent, done.stdout


def main() -> None:
    arguments = options(__doc__).parse_args()
    wsss = str(Path(sys.executable).with_name("wsss"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "label.h5"
        with create(path, LABEL, classes=["x"], params={}, ids=["a"]) as out:
            out.put("a", label=np.zeros((4, 4), np.uint8), present=np.zeros(1, np.uint16))
        completion = {
            "_WSSS_COMPLETE": "complete_bash",
            "COMP_WORDS": "wsss make",
            "COMP_CWORD": "1",
        }
        cases: dict[str, tuple[list[str], dict[str, str], str]] = {
            "import torch": ([sys.executable, "-c", "import torch"], {}, ""),
            "wsss --help": ([wsss, "--help"], {}, "make-cam"),
            "completion": ([wsss], completion, "make-cam"),
            "wsss info": ([wsss, "info", str(path)], {}, "wsss/label"),
        }
        times: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(arguments.repeats + 1):  # the first reads everything into the page cache
            for name, (command, extra, wanted) in cases.items():
                spent, printed = cpu_seconds(command, extra)
                if wanted not in printed:
                    raise SystemExit(f"{name}: printed no {wanted!r}")
                times[name].append(spent)
    medians = {name: statistics.median(spent[1:]) for name, spent in times.items()}
    torch_time = medians.pop("import torch")
    rows: list[dict[str, object]] = [{"command": "import torch", "cpu seconds": torch_time}]
    targets = []
    for name, spent in medians.items():
        rows.append({"command": name, "cpu seconds": spent, "times faster": torch_time / spent})
        targets.append(target(name, torch_time / spent, 3, None, "printed what it should"))
    report(rows, arguments.threads, arguments.json, targets)


if __name__ == "__main__":
    main()
