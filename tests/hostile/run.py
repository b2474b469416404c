"""Try the commands under hostile conditions, and say what must not be.

    python tests/hostile/run.py                          20 tries of everything
    python tests/hostile/run.py --part kills --tries 200
    python tests/hostile/run.py --part mutations --only cam --from 17 --tries 1

Ends with a table and exit code 1 where anything was found; each finding comes with the command
that repeats it alone.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

SHARED_MEMORY = Path("/dev/shm")  # Linux's file system in memory, where many small files are quick


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; returns its exit code."""
    asked = _asked(arguments)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # a process with threads cannot be forked
    os.environ.pop("WSSS_DATA", None)
    from hostile import child
    from hostile.recipes import without_recipe
    from hostile.world import World

    child.warm()
    if lacking := without_recipe():
        print(f"give it a recipe in tests/hostile/recipes.py: {', '.join(lacking)}")
        return 1
    tries = _tries(asked)
    if not tries:
        print("nothing to try: --only names nothing of these parts")
        return 1
    place = asked.folder or (SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None)
    root = Path(tempfile.mkdtemp(prefix="hostile-", dir=place))
    try:
        world = World(root)
        world.build()
        rows = _share(world, tries, asked)
    finally:
        if not asked.keep:
            shutil.rmtree(root, ignore_errors=True)
    return _report(rows, asked)


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", action="append", help=f"one of {', '.join(PARTS)}; repeatable")
    parser.add_argument("--only", action="append", help="a recipe or a format; repeatable")
    parser.add_argument("--tries", type=int, default=20, help="of each recipe or format")
    parser.add_argument("--ci", action="store_true", help="a small sample of each part, a minute")
    parser.add_argument("--from", dest="first", type=int, default=0, help="number of the first")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes that try at the same time")
    parser.add_argument("--seconds", type=float, default=1e9, help="no try starts after so long")
    parser.add_argument("--folder", type=Path, help="where the tries' folders are made")
    parser.add_argument("--keep", action="store_true", help="keep the world that was built")
    asked = parser.parse_args(arguments)
    for part in asked.part or []:
        if part not in PARTS:
            parser.error(f"--part {part}: there are {', '.join(PARTS)}")
    return asked


# The parts, with the tries that --ci takes of each: less than a minute on two idle cores.
PARTS = {
    "kills": 12, "points": 30, "signals": 3, "mutations": 50, "inputs": 24, "environments": 5,
}  # fmt: skip


def module_of(part: str) -> Any:
    """The module of a part; has `names` and `attempt`."""
    import importlib

    return importlib.import_module(f"hostile.{part}")


Try = tuple[str, str, int]


def _tries(asked: argparse.Namespace) -> list[Try]:
    """Part, name and number of each, in a random order, so that an early end has seen of all."""
    found = [
        (part, name, number)
        for part in asked.part or PARTS
        for name in module_of(part).names()
        if not asked.only or name in asked.only
        for number in range(asked.first, asked.first + asked.tries)
    ]
    Random(asked.seed).shuffle(found)
    if asked.ci:
        of = {part: [one for one in found if one[0] == part] for part in PARTS}
        found = [one for part, most in PARTS.items() for one in of[part][:most]]
    return found


def _share(world: Any, tries: Sequence[Try], asked: argparse.Namespace) -> list[dict[str, Any]]:
    """All tries, divided among forked processes; a row each."""
    end = time.monotonic() + asked.seconds
    children = []
    for job in range(asked.jobs):
        notes = world.root / f"rows-{job}"
        worker = os.fork()
        if worker == 0:
            code = 1
            try:
                world.apart(f"job-{job}")
                _work(world, tries[job :: asked.jobs], asked.seed, end, notes)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        children.append((worker, notes))
    rows = []
    for worker, notes in children:
        _, status = os.waitpid(worker, 0)
        if status:
            raise SystemExit("a process of the harness died; see above")
        rows += [json.loads(line) for line in notes.read_text().splitlines()]
    return rows


def _work(world: Any, tries: Sequence[Try], seed: int, end: float, notes: Path) -> None:
    with open(notes, "w") as stream:
        for part, name, number in tries:
            if time.monotonic() > end:
                break
            random = Random(f"{seed} {part} {name} {number}")
            start = time.monotonic()
            found = list(module_of(part).attempt(world, name, number, random))
            for one in found:
                print(f"{one.kind}: {part} {name}: {one.text}")
                print(f"    {_again(part, name, number, seed)}", flush=True)
            row = {"part": part, "name": name, "seconds": time.monotonic() - start}
            stream.write(json.dumps({**row, "kinds": sorted({one.kind for one in found})}) + "\n")


def _again(part: str, name: str, number: int, seed: int) -> str:
    only = f"'{name}'" if " " in name else name
    return (
        f"python tests/hostile/run.py --part {part} --only {only} --from {number} --tries 1 "
        f"--seed {seed}"
    )


def _report(rows: Sequence[dict[str, Any]], asked: argparse.Namespace) -> int:
    """Print the table; returns the exit code."""
    from hostile.judge import KINDS

    counts: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        line = counts.setdefault((row["part"], row["name"]), {})
        line["tries"] = line.get("tries", 0) + 1
        for kind in row["kinds"]:
            line[kind] = line.get(kind, 0) + 1
    print()
    print(f"{'':38}{'tries':>7}" + "".join(f"{kind:>10}" for kind in KINDS))
    for part in PARTS:
        mine = {name: line for (of, name), line in counts.items() if of == part}
        for name in sorted(mine):
            print(f"{part + ' ' + name:38}" + _cells(mine[name], KINDS))
        if mine:
            total = {k: sum(line.get(k, 0) for line in mine.values()) for k in ("tries", *KINDS)}
            print(f"{part + ', all':38}" + _cells(total, KINDS))
    bad = sum(bool(row["kinds"]) for row in rows)
    seconds = sum(row["seconds"] for row in rows)
    print(f"\n{len(rows)} tries, {bad} with findings, {seconds:.0f} s in all; seed {asked.seed}")
    return int(bad > 0)


def _cells(line: dict[str, int], kinds: Sequence[str]) -> str:
    return f"{line['tries']:>7}" + "".join(f"{line.get(kind) or '.':>10}" for kind in kinds)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    sys.exit(main())
