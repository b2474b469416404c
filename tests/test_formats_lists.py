"""Lists of images and of classes, and JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.lists import read_classes, read_lines


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
