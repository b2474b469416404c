"""Images of Open Images by their ids."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.open_images_found import Found
from wsss_cli.formats.open_images_rows import Row


def row(name: str) -> Row:
    return Row({"ImageID": name}, "x.csv: line 2")


def test_images_and_their_splits(tmp_path: Path) -> None:
    for name in ("train/a.jpg", "val/in/b.jpg", "c.jpg", "train/d.jpg", "val/d.jpg", "e/f.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = Found(tmp_path, None)
    for name, split, inside, splits in (
        ("a", "val", "train/a.jpg", ["train"]),  # the folder is sooner right than a file's name
        ("in/b", None, "val/in/b.jpg", ["val"]),
        ("c", "test", "c.jpg", ["test"]),
        ("d", "val", "val/d.jpg", ["val"]),
    ):
        one = found.image(row(name), split)
        assert one is not None
        assert (one.path, list(one.splits)) == (tmp_path / inside, splits)
    assert found.image(row("x/f"), None) is None
    assert list(found.missing) == ["x/f"]


def test_what_is_not_clear(tmp_path: Path) -> None:
    for name in ("one/d.jpg", "two/d.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    with pytest.raises(WsssError, match="'d' could be one/d and two/d"):
        Found(tmp_path, None).image(row("d"), None)
    with pytest.raises(WsssError, match="names no image"):
        Found(tmp_path, None).image(row(""), None)
