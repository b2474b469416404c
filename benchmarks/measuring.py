"""What the benchmarks share: medians of times, peak memory of a child process, tables."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def median_times(function: Callable[[], Any], repeats: int = 5) -> tuple[float, float, Any]:
    """Median wall and CPU seconds of `repeats` calls after an unmeasured one; its result."""
    result = function()
    wall, cpu = [], []
    for _ in range(repeats):
        began, began_cpu = time.perf_counter(), time.process_time()
        result = function()
        cpu.append(time.process_time() - began_cpu)
        wall.append(time.perf_counter() - began)
    return statistics.median(wall), statistics.median(cpu), result


def one_time(function: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall and CPU seconds of a single call, for what takes too long to repeat; its result."""
    began, began_cpu = time.perf_counter(), time.process_time()
    result = function()
    return time.perf_counter() - began, time.process_time() - began_cpu, result


def memory_now() -> int:
    """Resident bytes of this process (Linux)."""
    return _status("VmRSS")


def memory_peak() -> int:
    """The most resident bytes this program ever had (Linux).

    Not ru_maxrss: a child inherits that from the parent it was forked from.
    """
    return _status("VmHWM")


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def in_child(script: str, *arguments: str) -> dict[str, Any]:
    """Run one of our scripts anew, so that its peak memory is its own; its JSON answer."""
    command = [sys.executable, script, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def machine(threads: int) -> dict[str, Any]:
    """Where the figures come from."""
    import torch

    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":")[1].strip() if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load": [round(load, 1) for load in os.getloadavg()],
    }


def print_table(rows: list[dict[str, Any]]) -> None:
    """Rows of equal keys as aligned columns on stdout."""
    columns = list(rows[0])
    cells = [columns, *([format_cell(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        padded = zip(line, widths, strict=True)
        print("  ".join(cell.ljust(width) for cell, width in padded).rstrip())


def format_cell(value: Any) -> str:
    """Three significant digits; a dash for what was not measured."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def report(rows: list[dict[str, Any]], threads: int, path: Path | None) -> None:
    """Print machine and table; write both as JSON where asked."""
    facts = machine(threads)
    print("  ".join(f"{key}={value}" for key, value in facts.items()))
    print_table(rows)
    if path:
        path.write_text(json.dumps({"machine": facts, "rows": rows}, indent=1) + "\n")
