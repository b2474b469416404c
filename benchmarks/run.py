"""Run every benchmark, then print one table of what was asked for and what was measured.

    python benchmarks/run.py [--json FILE] [--device cuda] [NAME ...]

Each bench_NAME.py runs in a process of its own, one after the other. Ends with 1 where a check
failed or a ratio is below what it should at least be.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import machine, print_table

FOLDER = Path(__file__).parent
ON_DEVICE = ("cam", "pairs", "predict", "train", "walk")  # the others have nothing to do on a GPU


def names() -> list[str]:
    return sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))


def run(name: str, folder: Path, device: str) -> dict[str, Any] | None:
    """The figures of a script; None where it failed."""
    figures = folder / f"{name}.json"
    command = [sys.executable, str(FOLDER / f"bench_{name}.py"), "--json", str(figures)]
    if name in ON_DEVICE:
        command += ["--device", device]
    print(f"\n== {name}", flush=True)
    began = time.perf_counter()
    done = subprocess.run(command, check=False)
    print(f"({time.perf_counter() - began:.0f} s)", flush=True)
    return json.loads(figures.read_text()) if done.returncode == 0 else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names()))
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names()):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}")
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.names or names():
            found[name] = run(name, Path(folder), arguments.device)
    failed = [name for name, figures in found.items() if figures is None]
    targets = [row for figures in found.values() if figures for row in figures.get("targets", [])]
    print()
    if targets:
        print_table(targets)
    if arguments.json:
        everything = {"machine": machine(0), "targets": targets, "benchmarks": found}
        arguments.json.write_text(json.dumps(everything, indent=1) + "\n")
    missed = [row["work"] for row in targets if row["met"] == "NO"]
    for what, where in (("failed", failed), ("below what it should be", missed)):
        if where:
            print(f"{what}: {', '.join(where)}")
    raise SystemExit(bool(failed or missed))


if __name__ == "__main__":
    main()
