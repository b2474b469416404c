"""Cores as bound, and as control groups grant them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from wsss_cli.machine import cores
from wsss_cli.machine.cores import cpu_quota, free_cores
from wsss_cli.machine.devices import resolve_device


def made(folder: Path, groups: str, files: dict[str, str]) -> tuple[Path, Path]:
    """A list of a process's groups, and the folder that control groups are mounted at."""
    (folder / "of").write_text(groups)
    for name, text in files.items():
        path = folder / "mounted" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "of", folder / "mounted"


V1 = "12:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:cpuset:/\n"
CFS = ("cpu.cfs_quota_us", "cpu.cfs_period_us")


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2.0),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {}, None),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/a/b\n", {"a/b/cpu.max": "50000 100000\n", "a/cpu.max": "150000 100000\n"}, 0.5),
        ("0::/a\n", {"cpu.max": "300000 100000\n"}, 3.0),  # the host's path, in a container
        ("0::/../a\n", {"cpu.max": "300000 100000\n"}, 3.0),
        ("0::/a:b\n", {"a:b/cpu.max": "400000 100000\n"}, 4.0),
        ("0::/\n", {"cpu.max": "nonsense\n"}, None),
        (V1, {f"cpu,cpuacct/{CFS[0]}": "250000\n", f"cpu,cpuacct/{CFS[1]}": "100000\n"}, 2.5),
        (V1, {f"cpu/docker/abc/{CFS[0]}": "100000\n", f"cpu/docker/abc/{CFS[1]}": "50000\n"}, 2.0),
        (V1, {f"cpu/{CFS[0]}": "-1\n", f"cpu/{CFS[1]}": "100000\n"}, None),
        (V1, {f"cpuset/{CFS[0]}": "100000\n", f"cpuset/{CFS[1]}": "100000\n"}, None),
        ("1:cpuset:/\n0::/\n", {"cpu.max": "100000 100000\n"}, 1.0),
    ],
)
def test_quotas_of_control_groups(
    groups: str, files: dict[str, str], expected: float | None, tmp_path: Path
) -> None:
    assert cpu_quota(*made(tmp_path, groups, files)) == expected


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "none", tmp_path) is None


@pytest.mark.parametrize(
    ("quota", "expected"), [(None, 64), (2.0, 2), (1.5, 2), (0.2, 1), (100.0, 64)]
)
def test_cores_are_what_binding_and_quota_leave(
    quota: float | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
    assert free_cores() == expected


def test_torch_takes_no_more_threads_than_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 32)
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    for quota in (2.0, None):
        monkeypatch.setattr(cores, "cpu_quota", lambda quota=quota: quota)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
        resolve_device("cpu")
    assert taken == [2]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
        ({"GOMP_SPINCOUNT": "9"}, {"GOMP_SPINCOUNT": "9"}),
        ({"KMP_BLOCKTIME": "infinite"}, {"KMP_BLOCKTIME": "infinite"}),
    ],
    ids=str,
)
def test_threads_wait_politely_unless_the_environment_says_how(
    given: dict[str, str], expected: dict[str, str]
) -> None:
    """In a process of its own, as the program sets it: before torch is there."""
    clean = {key: value for key, value in os.environ.items() if key not in cores.WAITING}
    script = (
        "import os, sys, wsss_cli.cli\n"
        f"print({{name: os.environ[name] for name in {cores.WAITING!r} if name in os.environ}})\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env={**clean, **given}, capture_output=True, text=True
    )
    assert done.stdout == f"{expected}\n", done.stderr
