"""How processes of ours end: without a word, with 130, soon, and none stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wsss_cli.machine.ending import PATIENCE, SIGNALS, catching, guarded, patient

START = f"""
import os, signal, sys, time, threading
for number in {[int(number) for number in SIGNALS]}:
    signal.signal(number, signal.default_int_handler if number == 2 else signal.SIG_DFL)
from wsss_cli.machine import ending
ending.install()
def send(number=signal.SIGINT):
    os.kill(os.getpid(), number)
"""


def program(script: str, **options: object) -> subprocess.CompletedProcess[str]:
    """A program that has begun as ours do, and goes on with the script."""
    return subprocess.run(
        [sys.executable, "-c", START + script],
        capture_output=True,
        text=True,
        timeout=120,
        **options,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize("number", SIGNALS)
def test_where_nothing_is_open_a_signal_ends_at_once(number: signal.Signals) -> None:
    done = program(f"send({int(number)}); print('went on')")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("number", SIGNALS)
def test_in_a_body_all_is_tidied_up_first(number: signal.Signals) -> None:
    done = program(f"""
def body():
    try:
        send({int(number)})
        print("went on", flush=True)
    finally:
        send()  # a second one, while the first is dealt with
        print("tidied up", flush=True)
ending.guarded(body)
print("went on", flush=True)
""")
    assert (done.returncode, done.stdout, done.stderr) == (130, "tidied up\n", "")


@pytest.mark.parametrize(
    "after",
    [
        "raise RuntimeError('a library took it for its own error')",
        "return",
        "sys.exit(1)",
    ],
)
def test_whatever_comes_of_the_signal_is_silent(after: str) -> None:
    done = program(f"""
def body():
    try:
        send()
    except KeyboardInterrupt:
        {after}
ending.guarded(body)
""")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_noise_of_tidying_up_is_not_heard() -> None:
    done = program("""
class Loud:
    def __del__(self):
        raise AttributeError("half made")
def body():
    loud = Loud()
    thread = threading.Thread(target=lambda: (time.sleep(0.2), 1 / 0))
    thread.start()
    try:
        send()
    finally:
        del loud
        thread.join()
ending.guarded(body)
""")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_bug_is_still_told() -> None:
    done = program("ending.guarded(lambda: 1 / 0)")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_a_body_that_does_not_end_is_ended() -> None:
    began = time.monotonic()
    done = program("""
def body():
    while True:
        try:
            send()
            time.sleep(60)
        except KeyboardInterrupt:
            pass
ending.guarded(body)
""")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
    assert time.monotonic() - began >= PATIENCE


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C library's own lock")
def test_a_long_call_into_a_library_is_ended_too() -> None:
    done = program("""
import ctypes
threading.Timer(0.2, send).start()
def body():  # waits for a lock that this very thread holds, and never returns to Python
    lock = ctypes.create_string_buffer(64)
    ctypes.CDLL(None).pthread_mutex_lock(lock)
    ctypes.CDLL(None).pthread_mutex_lock(lock)
    print("went on", flush=True)
ending.guarded(body)
""")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_who_saves_has_more_time() -> None:
    done = program(f"""
def body():
    try:
        send()
    finally:
        with ending.patient(60):
            time.sleep({PATIENCE + 0.5})
        print("saved", flush=True)
ending.guarded(body)
""")
    assert (done.returncode, done.stdout, done.stderr) == (130, "saved\n", "")


def test_signals_that_are_ignored_from_the_start_stay_ignored() -> None:
    script = START.replace("from wsss_cli", "signal.signal(1, signal.SIG_IGN)\nfrom wsss_cli", 1)
    done = subprocess.run(
        [sys.executable, "-c", f"{script}\nsend(1); print('nohup')"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "nohup\n")


def test_a_signal_that_another_process_told_of_comes_late_and_interrupts_nothing() -> None:
    done = program("""
def body():
    try:
        ending.stop()
    finally:
        send()
        print("tidied up", flush=True)
ending.guarded(body)
""")
    assert (done.returncode, done.stdout, done.stderr) == (130, "tidied up\n", "")


def test_a_wish_to_wait_is_asked_for() -> None:
    done = program("""
def body():
    with ending.catching(lambda: True):
        send()
        print("not yet", flush=True)
    print("now", flush=True)
ending.guarded(body)
""")
    assert (done.returncode, done.stdout, done.stderr) == (130, "not yet\nnow\n", "")


def test_in_a_program_of_others_nothing_changes() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    assert guarded(lambda: 3) == 3
    with patient(1):
        pass
    with catching(lambda: True):
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="Linux's list of processes")
@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "an error"])
def test_no_worker_outlives_its_parent(how: str) -> None:
    """Of the pool, with the server that forks it, and of torch's loader."""
    script = (
        START
        + """
from wsss_cli.machine.pool import WorkerPool
from wsss_cli.training.data import Samples, loader
import torch
def body():
    with WorkerPool(time.sleep, 2) as pool:
        samples = Samples(lambda name, rng: {"image": torch.zeros(1)}, ["a"] * 100)
        batches = loader(samples, [[(0, 0)]] * 10_000, 2, pin=False)
        next(batches)
        print("ready", flush=True)
        if sys.argv[1] == "an error":
            raise OSError("it went wrong")
        list(pool.map([(60,), (60,)]))
ending.guarded(body)
"""
    )
    mark = f"wsss-test-{os.getpid()}-{how}"
    process = subprocess.Popen(
        [sys.executable, "-c", script, how],
        env={**os.environ, "WSSS_TEST_MARK": mark, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    if how != "an error":
        assert len(of_mark(mark)) > 4
        process.send_signal(getattr(signal, how))
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == {"SIGKILL": -9, "SIGTERM": 130, "an error": 1}[how]
    if how == "an error":
        assert stderr.count("Traceback") == 1
    else:
        assert stderr == ""
    deadline = time.monotonic() + 60  # they are gone at once; a busy machine may be slow to tell
    while of_mark(mark):
        assert time.monotonic() < deadline, of_mark(mark)
        time.sleep(0.05)


def of_mark(mark: str) -> list[str]:
    """Processes that live and have the mark in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text().replace("\0", " ")[:80])
        except OSError:
            pass
    return found


@pytest.mark.parametrize("group", [True, False])
def test_a_signal_while_the_program_imports_is_silent(tmp_path: Path, group: bool) -> None:
    """The program reads a module of ours that signals its own process, or group, and waits."""
    script = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.argv = ['wsss', 'info', 'none.h5']\n"
        "class Finder:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'wsss_cli.cli':\n"
        f"            (os.killpg if {group} else os.kill)(os.getpid(), signal.SIGINT)\n"
        "            time.sleep(60)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from wsss_cli.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, start_new_session=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
