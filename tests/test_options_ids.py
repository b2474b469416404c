"""Ids from a file or from stdin: what is read, and what no list of ids is."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.options.ids import need_ids, select_ids

IDS = ["a/0", "a/1", "a/2", "Zürich 7"]
SOURCE = Path("data.h5")


def listed(folder: Path, content: bytes) -> str:
    path = folder / "ids.txt"
    path.write_bytes(content)
    return str(path)


def test_without_a_list_all_are_taken() -> None:
    found = select_ids(IDS, None, SOURCE)
    assert found == IDS
    assert found is not IDS


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a/2\na/0\n", ["a/2", "a/0"]),  # in the list's order
        (b"a/1", ["a/1"]),
        (b"\n  \na/1\r\n\r\na/0\r\n", ["a/1", "a/0"]),
        (b"a/1\na/0\na/1\n", ["a/1", "a/0"]),
        (b"\xef\xbb\xbfa/1\n", ["a/1"]),  # a mark that Windows puts first
        ("Zürich 7\n".encode(), ["Zürich 7"]),
    ],
)
def test_a_list_one_a_line(content: bytes, expected: list[str], tmp_path: Path) -> None:
    assert select_ids(IDS, listed(tmp_path, content), SOURCE) == expected


def test_spaces_belong_to_an_id(tmp_path: Path) -> None:
    assert select_ids([" a", "a"], listed(tmp_path, b" a\n"), SOURCE) == [" a"]


def test_what_is_no_list(tmp_path: Path) -> None:
    empty = listed(tmp_path, b"\n \n")
    with pytest.raises(WsssError) as caught:
        select_ids(IDS, empty, SOURCE)
    assert str(caught.value) == f"{empty}: names no image"
    foreign = listed(tmp_path, b"a/0\nb/1\nb/1\nb/0\n")
    with pytest.raises(WsssError) as caught:
        select_ids(IDS, foreign, SOURCE)
    assert str(caught.value) == f"{foreign}: 2 of 3 ids are not in data.h5, first 'b/1'"
    latin = listed(tmp_path, "Zürich 7\n".encode("latin-1"))
    with pytest.raises(WsssError) as caught:
        select_ids(IDS, latin, SOURCE)
    assert str(caught.value) == f"{latin}: cannot be read as a list of ids (not UTF-8 text)"
    for path, reason in ((tmp_path, "Is a directory"), (tmp_path / "none", "No such file")):
        with pytest.raises(WsssError) as caught:
            select_ids(IDS, str(path), SOURCE)
        assert str(caught.value).startswith(f"{path}: cannot be read as a list of ids ({reason}")


def test_a_list_on_stdin_is_utf8_whatever_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO("Zürich 7\na/1\n".encode()), encoding="latin-1")
    monkeypatch.setattr(sys, "stdin", stream)
    assert select_ids(IDS, "-", SOURCE) == ["Zürich 7", "a/1"]
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(WsssError, match="--ids -: there is no stdin"):
        select_ids(IDS, "-", SOURCE)


def test_nothing_is_ever_made_of_no_image() -> None:
    assert need_ids(["a"], SOURCE, None) == ["a"]
    with pytest.raises(WsssError, match=r"^data\.h5: holds no image$"):
        need_ids([], SOURCE, None)
    with pytest.raises(WsssError, match=r"^data\.h5: split 'val' holds no image$"):
        need_ids([], SOURCE, "val")
