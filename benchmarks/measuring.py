"""What the benchmarks share: options, medians of times, peak memory of a child process, tables."""

from __future__ import annotations

import argparse
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

REPEATS = 5


def options(document: str | None, threads: int = 1) -> argparse.ArgumentParser:
    """The command line that every script has: --json, --repeats, --threads, --device."""
    parser = argparse.ArgumentParser(description=(document or "").split("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    parser.add_argument(
        "--repeats", type=int, default=REPEATS, help="calls of which the median is given"
    )
    parser.add_argument(
        "--threads", type=int, default=threads, help=f"torch threads (default {threads})"
    )
    parser.add_argument("--device", default="cpu", type=ready, help="cpu (default), cuda or cuda:N")
    return parser


def ready(device: str) -> str:
    """The device's name, once it is set up as the stages do it: with float32 in full."""
    if device != "cpu":
        from wsss_cli.machine.devices import resolve_device

        resolve_device(device)
    return device


def finish(device: str) -> None:
    """Wait for what a GPU has been asked to do."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)


def median_times(
    function: Callable[[], Any], repeats: int = REPEATS, device: str = "cpu"
) -> tuple[float, float, Any]:
    """Median wall and CPU seconds of `repeats` calls after an unmeasured one; its result."""
    result = function()
    wall, cpu = [], []
    for _ in range(repeats):
        finish(device)
        began, began_cpu = time.perf_counter(), time.process_time()
        result = function()
        finish(device)
        cpu.append(time.process_time() - began_cpu)
        wall.append(time.perf_counter() - began)
    return statistics.median(wall), statistics.median(cpu), result


def one_time(function: Callable[[], Any], device: str = "cpu") -> tuple[float, float, Any]:
    """Wall and CPU seconds of a single call, for what takes too long to repeat; its result."""
    finish(device)
    began, began_cpu = time.perf_counter(), time.process_time()
    result = function()
    finish(device)
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

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":")[1].strip() if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "gpu": gpu,
        "threads": threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load": [round(load, 1) for load in os.getloadavg()],
    }


def print_table(rows: list[dict[str, Any]]) -> None:
    """Rows as aligned columns on stdout; a dash where a row lacks a column."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [columns, *([format_cell(row.get(column)) for column in columns] for row in rows)]
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


def target(
    work: str, ratio: float, least: float, aim: float | None, check: str, note: str = ""
) -> dict[str, Any]:
    """A line of the summary: how many times less time, memory or disk, and what was asked for.

    Args:
        work: what was done.
        ratio: plain form over ours.
        least, aim: ratios.
        check: what was found equal, in words.
        note: what else there is to say.
    """
    met = "aim" if aim is not None and ratio >= aim else "yes" if ratio >= least else "NO"
    return {
        "work": work,
        "ratio": float(ratio),
        "at least": float(least),
        "aim": aim,
        "met": met,
        "check": check,
        "note": note,
    }


def report(
    rows: list[dict[str, Any]],
    threads: int,
    path: Path | None,
    targets: list[dict[str, Any]] | None = None,
) -> None:
    """Print machine, table and summary; write all as JSON where asked."""
    facts = machine(threads)
    print("  ".join(f"{key}={value}" for key, value in facts.items()))
    print_table(rows)
    if targets:
        print()
        print_table(targets)
    if path:
        found = {"machine": facts, "rows": rows, "targets": targets or []}
        path.write_text(json.dumps(found, indent=1) + "\n")
