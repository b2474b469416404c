"""Putting files in place: whole or not at all, and nothing of a dead process left."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from wsss_cli.artifacts import holding
from wsss_cli.artifacts.placing import (
    make_folder,
    placed,
    refusal,
    remove,
    scratch,
    sweep,
    sweep_folder,
    write_whole,
)
from wsss_cli.errors import WsssError

FULL = OSError(errno.ENOSPC, "No space left on device")


def forked(act: object) -> int:
    """Run something in a process of its own, which ends with it; its exit code or signal."""
    child = os.fork()
    if child == 0:  # pragma: no cover
        try:
            act()  # type: ignore[operator]
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_amid(path: Path) -> Path:
    """The temporary file that a process leaves which is killed while it writes `path`."""

    def die() -> None:
        with placed(path) as stream:
            stream.write(b"half")
            os.kill(os.getpid(), signal.SIGKILL)

    before = set(path.parent.iterdir())
    assert forked(die) == -signal.SIGKILL
    (left,) = set(path.parent.iterdir()) - before
    return left


def test_a_file_is_replaced_whole_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a.json"]
    with pytest.raises(WsssError, match=r"a: cannot be written \(No such file or directory\)"):
        write_whole(tmp_path / "none" / "a", b"")


def test_an_error_amid_writing_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_whole(path, b"one")

    def fail() -> None:
        with placed(path) as stream:
            stream.write(b"two")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["a"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"other")
    (tmp_path / "a").symlink_to("other")
    write_whole(tmp_path / "a", b"mine")
    assert not (tmp_path / "a").is_symlink()
    assert (tmp_path / "other").read_bytes() == b"other"


@pytest.mark.parametrize("name", ["cam.h5", "a[1]*.h5", "n" * 255, "é" * 127], ids=len)
def test_the_next_run_of_an_output_removes_what_a_killed_one_left(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    left = killed_amid(path)
    assert left.name.startswith(".")
    assert not path.exists()
    write_whole(path, b"whole")
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_nothing_else_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "cam.h5"
    others = [".cam.h5.tmp", ".cam.h5.bak.1-2.tmp", ".cam.h5.1-2.tmp.old", "cam.h5.1-2.tmp"]
    for name in (*others, ".cam.h5.1-2.tmp", ".cam.h5.1.tmp"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / ".cam.h5.3-4.tmp").symlink_to("cam.h5.1-2.tmp")
    (tmp_path / ".cam.h5.5-6.tmp").mkdir()
    sweep(path)
    assert {one.name for one in tmp_path.iterdir()} == {
        *others,
        ".cam.h5.3-4.tmp",
        ".cam.h5.5-6.tmp",
    }
    sweep(tmp_path / "none" / "cam.h5")


def test_what_a_living_process_writes_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with placed(path) as stream:
        stream.write(b"first")
        assert forked(lambda: write_whole(path, b"second")) == 0
        sweep(path)  # its own
        assert path.read_bytes() == b"second"
        assert len(list(tmp_path.iterdir())) == 2
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["a"]


def test_without_locks_age_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(number: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(holding.fcntl, "lockf", without)
    new, old = tmp_path / ".wsss.1-2.tmp", tmp_path / ".wsss.3-4.tmp"
    for one in (new, old):
        one.write_bytes(b"")
    os.utime(old, (0, 0))
    sweep_folder(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == [new.name]


def test_a_system_that_has_no_locks_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wsss_cli.artifacts import placing

    monkeypatch.setattr(holding, "fcntl", None)
    monkeypatch.setattr(placing, "HAS_LOCKS", False)
    new, old = tmp_path / ".a.1-2.tmp", tmp_path / ".a.3-4.tmp"
    for one in (new, old):
        one.write_bytes(b"")
    os.utime(old, (0, 0))
    write_whole(tmp_path / "a", b"whole")
    assert {one.name for one in tmp_path.iterdir()} == {"a", new.name}
    assert (tmp_path / "a").read_bytes() == b"whole"


def test_a_name_taken_for_a_dead_ones_before_it_was_locked_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run sweeps between our opening of the file and our lock on it."""
    from wsss_cli.artifacts import placing

    lock = placing.lock

    def late(number: int, forks: bool) -> bool | None:
        monkeypatch.setattr(placing, "lock", lock)
        for one in tmp_path.iterdir():
            one.unlink()
        return lock(number, forks)

    monkeypatch.setattr(placing, "lock", late)
    write_whole(tmp_path / "a", b"whole")
    assert (tmp_path / "a").read_bytes() == b"whole"


def test_an_error_of_the_disk_is_said_whatever_a_library_makes_of_it(tmp_path: Path) -> None:
    from wsss_cli.artifacts.placing import Stream

    def full(self: Stream, data: object) -> int:
        self.error = FULL
        raise self.error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stream, "write", full)
        writes = placed(tmp_path / "a.pt")
        with pytest.raises(WsssError) as caught, writes as stream:  # noqa: PT012 - as torch does
            try:
                stream.write(b"1")
            except OSError:
                raise RuntimeError("[enforce fail at inline_container.cc:1]") from None
    said = f"{tmp_path / 'a.pt'}: cannot be written (No space left on device)"
    assert str(caught.value) == said
    assert "free some space" in str(caught.value.hint)
    with pytest.raises(RuntimeError, match="a bug"), placed(tmp_path / "a.pt"):
        raise RuntimeError("a bug")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EFBIG, "free some space"),
        (errno.EROFS, "writable"),
        (errno.EACCES, "writable"),
        (errno.ENOENT, "again"),
        (errno.ENAMETOOLONG, "shorter name"),
        (errno.EISDIR, "in the way"),
        (errno.EIO, "run the same command again"),
    ],
)
def test_each_reason_has_a_hint(number: int, hint: str) -> None:
    error = refusal(Path("x/a"), OSError(number, os.strerror(number)))
    assert str(error) == f"x/a: cannot be written ({os.strerror(number)})"
    assert hint in str(error.hint)


def test_removing_and_making(tmp_path: Path) -> None:
    make_folder(tmp_path / "a")
    make_folder(tmp_path / "a")
    with pytest.raises(WsssError, match=r"c: cannot be made \(No such file"):
        make_folder(tmp_path / "b" / "c")
    with pytest.raises(WsssError, match="a: cannot be removed"):
        remove(tmp_path / "a")
    remove(tmp_path / "none")


def test_folders_of_scratch_are_removed_also_of_the_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def die() -> None:
        with scratch("wsss-x-") as folder:
            write_whole(folder / "big", b"1")
            os.kill(os.getpid(), signal.SIGKILL)

    assert forked(die) == -signal.SIGKILL
    (tmp_path / "wsss-x-of others").mkdir()
    assert len(list(tmp_path.iterdir())) == 2
    with scratch("wsss-x-") as living, scratch("wsss-x-") as folder:
        assert living.is_dir()
        assert {one.name for one in tmp_path.iterdir()} == {
            living.name,
            folder.name,
            "wsss-x-of others",
        }
    assert [one.name for one in tmp_path.iterdir()] == ["wsss-x-of others"]
