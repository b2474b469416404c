"""What torchrun runs in tests: commands one after another, all in the same processes.

    python -m torch.distributed.run --nproc-per-node 2 tests/team.py JOBS.json

Each job is {"arguments": [...], "stop": [rank, step] or null}: with `stop`, that rank alone gets a
SIGTERM amid that step. Each rank writes its exit codes to codes.RANK.json.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch

import wsss_cli.training.loop as loop
from wsss_cli.cli import app


def main() -> None:
    rank, codes, step = int(os.environ["RANK"]), [], loop.train_step
    torch.set_num_threads(1)
    for job in json.loads(Path(sys.argv[1]).read_text()):
        calls: list[int] = []

        def stopping(*arguments: Any, job: Any = job, calls: list[int] = calls) -> float:
            calls.append(1)
            if job["stop"] == [rank, len(calls)]:
                os.kill(os.getpid(), signal.SIGTERM)
            return step(*arguments)

        loop.train_step = stopping
        code = 0
        try:
            with contextlib.redirect_stdout(sys.stderr):
                app(job["arguments"], prog_name="wsss")
        except SystemExit as end:
            code = int(end.code or 0)
        codes.append(code)
    Path(f"codes.{rank}.json").write_text(json.dumps(codes))


if __name__ == "__main__":
    main()
