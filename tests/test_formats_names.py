"""Names of image files, and where they are from."""

from __future__ import annotations

import pytest

from wsss_cli.formats.names import EXTENSIONS, is_image, loose, origin, stem_of


def test_a_name_is_compared_in_small_letters_and_one_form() -> None:
    assert loose("Cafe\u0301.JPG") == loose("CAF\u00c9.jpg") == "caf\u00e9.jpg"


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.jpg", "a"),
        ("a.b.tiff", "a.b"),
        ("a.heic", "a"),
        ("a.v2", "a.v2"),
        ("a", "a"),
        ("00139.jpg", "139"),
        ("139", "139"),
        ("139.0", "139"),
        ("v1.0", "v1.0"),
        ("000", "0"),
        ("0a", "0a"),
    ],
)
def test_only_extensions_of_images_are_taken_off(name: str, stem: str) -> None:
    assert stem_of(name) == stem


def test_names_of_images() -> None:
    assert [is_image(name) for name in ("a.JPG", "x/b.c.png", "a", "a.heic")] == [
        True, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "path", "source"),
    [
        ("a/b.jpg", "a/b.jpg", None),
        ("/data/b.jpg", "/data/b.jpg", None),
        (r"C:\data\b.jpg", r"C:\data\b.jpg", "a Windows path"),
        ("d:/b.jpg", "d:/b.jpg", "a Windows path"),
        (r"\\server\share\b.jpg", r"\\server\share\b.jpg", "a Windows path"),
        (r"site1\b.jpg", r"site1\b.jpg", None),
        ("https://x.org/a/b%20c.jpg?size=1#top", "/a/b c.jpg", "a web address"),
        ("s3://bucket/a/b.jpg", "/a/b.jpg", "a web address"),
        ("file:///home/me/b.jpg", "/home/me/b.jpg", "a file: address"),
        ("file:///C:/data/b.jpg", "C:/data/b.jpg", "a Windows path"),
    ],
)
def test_where_a_name_is_from(name: str, path: str, source: str | None) -> None:
    assert origin(name) == (path, source)


def test_extensions_are_in_small_letters() -> None:
    assert {extension for extension in EXTENSIONS if extension == extension.lower()} == EXTENSIONS
    assert ".jpg" in EXTENSIONS
    assert ".heic" not in EXTENSIONS
