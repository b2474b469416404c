"""Opening inputs: regular files, and pipes only where they are open already and read once."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from made import random_cams, write_cam, wsss

from wsss_cli.artifacts.inputs import check_regular, contents, text, walk

PACKAGE = Path(__file__).resolve().parent.parent / "wsss_cli"
# Modules that open files of the machine's or of their own, and no inputs
OWN_FILES = {
    "artifacts/foreign.py",  # after `check_regular`
    "artifacts/holding.py",
    "artifacts/files.py",
    "artifacts/inputs.py",
    "artifacts/zips.py",  # after `inputs` found no file; a regular one, by its name
    "machine/cores.py",
    "machine/precision.py",
    "planning/scripts.py",
    "timed.py",
    "training/data.py",  # /dev/null
}


def test_a_regular_file_is_read_and_links_are_followed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbfx\r\ny\rz\n")
    (tmp_path / "link").symlink_to(path)
    assert contents(tmp_path / "link") == path.read_bytes()
    assert text(path) == "x\ny\nz\n"


def test_what_would_wait_or_never_end_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket"))
        for path in (tmp_path / "pipe", tmp_path / "link", tmp_path / "socket", "/dev/zero"):
            for piped in (False, True):
                with pytest.raises(OSError, match="not a regular file"):
                    check_regular(path, piped)
    with pytest.raises(IsADirectoryError):
        check_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        contents(tmp_path / "none")


def test_a_pipe_that_is_open_is_read_where_once_is_enough() -> None:
    reader, writer = os.pipe()
    thread = threading.Thread(target=lambda: (os.write(writer, b"a\nb\n"), os.close(writer)))
    thread.start()
    try:
        with pytest.raises(OSError, match="not a regular file"):
            check_regular(f"/dev/fd/{reader}")
        assert text(f"/dev/fd/{reader}") == "a\nb\n"
    finally:
        thread.join()
        os.close(reader)


def test_a_folder_is_walked_but_for_what_is_hidden(tmp_path: Path) -> None:
    for name in ("b/c.txt", "b.txt", "b/a.png", ".h.txt", ".h/x.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b/again").symlink_to(tmp_path)
    (tmp_path / "z").symlink_to(tmp_path / "b/c.txt")
    found = [path.relative_to(tmp_path).as_posix() for path in walk(tmp_path, lambda name: True)]
    assert found == ["b/a.png", "b/c.txt", "b.txt", "z"]
    assert list(walk(tmp_path, lambda name: name == "a.png")) == [tmp_path / "b/a.png"]


def opens(path: Path) -> set[str]:
    """Calls in a module that open files: open(...), x.read_bytes(), x.read_text(), x.open("rb")."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            modes = [a.value for a in node.args if isinstance(a, ast.Constant)]
            own = isinstance(node.func, ast.Name)
            whole = name in ("read_bytes", "read_text") and not own
            if whole or (name == "open" and (own or "rb" in modes)):
                found.add(name)
    return found


def test_no_other_module_opens_inputs() -> None:
    """What is read goes through `inputs`, which refuses what could hang."""
    modules = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    found = {name for name, path in modules.items() if opens(path)}
    assert found == OWN_FILES


@pytest.mark.parametrize(
    "command",
    [
        ("info", "PIPE.h5"),
        ("info", "PIPE.pt"),
        ("info", "PIPE.json"),
        ("info", "--ids", "PIPE.h5"),
        ("merge", "PIPE", "-o", "out"),
        ("view", "PIPE", "-o", "out"),
        ("export", "PIPE", "-o", "out"),
        ("export", "CAM", "--format", "psa-npy", "--ids", "PIPE", "-o", "out"),
        ("eval", "PIPE", "--data", "DATA"),
        ("eval", "CAM", "--data", "PIPE"),
        ("eval", "CAM", "--threshold-from", "PIPE"),
        ("make-seeds", "--cam", "PIPE", "-o", "out"),
        ("make-cam", "--weights", "PIPE", "--data", "DATA", "-o", "out"),
        ("make-cam", "--network", "resnet18", "--weights", "PIPE", "--data", "DATA", "-o", "out"),
        ("random-walk", "--cam", "CAM", "--weights", "PIPE", "-o", "out"),
        ("predict", "PIPE.png", "--weights", "PIPE", "-o", "out"),
        ("train-cls", "--data", "PIPE", "-o", "out"),
        ("train-cls", "--data", "DATA", "--backbone-weights", "PIPE", "-o", "out"),
        ("train-seg", "--labels", "PIPE", "-o", "out"),
        ("pack", "--csv", "PIPE", "--images", "IMAGES", "-o", "out"),
        ("pack", "--voc", "IMAGES", "--classes", "PIPE", "-o", "out"),
        ("pack", "--via", "PIPE", "--images", "IMAGES", "-o", "out"),
        ("pack", "--npy", "PIPE", "--images", "IMAGES", "-o", "out"),
    ],
    ids=lambda command: " ".join(command[:4]),
)
def test_a_pipe_as_input_never_hangs(
    tiny_data: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    cam = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data))
    images = tmp_path / "images" / "red"
    images.mkdir(parents=True)
    for ending in ("", ".h5", ".pt", ".json", ".png"):
        os.mkfifo(tmp_path / f"pipe{ending}")
    places = {"DATA": tiny_data, "CAM": cam, "IMAGES": images.parent, "out": tmp_path / "out"}
    places |= {f"PIPE{e}": tmp_path / f"pipe{e}" for e in ("", ".h5", ".pt", ".json", ".png")}
    result = wsss(*(places.get(word, word) for word in command))
    assert result.exit_code == 3, result.output
    assert "pipe" in result.stderr
    assert "not a regular file" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_shells_substitution_stands_for_a_list(tiny_data: Path, tmp_path: Path) -> None:
    cam = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data))
    reader, writer = os.pipe()
    os.write(writer, b"a/0\n")
    os.close(writer)
    command = (sys.executable, "-m", "wsss_cli", "export", cam, "--format", "psa-npy")
    done = subprocess.run(
        [*map(str, command), "--ids", f"/dev/fd/{reader}", "-o", str(tmp_path / "out"), "-q"],
        pass_fds=[reader],
        capture_output=True,
        timeout=600,
    )
    os.close(reader)
    assert (done.returncode, done.stderr) == (0, b"")
    assert [p.name for p in (tmp_path / "out" / "a").iterdir()] == ["0.npy"]
    assert np.load(tmp_path / "out" / "a" / "0.npy", allow_pickle=True).item().keys() == {0}
