"""Ids, and image files by the names that lists use."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.files import ImageFolder, bad_id


@pytest.mark.parametrize("image_id", ["a", "a.b", "a b", "x/y.z/w", "日本/ü", "..a", "-", "a..b"])
def test_ids(image_id: str) -> None:
    assert bad_id(image_id) is None


@pytest.mark.parametrize(
    "image_id",
    [
        "",
        ".",
        "..",
        "a/../b",
        "../a",
        "/a",
        "a/",
        "a//b",
        "a\nb",
        "a\0",
        "\x7f",
        "a\u2028",
        "\udc80",
    ],
)
def test_bad_ids(image_id: str) -> None:
    assert "cannot be an id" in str(bad_id(image_id))


@pytest.fixture
def folder(tmp_path: Path) -> ImageFolder:
    root = tmp_path / "photos"
    (root / "sub").mkdir(parents=True)
    (root / ".hidden").mkdir()
    for name in ("a.jpg", "b.c.png", "sub/a.jpg", "sub/d e.webp", "two.jpg", "two.png"):
        (root / name).touch()
    for name in ("notes.txt", ".hidden/x.jpg", ".y.jpg"):
        (root / name).touch()
    return ImageFolder(root)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("a.jpg", "a.jpg"),
        ("a", "a.jpg"),
        ("b.c", "b.c.png"),
        ("./sub//a", "sub/a.jpg"),
        ("sub\\d e.webp", "sub/d e.webp"),
        ("two.png", "two.png"),
    ],
)
def test_images_are_found_with_or_without_extension(
    folder: ImageFolder, name: str, file: str
) -> None:
    assert folder.root / file == folder.find(name)
    assert folder.find(str(folder.root / name.replace("\\", "/"))) == folder.root / file


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone", "no such image"),
        ("notes.txt", "no such image"),
        ("x", "no such image"),  # hidden
        ("two", "two.jpg and two.png differ only in extension"),
        ("sub/../a.jpg", "leads out of the image folder"),
        ("/etc/passwd", "is not in the image folder"),
    ],
)
def test_names_of_no_image(folder: ImageFolder, name: str, reason: str) -> None:
    with pytest.raises(LookupError, match=reason):
        folder.find(name)


def test_a_web_address_is_found_by_its_last_part(folder: ImageFolder) -> None:
    address = "https://example.org/data/d%20e.webp"
    assert folder.search(address) == folder.root / "sub/d e.webp"
    assert folder.search("C:\\photos\\b.c.png") == folder.root / "b.c.png"
    assert folder.search("sub/a.jpg") == folder.root / "sub/a.jpg"
    with pytest.raises(LookupError, match=r"2 images are called a\.jpg"):
        folder.search("elsewhere/a.jpg")
    with pytest.raises(LookupError, match="no such image"):
        folder.search("elsewhere/gone.jpg")


def test_every_image_by_its_id(folder: ImageFolder) -> None:
    paths, problems = folder.all_by_id()
    assert list(paths) == ["a", "b.c", "sub/a", "sub/d e", "two"]
    assert [problem.id for problem in problems] == ["two.png"]
    assert "only in extension" in problems[0].reason
    assert folder.stem(folder.root / "sub/d e.webp") == "sub/d e"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match="gone: no such folder") as caught:
        ImageFolder(tmp_path / "gone", "look elsewhere")
    assert caught.value.hint == "look elsewhere"
