"""Files that a training writes beside its weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from made import write_data

from wsss_cli.artifacts import ledger, open_dataset
from wsss_cli.artifacts.standing import partial_path
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.training.beside import check_beside


def test_a_file_beside_the_weights(tmp_path: Path) -> None:
    out, beside = tmp_path / "cls.pt", tmp_path / "cam.h5"
    data = write_data(tmp_path / "data.h5", ["a"], (4, 5), ["red"])

    def check(path: Path, force: bool = False, own: bool = True) -> None:
        check_beside(path, "--maps", out, force, lambda: own)

    check(beside)
    (tmp_path / "link").symlink_to(tmp_path)
    for same in (out, tmp_path / "link" / "cls.pt"):
        with pytest.raises(UsageError, match="is where the weights go") as caught:
            check(same, force=True)
        assert caught.value.hint == "give another name with --maps"
    beside.write_bytes(b"")
    with pytest.raises(UsageError, match="exists already"):
        check(beside)
    check(beside, force=True)
    out.with_name("cls.pt.partial").write_bytes(b"")
    check(beside)  # which an interrupted run has written
    with pytest.raises(UsageError, match="exists already"):
        check(beside, own=False)
    beside.unlink()
    check(beside, own=False)
    partial_path(beside).touch()
    check(beside)  # and began
    partial_path(out).unlink()
    with pytest.raises(WsssError, match=r"cam\.h5\.partial: holds the unfinished work of another"):
        check(beside)
    check(beside, force=True)
    with (
        ledger.opened(),
        open_dataset(data),
        pytest.raises(UsageError, match="is an input") as caught,
    ):
        check(data, force=True)
    assert caught.value.hint == "give another name with --maps"
    with pytest.raises(WsssError, match="no such folder"):
        check(tmp_path / "none" / "cam.h5")
