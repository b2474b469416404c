"""Running commands for their time and memory, in this process and as a program of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wsss_cli import timed
from wsss_cli.errors import WsssError
from wsss_cli.timed import main


def test_the_peak_is_that_of_this_process() -> None:
    """In a process of its own, whose parent has had more."""
    program = (
        "from wsss_cli.timed import peak_bytes\n"
        "before = peak_bytes()\n"
        "block = bytearray(b'x') * (256 << 20)\n"
        "held = peak_bytes()\n"
        "del block\n"
        "print(before, held, peak_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    before, held, after = (int(word) / 2**20 for word in done.stdout.split())
    assert 4 < before < 200
    assert held > before + 250
    assert abs(after - held) < 4  # it does not fall; the kernel counts pages now and then


def test_each_command_has_its_seconds(
    tiny_data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, cpu = iter([10.0, 12.5, 20.0, 21.0]), iter([1.0, 1.25, 2.0, 4.0])
    monkeypatch.setattr(timed.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(timed.time, "process_time", lambda: next(cpu))
    monkeypatch.setattr(timed, "peak_bytes", lambda: 99)
    commands = [["info", str(tiny_data)], ["info", str(tiny_data), "--ids"]]
    assert main(commands) == {"seconds": [2.5, 1.0], "cpu": [0.25, 2.0], "peak": 99}
    assert "a/5" in capsys.readouterr().out.splitlines()


def test_an_error_comes_out(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match="no such file"):
        main([["info", str(tmp_path / "none.h5")]])
    assert main([]).keys() == {"seconds", "cpu", "peak"}


def test_as_a_program_it_answers_in_json(tmp_path: Path) -> None:
    commands = json.dumps([["info", str(tmp_path / "none.h5")]])
    done = subprocess.run(
        [sys.executable, "-m", "wsss_cli.timed", commands], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"error": f"{tmp_path / 'none.h5'}: no such file"}
