"""A plan as a table and as JSON."""

from __future__ import annotations

import pytest

from wsss_cli.planning.table import _size, _time


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "-"), (0, "0.0 kB"), (99_949, "99.9 kB"), (123_000, "123 kB"), (5e12, "5.0 TB")],
)
def test_bytes_in_words(number: float | None, text: str) -> None:
    assert _size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (119, "119 s"), (120, "2 min"), (9000, "2.5 h")]
)
def test_time_in_words(seconds: float | None, text: str) -> None:
    assert _time(seconds) == text
