"""Labels written as PNGs, and how a folder half done is taken up again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wsss_cli.artifacts import Shard
from wsss_cli.core.images import decode_mask
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.formats.png_folder import PngFolder

IDS = ["a", "b/c", "d"]
PRESENT = np.zeros(0, np.uint16)


def label(image_id: str) -> np.ndarray:
    return np.full((2, 3), IDS.index(image_id), np.uint8)


def folder(root: Path, run: str = "1", shard: str = "1/1", force: bool = False) -> PngFolder:
    return PngFolder(root, IDS, run, Shard.parse(shard), force)


def fill(out: PngFolder, count: int | None = None) -> None:
    with out:
        for image_id in out.todo[:count]:
            out.put(image_id, label=label(image_id), present=PRESENT)
        if count is not None:
            raise KeyboardInterrupt


def interrupted(out: PngFolder, count: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        fill(out, count)


def found(root: Path) -> dict[str, np.ndarray]:
    return {
        path.relative_to(root).with_suffix("").as_posix(): decode_mask(path.read_bytes())
        for path in root.rglob("*.png")
    }


def test_each_id_has_its_png_and_no_journal_is_left(tmp_path: Path) -> None:
    out = folder(tmp_path / "masks")
    assert (out.todo, out.total, len(out)) == (IDS, 3, 0)
    fill(out)
    assert [path.name for path in tmp_path.iterdir()] == ["masks"]
    written = found(tmp_path / "masks")
    assert sorted(written) == IDS
    assert all(np.array_equal(written[image_id], label(image_id)) for image_id in IDS)


def test_the_same_run_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    interrupted(folder(tmp_path / "masks"), 1)
    assert (tmp_path / "masks.partial").exists()
    (tmp_path / "masks" / "d.png").write_bytes(b"of the moment when it was killed")
    again = folder(tmp_path / "masks")
    assert (again.todo, again.total, len(again)) == (["b/c", "d"], 3, 1)
    fill(again)
    assert not (tmp_path / "masks.partial").exists()
    assert np.array_equal(found(tmp_path / "masks")["d"], label("d"))


def test_another_runs_work_is_kept_unless_forced(tmp_path: Path) -> None:
    interrupted(folder(tmp_path / "masks"), 2)
    with pytest.raises(WsssError, match="holds the unfinished work of another run"):
        folder(tmp_path / "masks", run="2")
    forced = folder(tmp_path / "masks", run="2", force=True)
    assert forced.todo == IDS
    fill(forced)
    assert len(found(tmp_path / "masks")) == 3


def test_finished_files_are_kept_unless_forced(tmp_path: Path) -> None:
    fill(folder(tmp_path / "masks"))
    with pytest.raises(UsageError, match=r"3 of 3 files exist already, first 'a\.png'"):
        folder(tmp_path / "masks")
    assert not (tmp_path / "masks.partial").exists()
    assert folder(tmp_path / "masks", force=True).todo == IDS


def test_shards_have_a_journal_each(tmp_path: Path) -> None:
    first, second = (folder(tmp_path / "masks", shard=f"{part}/2") for part in (1, 2))
    assert sorted([*first.todo, *second.todo]) == IDS
    assert sorted(path.name for path in tmp_path.glob("*.partial")) == [
        "masks.1-of-2.partial",
        "masks.2-of-2.partial",
    ]
    fill(first)
    fill(second)
    assert sorted(found(tmp_path / "masks")) == IDS


def test_a_folder_named_by_a_dot_has_its_journal_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    folder(Path())
    assert (tmp_path / "here.partial").exists()


def test_the_root_of_all_has_nothing_beside_it() -> None:
    with pytest.raises(UsageError, match=r"^/: has no place beside it for what is unfinished$"):
        folder(Path("/"))


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "masks.partial").mkdir()
    with pytest.raises(WsssError, match=r"masks\.partial: cannot be written \(Is a directory\)"):
        folder(tmp_path / "masks")
