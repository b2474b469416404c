"""A sample of tests/hostile: kills, signals, damaged files and odd places (docs/testing.md)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import wsss_cli

RUN = Path(__file__).with_name("hostile") / "run.py"
PATH = str(Path(wsss_cli.__file__).resolve().parents[1])
# Tries of each part. On two idle cores all of them take less than a minute.
SAMPLE = {"kills": 24, "points": 40, "mutations": 60}


@pytest.mark.parametrize("part", SAMPLE)
def test_nothing_is_lost_misread_or_left(part: str, tmp_path: Path) -> None:
    command = [sys.executable, str(RUN), "--part", part, "--sample", str(SAMPLE[part])]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=1800,
        env={**os.environ, "PYTHONPATH": PATH},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{SAMPLE[part]} tries, 0 with findings" in done.stdout
