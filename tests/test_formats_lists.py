"""Lists of images and of classes, and JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.files import ImageFolder
from wsss_cli.formats.lists import read_classes, read_json, read_lines, read_lists, refuse_twice
from wsss_cli.formats.sample import Problem


def test_lines(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_bytes("\ufeff a \r\n\r\nb c\n".encode())
    assert read_lines(file) == ["a", "b c"]
    file.write_bytes(b"\xff")
    with pytest.raises(WsssError, match="not UTF-8"):
        read_lines(file)
    with pytest.raises(WsssError, match="No such file"):
        read_lines(tmp_path / "gone")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no class names"),
        ("Background\ncat\n", "'Background' is no class"),
        ("cat\ndog\ncat\n", "1 class names listed twice, first cat"),
    ],
)
def test_class_lists_that_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "classes.txt"
    file.write_text(text)
    with pytest.raises(WsssError, match=reason):
        read_classes(file)


def test_class_list(tmp_path: Path) -> None:
    file = tmp_path / "classes.txt"
    file.write_text("tv monitor\nâne\n", encoding="utf-8")
    assert read_classes(file) == ("tv monitor", "âne")


def test_names_that_stand_twice_are_counted() -> None:
    refuse_twice("t.csv", "rows", ["a", "b"])
    with pytest.raises(WsssError, match=r"^t\.csv: 2 rows listed twice, first b$"):
        refuse_twice("t.csv", "rows", ["a", "b", "c", "b", "c", "b"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": NaN}', r"not JSON \(it holds NaN\)"),
        ("[Infinity]", r"not JSON \(it holds Infinity\)"),
        ('{"a": {"b": 1, "c": 2, "b": 3}}', "the key 'b' stands twice in one object"),
        ("{", "not JSON"),
        ("[" * 100_000, r"not JSON \(nested too deeply\)"),
    ],
)
def test_what_is_no_json(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(WsssError, match=reason):
        read_json(file)


def test_json(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_bytes('\ufeff{"a": [1, "ü"], "b": {"a": null}}'.encode())
    assert read_json(file) == {"a": [1, "ü"], "b": {"a": None}}
    file.write_bytes(b'"\xff"')
    with pytest.raises(WsssError, match="not UTF-8 text"):
        read_json(file)
    with pytest.raises(WsssError, match="No such file"):
        read_json(tmp_path / "gone.json")


@pytest.fixture
def folder(tmp_path: Path) -> ImageFolder:
    root = tmp_path / "photos"
    (root / "sub").mkdir(parents=True)
    for name in ("a.jpg", "my cat.jpg", "sub/b.png"):
        (root / name).touch()
    return ImageFolder(root)


def test_lists_name_images_in_several_ways(folder: ImageFolder, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("a -1\nmy cat\n/photos/sub/b.png /masks/b.png\n")
    (tmp_path / "two").write_text("sub/b\n")
    paths, splits, problems = read_lists(
        {"train": tmp_path / "one", "val": tmp_path / "two"}, folder
    )
    assert paths == {
        "a": folder.root / "a.jpg",
        "my cat": folder.root / "my cat.jpg",
        "sub/b": folder.root / "sub/b.png",
    }
    assert splits == {"a": ("train",), "my cat": ("train",), "sub/b": ("train", "val")}
    assert problems == []


def test_lines_without_an_image_are_problems_and_images_twice_are_refused(
    folder: ImageFolder, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("gone 1\na\n../x\n")
    paths, _, problems = read_lists({"s": tmp_path / "list.txt"}, folder)
    assert list(paths) == ["a"]
    assert problems == [
        Problem("gone 1", "no such image (listed in list.txt)"),
        Problem("../x", "'../x' leads out of the image folder (listed in list.txt)"),
    ]
    (tmp_path / "list.txt").write_text("a\na.jpg\n")
    with pytest.raises(WsssError, match="1 images listed twice, first a"):
        read_lists({"s": tmp_path / "list.txt"}, folder)


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("my photo.jpg", "my photo.jpg"),
        ("my photo", "my photo.jpg"),
        ("my photo.JPG", "my photo.jpg"),
        ("my.jpg 1", "my.jpg"),
        ("my 1", "my.jpg"),
        ("my.JPG masks/other.png", "my.jpg"),
        ("/photos/my.jpg /masks/my.png", "my.jpg"),
        (r"C:\photos\my.jpg", "my.jpg"),
        ("my lost.jpg", None),  # not "my" with something behind it
        ("lost.jpg other.png", None),
    ],
)
def test_a_line_is_a_name_or_has_something_behind_it(
    tmp_path: Path, line: str, file: str | None
) -> None:
    for name in ("photos/my.jpg", "photos/my photo.jpg", "photos/other.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "list").write_text(line)
    paths, _, problems = read_lists({"s": tmp_path / "list"}, ImageFolder(tmp_path / "photos"))
    assert [path.name for path in paths.values()] == ([file] if file else [])
    assert len(problems) == (not file)


def test_a_list_that_is_another_kind_of_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"PK\x03\x04 xl/workbook.xml")
    for read in (read_lines, read_json, read_classes):
        with pytest.raises(WsssError, match=r"list: is an Excel workbook \(\.xlsx\), not plain"):
            read(tmp_path / "list")
