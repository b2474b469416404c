"""Opening HDF5 files: no locks, and the true reason where it does not work."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
from made import wsss

from wsss_cli.artifacts import open_artifact, open_dataset
from wsss_cli.artifacts.hdf5 import open_hdf5, reading
from wsss_cli.errors import WsssError


def test_files_are_opened_without_a_lock(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = h5py.File

    def noted(*arguments: object, **options: object) -> h5py.File:
        asked.append(options)
        return real(*arguments, **options)

    monkeypatch.setattr(h5py, "File", noted)
    with open_dataset(tiny_data) as data:
        data.image("a/0")
    assert asked
    assert all(options == {"locking": False} for options in asked)


@pytest.mark.parametrize(
    ("number", "text", "said", "hint"),
    [
        (
            errno.ENOLCK,
            "unable to lock file, errno = 37",
            "cannot be locked (No locks",
            "reading needs ",
        ),
        (
            errno.EIO,
            "unable to lock file, errno = 5",
            "cannot be locked (Input/output",
            "reading needs ",
        ),
        (errno.EAGAIN, "unable to lock file", "another program has it open", "close it there"),
        (None, "file is already open for write", "another program has it open for w", "close it "),
        (None, "may use <h5clear file>; consistency flags", "another program has it", "close it "),
        (errno.EMFILE, "unable to open", "too many open files", "raise the limit"),
        (errno.ENOMEM, "unable to open", "not enough memory", "fewer "),
        (None, "truncated file: eof = 3", "cut short", "rerun "),
        (None, "file signature not found", "not an HDF5 file", "rerun "),
        (None, "bad superblock\nmore", "cannot be opened as HDF5 (bad superblock)", "rerun "),
    ],
)
def test_what_hdf5_says_becomes_a_reason(
    tiny_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int | None,
    text: str,
    said: str,
    hint: str | None,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(text) if number is None else OSError(number, text)

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(WsssError) as caught:
        open_hdf5(tiny_data)
    assert str(caught.value).startswith(f"{tiny_data}: {said}")
    assert "\n" not in str(caught.value)
    assert caught.value.hint is None if hint is None else caught.value.hint.startswith(hint)


def test_a_file_that_another_program_writes_is_no_damaged_one(tiny_data: Path) -> None:
    """HDF5 marks such files, and refuses them; what is whole is never to be made again."""
    program = (
        "import sys, h5py; file = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tiny_data)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        result = wsss("info", tiny_data)
        holder.communicate(b"\n")
    assert result.exit_code == 3
    assert "data.h5: another program has it open for writing" in result.stderr
    assert "rerun" not in result.stderr
    assert wsss("info", tiny_data).exit_code == 0


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "x.h5: not enough memory"),
        (OSError(errno.ENOMEM, "no"), "x.h5: not enough memory"),
        (RuntimeError("memory allocation failed for raw data chunk"), "x.h5: not enough memory"),
        (OSError(errno.EIO, "no"), "x.h5: cannot be read (Input/output error)"),
        (KeyError("object 'ids' doesn't exist"), "x.h5: damaged (object 'ids' doesn't exist)"),
        (IndexError("of bounds"), "x.h5: damaged (of bounds)"),
        (ValueError(""), "x.h5: damaged (unreadable)"),
    ],
)
def test_what_goes_wrong_while_reading_is_one_line(error: Exception, said: str) -> None:
    with pytest.raises(WsssError) as caught, reading(Path("x.h5"), "make it again"):
        raise error
    assert str(caught.value) == said
    hints = {"damaged": "make it again", "memory": "fewer --workers"}
    hint = next((hint for word, hint in hints.items() if word in said), None)
    assert caught.value.hint is None if hint is None else caught.value.hint.startswith(hint)


def test_a_bug_of_ours_is_not_called_damage() -> None:
    with pytest.raises(AssertionError), reading(Path("x.h5")):
        raise AssertionError


def test_values_that_cannot_be_unpacked_are_damage(tiny_data: Path) -> None:
    """What only reading an item can show."""
    with h5py.File(tiny_data, "r+") as file:
        values = file["mask/values"][:]
        del file["mask/values"]
        made = file.create_dataset(
            "mask/values", values.shape, "u1", chunks=values.shape, compression="gzip"
        )
        made.id.write_direct_chunk((0,), b"no gzip at all")
    with open_artifact(tiny_data) as found, pytest.raises(WsssError, match="damaged") as caught:
        found["a/0"]
    assert caught.value.hint == "rerun `wsss pack`"


def test_a_file_that_changes_meanwhile_is_not_read_on(tiny_data: Path) -> None:
    data = open_dataset(tiny_data)
    data.close()
    with h5py.File(tiny_data, "r+") as file:
        file["more"] = 1
    with pytest.raises(WsssError, match=r"data\.h5: has changed since this command opened it"):
        data.image("a/0")
