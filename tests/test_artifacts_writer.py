"""Writing artifacts: refused early, kept at every interruption, whole or not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from artifacts_made import IDS, assert_items, begin, interrupted_after, item, write

from wsss_cli.artifacts import CAM, LABEL, create, open_artifact
from wsss_cli.errors import UsageError, WsssError


def test_put_checks_fields_at_the_door(tmp_path: Path) -> None:
    out = begin(tmp_path / "l.h5")
    good = item("a")
    with pytest.raises(ValueError, match="label: got float32"):
        out.put("a", label=good["label"].astype(np.float32), present=good["present"])
    with pytest.raises(ValueError, match="label: got uint8 with 1 axes"):
        out.put("a", label=good["label"].ravel(), present=good["present"])
    with pytest.raises(ValueError, match="field present of 'a' is missing"):
        out.put("a", label=good["label"])
    with pytest.raises(ValueError, match="no field 'seed'"):
        out.put("a", seed=good["label"])


def test_items_must_share_a_dtype(tmp_path: Path) -> None:
    out = create(tmp_path / "c.h5", CAM, classes=["x"], params={}, ids=["a", "b"])
    rest = {"classes": np.array([0], np.uint16), "size": np.array([4, 4], np.int32)}
    out.put("a", cam=np.zeros((1, 1, 1), np.float16), **rest)
    with pytest.raises(ValueError, match="uint8 differs from earlier items"):
        out.put("b", cam=np.zeros((1, 1, 1), np.uint8), **rest)


def test_existing_output_is_refused_without_force(tmp_path: Path) -> None:
    path = write(tmp_path / "l.h5")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        begin(path)
    assert path.read_bytes() == before
    write(path, IDS[:2], force=True)
    assert_items(path, IDS[:2])


def test_missing_folder_and_folder_as_output(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match="no such folder"):
        begin(tmp_path / "none" / "l.h5")
    with pytest.raises(UsageError, match="is a folder"):
        begin(tmp_path)


def test_an_input_a_device_and_unfinished_work_are_no_outputs(tmp_path: Path) -> None:
    path = write(tmp_path / "l.h5")
    before = path.read_bytes()
    with open_artifact(path) as source, pytest.raises(UsageError, match="is an input"):
        begin(path, inputs=[source], force=True)
    (tmp_path / "link.h5").hardlink_to(path)
    with open_artifact(path) as source, pytest.raises(UsageError, match="is an input"):
        begin(tmp_path / "link.h5", inputs=[source], force=True)
    assert path.read_bytes() == before
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="not a regular file"):
        begin(tmp_path / "pipe", force=True)
    with pytest.raises(UsageError, match=r"ending in \.partial"):
        begin(tmp_path / "l.h5.partial", force=True)
    assert (tmp_path / "pipe").is_fifo()


def test_a_full_disk_is_one_line_and_keeps_what_is_done(tmp_path: Path) -> None:
    """A file size limit stands in for the full disk: writes past it fail the same way."""
    script = f"""
import resource, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import numpy as np
from wsss_cli.artifacts import LABEL, create
from wsss_cli.errors import WsssError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
rng = np.random.default_rng(0)
try:
    with create({str(tmp_path / "l.h5")!r}, LABEL, classes=["x"], params={{}},
                ids=[f"{{i:02d}}" for i in range(20)]) as out:
        for image_id in out.todo:
            out.put(image_id, label=rng.integers(0, 255, (100, 100)).astype(np.uint8),
                    present=np.zeros(0, np.uint16))
except WsssError as err:
    print(err)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "l.h5: cannot be written (File too large)" in done.stdout
    assert os.listdir(tmp_path) == ["l.h5.partial"]
    with create(
        tmp_path / "l.h5", LABEL, classes=["x"], params={}, ids=[f"{i:02d}" for i in range(20)]
    ) as out:
        assert out.todo == [f"{i:02d}" for i in range(len(out), 20)]
        assert 3 <= len(out) <= 6
        for image_id in out.todo:
            out.put(image_id, **item(image_id))


def test_a_disk_that_fills_while_hdf5_writes_is_one_line_too(tmp_path: Path) -> None:
    """HDF5 used to be left with a file it could not close, and to crash the process at exit."""
    script = f"""
import resource, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from artifacts_made import IDS, begin, item
from wsss_cli.errors import WsssError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
try:
    with begin(Path({str(tmp_path / "l.h5")!r})) as out:
        for image_id in out.todo:
            out.put(image_id, **item(image_id))
except WsssError as err:
    print(err)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path / 'l.h5'}: cannot be written (File too large)\n"
    assert os.listdir(tmp_path) == ["l.h5.partial"]
    with begin(tmp_path / "l.h5") as out:
        assert out.todo == []  # nothing done was lost
    assert_items(tmp_path / "l.h5", IDS)


def test_an_exception_keeps_the_journal_and_the_next_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "l.h5"
    interrupted_after(path, 2)
    assert os.listdir(tmp_path) == ["l.h5.partial"]
    with begin(path) as out:
        assert out.todo == sorted(IDS)[2:]
        for image_id in out.todo:
            out.put(image_id, **item(image_id))
    assert_items(path, IDS)
    assert os.listdir(tmp_path) == ["l.h5"]


def test_failing_before_the_first_item_leaves_nothing(tmp_path: Path) -> None:
    interrupted_after(tmp_path / "l.h5", 0)
    assert os.listdir(tmp_path) == []


def test_killed_at_any_instant_then_run_again_equals_uninterrupted(tmp_path: Path) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from artifacts_made import write
print("ready", flush=True)
write(Path({str(tmp_path / "l.h5")!r}), [f"{{i:04d}}" for i in range(3000)])
"""
    command = [sys.executable, "-c", script]
    rng = np.random.default_rng(1)
    for delay in rng.uniform(0.0, 0.4, 6):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if (tmp_path / "l.h5").exists():
            break
    if not (tmp_path / "l.h5").exists():
        subprocess.run(command, check=True, capture_output=True)
    assert_items(tmp_path / "l.h5", [f"{i:04d}" for i in range(3000)])
    assert os.listdir(tmp_path) == ["l.h5"]
