"""Plain files: whole or not at all, and inside their folder. The ledger has its own tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wsss_cli.artifacts.files import OutputFolder, write_whole
from wsss_cli.errors import UsageError, WsssError


def test_a_file_is_replaced_whole_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a.json"]
    with pytest.raises(WsssError, match=r"a: cannot be written \(No such file or directory\)"):
        write_whole(tmp_path / "none" / "a", b"")


def test_slashes_of_ids_make_folders(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "out", ".png", ["a/b", "c"])
    assert folder.write("a/b", b"1") == tmp_path / "out" / "a" / "b.png"
    folder.write("c", b"2")
    assert (tmp_path / "out" / "c.png").read_bytes() == b"2"


@pytest.mark.parametrize("image_id", ["../a", "/a", "a//b", "a/..", ".", "a\0b", "x" * 300])
def test_ids_that_name_no_file_inside_are_refused(tmp_path: Path, image_id: str) -> None:
    with pytest.raises(WsssError, match="file"):
        OutputFolder(tmp_path / "out", ".png", ["good", image_id])
    assert not (tmp_path / "out").exists()


def test_existing_files_are_kept_unless_forced_and_inputs_always(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"old")
    with pytest.raises(UsageError, match="1 of 2 files exist already"):
        OutputFolder(tmp_path, ".png", ["a", "b"])
    with pytest.raises(UsageError, match=r"a\.png: is an input") as refused:
        OutputFolder(tmp_path, ".png", ["a", "b"], force=True, inputs=[tmp_path / "a.png"])
    assert refused.value.hint == "name another folder"
    OutputFolder(tmp_path, ".png", ["a", "b"], force=True).write("a", b"new")
    assert (tmp_path / "a.png").read_bytes() == b"new"


def test_links_on_the_way_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").symlink_to(tmp_path)
    with pytest.raises(WsssError, match="is a link, which is not followed"):
        OutputFolder(tmp_path / "out", ".png", ["a/b"])
