"""Folders of files: whole, inside, and taken up again. The ledger has its own tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wsss_cli.artifacts import Shard
from wsss_cli.artifacts.files import OutputFolder
from wsss_cli.errors import UsageError, WsssError

IDS = ["a", "b/c", "d"]


def begin(root: Path, run: str = "1", shard: str = "1/1", force: bool = False) -> OutputFolder:
    return OutputFolder(root, ".png", IDS, run, shard=Shard.parse(shard), force=force)


def content(image_id: str) -> bytes:
    return b"of " + image_id.encode()


def fill(folder: OutputFolder, stop: int | None = None) -> None:
    """Write what is left to do; interrupted after `stop` files."""
    with folder:
        for image_id in folder.todo[:stop]:
            folder.write(image_id, content(image_id))
        if stop is not None:
            raise KeyboardInterrupt


def interrupted(folder: OutputFolder, stop: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        fill(folder, stop)


def tree(root: Path) -> dict[str, bytes]:
    paths = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


WHOLE = {f"{image_id}.png": content(image_id) for image_id in IDS}


def test_slashes_of_ids_make_folders(tmp_path: Path) -> None:
    with begin(tmp_path / "out") as folder:
        assert (folder.todo, folder.total, len(folder)) == (IDS, 3, 0)
        assert folder.write("b/c", b"1") == tmp_path / "out" / "b" / "c.png"
        for image_id in folder.todo:
            folder.write(image_id, b"2")
    assert tree(tmp_path / "out") == {"a.png": b"2", "b/c.png": b"1", "d.png": b"2"}


@pytest.mark.parametrize("image_id", ["../a", "/a", "a//b", "a/..", ".", "a\0b", "x" * 300])
def test_ids_that_name_no_file_inside_are_refused(tmp_path: Path, image_id: str) -> None:
    with pytest.raises(WsssError, match="file"):
        OutputFolder(tmp_path / "out", ".png", ["good", image_id], "1")
    assert not (tmp_path / "out").exists()


def test_existing_files_are_kept_unless_forced_and_inputs_always(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"old")
    with pytest.raises(UsageError, match="1 of 3 files exist already"):
        begin(tmp_path)
    with pytest.raises(UsageError, match=r"a\.png: is an input") as refused:
        OutputFolder(tmp_path, ".png", IDS, "1", force=True, inputs=[tmp_path / "a.png"])
    assert refused.value.hint == "name another folder"
    assert tree(tmp_path) == {"a.png": b"old"}
    fill(begin(tmp_path, force=True))
    assert tree(tmp_path) == WHOLE


def test_links_on_the_way_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b").symlink_to(tmp_path)
    with pytest.raises(WsssError, match="is a link, which is not followed"):
        begin(tmp_path / "out")


def test_the_same_run_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    interrupted(begin(tmp_path), 1)
    before = (tmp_path / "a.png").stat().st_ino
    again = begin(tmp_path)
    assert (again.todo, again.total, len(again)) == (["b/c", "d"], 3, 1)
    fill(again)
    assert tree(tmp_path) == WHOLE
    assert (tmp_path / "a.png").stat().st_ino == before
    with pytest.raises(UsageError, match=r"3 of 3 files exist already, first 'a\.png'"):
        begin(tmp_path)


def test_nothing_to_go_on_from_leaves_nothing(tmp_path: Path) -> None:
    interrupted(begin(tmp_path), 0)
    assert tree(tmp_path) == {}


def test_a_file_that_was_noted_and_not_put_in_place_is_written(tmp_path: Path) -> None:
    interrupted(begin(tmp_path), 2)
    (tmp_path / "b" / "c.png").unlink()  # as if killed right before
    again = begin(tmp_path)
    assert again.todo == ["b/c", "d"]
    fill(again)
    assert tree(tmp_path) == WHOLE


@pytest.mark.parametrize("name", ["a.png", "d.png"], ids=["changed", "put there"])
def test_files_of_others_are_kept_between_two_attempts(tmp_path: Path, name: str) -> None:
    interrupted(begin(tmp_path), 2)
    (tmp_path / name).write_bytes(b"mine")
    before = tree(tmp_path)
    with pytest.raises(UsageError, match=f"1 of 3 files exist already, first '{name}'"):
        begin(tmp_path)
    assert tree(tmp_path) == before
    fill(begin(tmp_path, force=True))
    assert tree(tmp_path) == WHOLE


def test_another_runs_work_is_kept_unless_forced(tmp_path: Path) -> None:
    interrupted(begin(tmp_path), 2)
    before = tree(tmp_path)
    with pytest.raises(WsssError, match=r"\.partial: holds the unfinished work of another run"):
        begin(tmp_path, run="2")
    assert tree(tmp_path) == before
    forced = begin(tmp_path, run="2", force=True)
    assert forced.todo == IDS
    fill(forced)
    assert tree(tmp_path) == WHOLE


def test_shards_have_a_journal_each(tmp_path: Path) -> None:
    first, second = (begin(tmp_path, shard=f"{part}/2") for part in (1, 2))
    assert sorted([*first.todo, *second.todo]) == IDS
    assert len(list(tmp_path.glob(".wsss*.partial"))) == 2
    fill(first)
    fill(second)
    assert tree(tmp_path) == WHOLE


def test_two_writers_of_one_folder_are_refused(tmp_path: Path) -> None:
    first = begin(tmp_path)
    with pytest.raises(WsssError, match="another wsss process is writing it"):
        begin(tmp_path, force=True)
    fill(first)
    assert tree(tmp_path) == WHOLE


def test_a_folder_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    folder = begin(tmp_path / "out")
    folder.write("a", content("a"))
    os.rename(tmp_path / "out", tmp_path / "moved")
    for image_id in ("d", "b/c"):
        with pytest.raises(WsssError, match=r"cannot be (made|written)") as gone:
            folder.write(image_id, b"")
        assert "run the same command again" in str(gone.value.hint)
    assert not (tmp_path / "out").exists()


def test_files_that_somebody_removed_meanwhile_are_missed(tmp_path: Path) -> None:
    def rob() -> None:
        with begin(tmp_path) as folder:
            for image_id in IDS:
                folder.write(image_id, content(image_id))
            (tmp_path / "a.png").unlink()

    with pytest.raises(WsssError, match=r"1 of 3 files are gone, first 'a\.png'"):
        rob()
    again = begin(tmp_path)
    assert again.todo == ["a"]
    fill(again)
    assert tree(tmp_path) == WHOLE


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / ".wsss.png.partial").mkdir()
    with pytest.raises(WsssError, match=r"partial: cannot be written \(Is a directory\)"):
        begin(tmp_path)
