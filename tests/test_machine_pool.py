"""The worker pool: same results, same errors, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from made import write_sloping_cam

from wsss_cli.artifacts.journal import FRAME, MAGIC
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.machine import cores
from wsss_cli.machine.cores import free_cores
from wsss_cli.machine.pool import AHEAD, WorkerPool, worker_count


class Awkward(Exception):
    """Cannot be rebuilt from what it pickles to."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("awkward")


def work(image_id: str, number: int = 0) -> tuple[int, int]:
    if image_id == "usage":
        raise UsageError("wrong", "do right")
    if image_id == "bug":
        raise KeyError("oops")
    if image_id == "awkward":
        raise Awkward(1, 2)
    if image_id == "dead":
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number, torch.get_num_threads()


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool[tuple[int, int]]]:
    with WorkerPool(work, 2) as opened:
        yield opened


def test_results_are_those_of_this_process(pool: WorkerPool[tuple[int, int]]) -> None:
    jobs = [(f"image {n}", n) for n in range(20)]
    former = torch.get_num_threads()
    with WorkerPool(work, 1) as here:
        expected = dict(here.map(jobs))
    assert dict(pool.map(jobs)) == expected
    assert expected["image 7"] == (49, 1)
    assert torch.get_num_threads() == former


def test_jobs_are_drawn_only_a_little_ahead(pool: WorkerPool[tuple[int, int]]) -> None:
    drawn = 0

    def jobs() -> Iterator[tuple[str, int]]:
        nonlocal drawn
        for number in range(30):
            drawn += 1
            yield str(number), number

    for taken, _ in enumerate(pool.map(jobs())):
        assert drawn <= taken + 2 * AHEAD
    assert drawn == 30


def niceness(image_id: str) -> int:
    return os.nice(0)


@pytest.mark.parametrize("behind", [True, False])
def test_workers_leave_the_cores_to_a_network_beside_them(behind: bool) -> None:
    own = os.nice(0)
    with WorkerPool(niceness, 2, behind) as pool:
        found = dict(pool.map([("one",), ("two",)]))
    assert set(found.values()) == {min(19, own + 10) if behind else own}
    assert os.nice(0) == own


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_come_through(workers: int) -> None:
    with WorkerPool(work, workers) as pool:
        with pytest.raises(UsageError, match="wrong") as caught:
            list(pool.map([("usage",)]))
        assert (caught.value.hint, caught.value.exit_code) == ("do right", 2)
        with pytest.raises(KeyError, match="oops") as bug:
            list(pool.map([("bug",)]))
        if workers:
            assert 'raise KeyError("oops")' in str(bug.value.__cause__)
        assert dict(pool.map([("fine", 2)]))["fine"][0] == 4  # still of use


def test_an_error_that_cannot_travel_is_told(pool: WorkerPool[tuple[int, int]]) -> None:
    with pytest.raises(RuntimeError, match="Awkward: awkward"):
        list(pool.map([("awkward",)]))


def test_a_worker_that_dies_is_told() -> None:
    with WorkerPool(work, 2) as pool:
        with pytest.raises(WsssError, match=r"died on 'dead' \(exit code -9\)") as caught:
            list(pool.map([("dead",)]))
        assert "memory" in (caught.value.hint or "")
        processes = pool._processes
    assert not any(process.is_alive() for process in processes)


def test_how_many_workers() -> None:
    assert worker_count(None, 100, heavy=False) == 1
    assert worker_count(None, 1000, heavy=True) == free_cores()
    assert worker_count(None, 3, heavy=True) == 0  # not worth starting any
    assert worker_count(5, 3, heavy=False) == 3
    assert worker_count(0, 3, heavy=True) == 0


def test_cores_that_are_for_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8))
    monkeypatch.setattr(cores, "cpu_quota", lambda: None)
    for told, workers in (("3", 3), ("8", 8), ("64", 8), ("", 8)):
        monkeypatch.setenv("WSSS_CORES", told)
        assert worker_count(None, 1000, heavy=True) == workers
        assert worker_count(5, 1000, heavy=True) == 5
    for told in ("0", "-1", "all"):
        monkeypatch.setenv("WSSS_CORES", told)
        with pytest.raises(UsageError, match=f"WSSS_CORES={told}: is no number of cores"):
            worker_count(None, 1000, heavy=True)


def holds_an_item(partial: Path) -> bool:
    """Whether a journal, if there, has begun a record after its header's."""
    data = partial.read_bytes() if partial.exists() else b""
    start = len(MAGIC) + FRAME.size
    return len(data) >= start and len(data) > start + FRAME.unpack_from(data, len(MAGIC))[0]


def test_ctrl_c_stops_all_quietly_and_keeps_what_is_done(tiny_data: Path) -> None:
    cam = write_sloping_cam(tiny_data.with_name("cam.h5"), tiny_data)
    command = [sys.executable, "-m", "wsss_cli", "make-seeds", "--cam", str(cam), "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--crf-iterations", "8000", "-o", str(tiny_data.with_name("seeds.h5"))],
        start_new_session=True,
        # tests that run in a shell's background ignore it, and so would this
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    partial = tiny_data.with_name("seeds.h5.partial")
    deadline = time.monotonic() + 600
    while not holds_an_item(partial):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    stdout, stderr = process.communicate(timeout=600)
    assert process.returncode == 130
    assert stdout == ""
    assert "Traceback" not in stderr
    assert partial.exists()
    assert not tiny_data.with_name("seeds.h5").exists()
