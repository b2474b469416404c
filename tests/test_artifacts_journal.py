"""The journal of unfinished work: torn at any byte, another run's, another writer's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from artifacts_made import IDS, assert_items, begin, interrupted_after, item, write

from wsss_cli.artifacts.journal import FRAME, MAGIC
from wsss_cli.artifacts.standing import partial_path
from wsss_cli.errors import UsageError, WsssError


def test_what_is_no_journal_is_not_overwritten(tmp_path: Path) -> None:
    partial = tmp_path / "l.h5.partial"
    for contents in (b"a training's state", MAGIC + b"\xff" * 300, b"w" * 8):
        partial.write_bytes(contents)
        with pytest.raises(WsssError, match="not what a stage of this kind leaves"):
            begin(tmp_path / "l.h5")
        assert partial.read_bytes() == contents
    write(tmp_path / "l.h5", force=True)
    assert os.listdir(tmp_path) == ["l.h5"]


@pytest.mark.parametrize("length", range(0, 150, 11))
def test_a_journal_torn_in_its_header_is_begun_anew(tmp_path: Path, length: int) -> None:
    interrupted_after(tmp_path / "l.h5", 1)
    partial = partial_path(tmp_path / "l.h5")
    head = len(MAGIC) + FRAME.size + FRAME.unpack(partial.read_bytes()[len(MAGIC) :][:8])[0]
    partial.write_bytes(partial.read_bytes()[: min(length, head - 1)])
    assert_items(write(tmp_path / "l.h5"), IDS)


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_torn_last_record_is_dropped(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "l.h5"
    interrupted_after(path, 3)
    journal = partial_path(path)
    journal.write_bytes(journal.read_bytes()[: -cut or None])
    with begin(path) as out:
        assert out.todo == sorted(IDS)[3 if cut == 0 else 2 :]
        for image_id in out.todo:
            out.put(image_id, **item(image_id))
    assert_items(path, IDS)


def test_a_record_that_declares_more_than_there_is_is_torn(tmp_path: Path) -> None:
    """It is not read: four gigabytes would be allocated."""
    path = tmp_path / "l.h5"
    interrupted_after(path, 3)
    journal = partial_path(path)
    whole = journal.read_bytes()
    journal.write_bytes(whole + FRAME.pack(2**32 - 1, 0) + b"rest")
    interrupted_after(path, 0)
    assert journal.read_bytes() == whole


def test_a_journal_of_another_run_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "l.h5"
    interrupted_after(path, 1)
    before = partial_path(path).read_bytes()
    with pytest.raises(WsssError, match="unfinished work of another run"):
        begin(path, params={"low": 0.2})
    assert partial_path(path).read_bytes() == before
    forced = begin(path, params={"low": 0.2}, force=True)
    assert len(forced) == 0


def test_two_writers_of_one_file_are_refused(tmp_path: Path) -> None:
    first = begin(tmp_path / "l.h5")
    with pytest.raises(WsssError, match="another wsss process is writing it"):
        begin(tmp_path / "l.h5")
    first.put("a", **item("a"))


def test_a_journal_finished_by_another_process_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other finishes between our look for the output and our lock on the journal."""
    import wsss_cli.artifacts.holding as module

    path, lock = tmp_path / "l.h5", module.lock

    def late(number: int, forks: bool) -> bool | None:
        monkeypatch.setattr(module, "lock", lock)
        write(path, IDS[:2])
        return lock(number, forks)

    monkeypatch.setattr(module, "lock", late)
    with pytest.raises(UsageError, match="exists already"):
        begin(path)
    assert_items(path, IDS[:2])
    assert os.listdir(tmp_path) == ["l.h5"]
