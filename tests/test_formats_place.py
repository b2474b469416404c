"""A file or folder as readers see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.place import HEAD, Place, beginning


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.json", "sub/b.JSON", "sub/c.txt", ".hidden/d.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_names_are_relative_and_hidden_ones_are_not_there(folder: Path) -> None:
    place = Place(folder)
    assert place.names == ["a.json", "sub/b.JSON", "sub/c.txt"]
    assert place.matching("*.json") == [folder / "a.json", folder / "sub/b.JSON"]
    assert place.matching("sub/*.txt") == [folder / "sub/c.txt"]
    assert place.matching("*.xml") == []


def test_the_only_one_is_asked_for(folder: Path) -> None:
    place = Place(folder)
    assert place.one("c.txt") == folder / "sub/c.txt"
    assert place.one("*.xml") is None
    with pytest.raises(WsssError, match=r"holds 2 files \*\.json: a\.json and sub/b\.JSON"):
        place.one("*.json")


def test_a_file_is_a_place_of_one(folder: Path) -> None:
    place = Place(folder / "a.json")
    assert (place.names, place.root) == (["a.json"], folder)
    assert place.matching("*.json") == [folder / "a.json"]


def test_no_place(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match="no such file or folder"):
        Place(tmp_path / "none")


@pytest.mark.parametrize("letter", ["e", "é", "€", "𝄞"])
def test_a_letter_cut_in_two_is_left_out(letter: str, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    text = ("x" + letter) * 20
    file.write_text(text, "utf-8")
    for count in range(1, 21):
        found = beginning(file, count).decode()
        assert text.startswith(found)
        assert count - len(found.encode()) < len(letter.encode())


def test_the_head_of_what_is_no_text_is_empty(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\xff\xfe\x00" * 9)
    (tmp_path / "b.txt").write_text("y" * (HEAD + 5))
    place = Place(tmp_path)
    assert place.head(tmp_path / "a.bin") == ""
    assert place.head(tmp_path / "b.txt") == "y" * HEAD
