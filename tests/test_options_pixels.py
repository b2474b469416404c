"""What --range, --alpha and --bands say."""

from __future__ import annotations

import pytest

from wsss_cli.core.reading import AS_IT_IS, Reading
from wsss_cli.errors import UsageError
from wsss_cli.options.pixels import Alpha, reading_of


def test_a_stretch_is_said() -> None:
    reading, auto = reading_of(None, None, "4,3,2", "2,98.5")
    assert (reading, auto) == (Reading(bands=(4, 3, 2), stretch=(2, 98.5)), False)


@pytest.mark.parametrize("text", ["98,2", "50,50", "nan,98", "2", "a,b", "-1,98", "2,101"])
def test_a_stretch_that_makes_no_sense(text: str) -> None:
    with pytest.raises(UsageError, match=f"--stretch .*{text[0]}"):
        reading_of(None, None, None, text)


def test_a_range_and_a_stretch_exclude_each_other() -> None:
    for span in ("0,9", "auto"):
        with pytest.raises(UsageError, match="--range and --stretch"):
            reading_of(span, None, None, "2,98")


def test_what_is_said() -> None:
    assert reading_of(None, None, None) == (AS_IT_IS, False)
    assert reading_of("auto", None, None) == (AS_IT_IS, True)
    reading, auto = reading_of("-100,2.5", Alpha.drop, "4,1,2")
    assert (reading, auto) == (Reading((-100, 2.5), "drop", (4, 1, 2)), False)
    assert reading.record()["range"] == [-100, 2.5]  # whole numbers stay whole


@pytest.mark.parametrize(
    ("span", "bands", "reason"),
    [
        ("12", None, "--range"),
        ("0;5", None, "--range 0;5: give LO,HI"),
        ("5,0", None, "--range .*the smaller first"),
        ("0,nan", None, "--range"),
        ("0,inf", None, "--range"),
        (None, "R,G,B", "--bands R,G,B: give numbers"),
        (None, "0,1,2", "--bands"),
        (None, "1,2", "--bands .*one or three"),
    ],
)
def test_what_makes_no_sense(span: str | None, bands: str | None, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        reading_of(span, None, bands)
