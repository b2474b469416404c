"""Names that Label Studio gives images."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.formats.label_studio_images import ImageNames


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("/data/upload/3/0123abcd-a_b.png", ("0123abcd-a_b.png", "a_b.png", "in/a b.png")),
        ("/data/upload/0123abcd-c.png", ("0123abcd-c.png", "c.png")),
        ("http://h:8080/data/upload/1/9f8e7d6c-c.png", ("9f8e7d6c-c.png", "c.png")),
        ("/data/local-files/?d=in%2Fa%20b.png", ("in/a b.png",)),
        ("http://h/data/local-files/?d=in/c.png", ("in/c.png",)),
        ("s3://bucket/in/a%20b.png", ("in/a%20b.png",)),
        ("https://h/x/c.png?size=3", ("https://h/x/c.png?size=3",)),
        ("in/c.png", ("in/c.png",)),
        ("0123ABCD-c.png", ("0123ABCD-c.png",)),
    ],
)
def test_names_in_the_order_in_which_they_are_tried(
    said: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    for name in ("in/a b.png", "in/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = ImageNames(tmp_path).of((said,))
    assert found == names


def test_two_files_that_an_upload_would_call_alike(tmp_path: Path) -> None:
    for name in ("a b.png", "a_b(.png"):
        (tmp_path / name).write_bytes(b"")
    assert ImageNames(tmp_path).of(("0123abcd-a_b.png",)) == ("0123abcd-a_b.png", "a_b.png")
