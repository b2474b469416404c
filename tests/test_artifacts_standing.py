"""Killed at every step: the same command ends in the same output, and leaves nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from artifacts_made import IDS, assert_items, begin, item, write
from dying import deaths

from wsss_cli.artifacts import DATASET, Shard, create, open_artifact
from wsss_cli.artifacts.files import OutputFolder
from wsss_cli.artifacts.merge import merge
from wsss_cli.artifacts.placing import write_whole
from wsss_cli.artifacts.standing import is_begun, partial_path, stands
from wsss_cli.errors import UsageError, WsssError


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_an_artifact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, points = tmp_path / "l.h5", []
    for point in deaths(lambda: write(path)):
        was_there = path.exists()
        if was_there and not partial_path(path).exists():
            with pytest.raises(UsageError, match="exists already"):
                write(path)
        else:
            write(path)
        said = capsys.readouterr().err
        assert (f"{path}: an earlier attempt of this command has finished it" in said) == (
            was_there and "removed" in said
        ), point
        assert_items(path, IDS)
        assert left(tmp_path) == {"l.h5"}, point
        points.append((was_there, bool(said)))
        path.unlink()
    assert {(False, False), (True, True), (True, False)} <= set(points)


def test_an_artifact_of_another_run_is_not_taken_for_it(tmp_path: Path) -> None:
    path = write(tmp_path / "l.h5", IDS[:2])
    before = path.read_bytes()
    partial_path(path).write_bytes(b"")  # as where the other run was begun with --force
    with pytest.raises(UsageError, match="exists already"):
        write(path)
    assert path.read_bytes() == before


def test_unfinished_work_of_another_run_is_not_removed(tmp_path: Path) -> None:
    path = write(tmp_path / "l.h5")

    def start() -> None:
        with begin(path, IDS[:2], force=True) as out:
            out.put(IDS[0], **item(IDS[0]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start()
    kept = partial_path(path).read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        write(path)
    assert partial_path(path).read_bytes() == kept
    write(path, IDS[:2], force=True)
    assert_items(path, IDS[:2])
    assert left(tmp_path) == {"l.h5"}


def test_a_data_set_is_known_by_what_went_into_it(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    packed(path, {"train": ["a"]})
    with open_artifact(path) as found:
        run = found.run
    for splits, known in (({"train": ["a"]}, True), ({"train": ["b"]}, False), ({}, False)):
        partial_path(path).write_bytes(b"")
        if known:
            packed(path, splits)
        else:
            with pytest.raises(UsageError, match="exists already"):
                packed(path, splits)
        partial_path(path).unlink(missing_ok=True)
    with open_artifact(path) as found:
        assert found.run == run


def packed(path: Path, splits: dict[str, list[str]]) -> None:
    import numpy as np

    with create(path, DATASET, classes=["x"], params={}, ids=["a", "b"], splits=splits) as out:
        for image_id in out.todo:
            out.put(
                image_id,
                image=np.zeros(3, np.uint8),
                tags=np.zeros(1, np.uint16),
                size=np.array([4, 4], np.int32),
            )


@pytest.mark.parametrize("at_once", [2, 1], ids=["side by side", "through a journal"])
def test_merged_shards(tmp_path: Path, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsss_cli.artifacts.merge.OPEN", at_once)
    parts = []
    for index in (1, 2):
        part = tmp_path / f"{index}.h5"
        with begin(part, shard=Shard(index, 2)) as out:
            for image_id in out.todo:
                out.put(image_id, **item(image_id))
        parts.append(part)
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "l.h5"
    for point in deaths(lambda: merge(parts, path)):
        if path.exists() and not is_begun(path):
            path.unlink()
        merge(parts, path)
        assert_items(path, IDS)
        assert left(tmp_path / "out") == {"l.h5"}, point
        path.unlink()


def test_a_folder_of_files(tmp_path: Path) -> None:
    root, ids = tmp_path / "out", ["a", "b/c"]

    def fill() -> None:
        with OutputFolder(root, ".x", ids, "run") as folder:
            for image_id in folder.todo:
                folder.write(image_id, image_id.encode())

    for point in deaths(fill):
        if (root / "b/c.x").exists() and not list(root.glob(".*")):
            with pytest.raises(UsageError, match="exist already"):
                fill()
        else:
            fill()
        found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
        assert found == {"a.x", "b/c.x"}, point
        assert (root / "b/c.x").read_bytes() == b"b/c"
        for path in (root / "a.x", root / "b/c.x"):
            path.unlink()
        (root / "b").rmdir()
        root.rmdir()


def test_a_plain_file(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    for point in deaths(lambda: write_whole(path, b"{}")):
        write_whole(path, b"{}")
        assert left(tmp_path) == {"r.json"}, point


def test_what_stands_is_whole_and_of_the_run(tmp_path: Path) -> None:
    path = write(tmp_path / "l.h5")
    with open_artifact(path) as found:
        schema, own = found.schema, {"run": found.run, "shard": "1/1"}
    assert stands(path, schema, own)
    assert not stands(path, schema, {**own, "run": "0"})
    assert not stands(path, schema, {**own, "shard": "1/2"})
    assert not stands(path, DATASET, own)
    os.truncate(path, 100)
    assert not stands(path, schema, own)
    assert not stands(tmp_path / "none", schema, own)


def test_a_file_that_has_another_name_is_not_emptied(tmp_path: Path) -> None:
    """A hard link where the journal is to be: --force discards the name, and not the file."""
    (tmp_path / "precious").write_bytes(b"precious")
    partial_path(tmp_path / "l.h5").hardlink_to(tmp_path / "precious")
    with pytest.raises(WsssError, match="is not what a stage of this kind leaves"):
        write(tmp_path / "l.h5")
    write(tmp_path / "l.h5", force=True)
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert left(tmp_path) == {"precious", "l.h5"}
