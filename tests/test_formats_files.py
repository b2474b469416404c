"""Ids, and image files by the names that lists use."""

from __future__ import annotations

import pytest

from wsss_cli.formats.files import bad_id


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
