"""The usual way of export: one file an image; and the card of a format."""

from __future__ import annotations

from pathlib import Path

import pytest
from made import masks_of, write_labels, wsss

from wsss_cli.artifacts import open_artifact
from wsss_cli.commands import export
from wsss_cli.errors import UsageError
from wsss_cli.formats.exporters import EXPORTERS, npy, png
from wsss_cli.formats.exporting import Exporter, Job, one_an_image


def test_one_file_an_image(tiny_data: Path, tmp_path: Path) -> None:
    path = write_labels(tmp_path / "p.h5", tiny_data, masks_of(tiny_data))
    write = one_an_image(".txt", lambda source, image_id: f"{source.kind} {image_id}".encode())
    with open_artifact(path) as source:
        assert write(Job(source, ["a/1", "a/4"], tmp_path / "out", "npy", quiet=True)) == 2
        assert (tmp_path / "out/a/4.txt").read_text() == "wsss/label a/4"
        assert png.encode(source, "a/1").startswith(b"\x89PNG")
        assert npy.encode(source, "a/1").startswith(b"\x93NUMPY")


def test_the_help_is_made_of_the_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Exporter(name="own", said="of its own", kind="wsss/dataset", write=lambda job: 7)
    monkeypatch.setattr(export, "EXPORTERS", (*EXPORTERS, own))
    assert export._said("wsss/dataset") == "own: of its own"
    help_text = "".join(wsss("export", "--help").stdout.split())
    assert all(f"{one.name}:" in help_text for one in EXPORTERS)


def test_files_that_exist_are_kept_unless_forced(tiny_data: Path, tmp_path: Path) -> None:
    write = one_an_image(".txt", lambda source, image_id: b"new")
    path = write_labels(tmp_path / "p.h5", tiny_data, masks_of(tiny_data))
    (tmp_path / "out").mkdir()
    old = tmp_path / "out" / "x.txt"
    old.write_bytes(b"old")
    with open_artifact(path) as source:
        with pytest.raises(UsageError, match=r"1 of 2 files exist already, first 'x\.txt'"):
            write(Job(source, ["x", "y"], tmp_path / "out", "npy", quiet=True))
        assert [old.read_bytes(), *old.parent.iterdir()] == [b"old", old]
        assert write(Job(source, ["x", "y"], tmp_path / "out", "npy", force=True, quiet=True)) == 2
    assert old.read_bytes() == b"new"
