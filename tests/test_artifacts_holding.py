"""Files that one process holds: kept from others, and free once it is gone."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from wsss_cli.artifacts import holding
from wsss_cli.artifacts.holding import is_free, open_alone, open_private
from wsss_cli.errors import WsssError

BUSY = WsssError("busy")


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "link").symlink_to("precious")
    with pytest.raises(OSError, match="is a link, which is not followed"):
        open_private(tmp_path / "link")
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with open_alone(tmp_path / "a", BUSY) as stream:
        stream.write(b"new")
    assert (tmp_path / "a").read_bytes() == b"oldnew"


@pytest.mark.parametrize("forks", [False, True])
def test_one_process_holds_a_file(tmp_path: Path, forks: bool) -> None:
    with open_alone(tmp_path / "a", BUSY, forks):
        child = os.fork()
        if child == 0:  # pragma: no cover
            code = 1
            try:
                open_alone(tmp_path / "a", BUSY, forks)
            except WsssError:
                code = 7
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    open_alone(tmp_path / "a", BUSY, forks).close()


def test_a_file_that_its_holder_deleted_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, lock = tmp_path / "a", holding.lock

    def late(number: int, forks: bool) -> bool | None:
        monkeypatch.setattr(holding, "lock", lock)
        path.unlink()
        return lock(number, forks)

    monkeypatch.setattr(holding, "lock", late)
    with open_alone(path, BUSY) as stream:
        assert os.path.samestat(path.stat(), os.fstat(stream.fileno()))


def test_without_locks_a_file_is_free_once_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(number: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    for name in ("flock", "lockf"):
        monkeypatch.setattr(holding.fcntl, name, without)
    with open_alone(tmp_path / "a", BUSY) as stream:
        assert not is_free(stream.fileno())
        os.utime(tmp_path / "a", (0, 0))
        assert is_free(stream.fileno())
