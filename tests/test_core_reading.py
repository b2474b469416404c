"""What is said of pixels that 8-bit RGB cannot hold, and what is found of their values."""

from __future__ import annotations

import subprocess
import sys

import pytest

from wsss_cli.core.reading import AS_IT_IS, Reading, Span, number


@pytest.mark.parametrize(
    ("reading", "record"),
    [
        (AS_IT_IS, {}),
        (Reading(range=(0, 4095)), {"range": [0, 4095]}),
        (
            Reading((-0.5, 2.5), "drop", (4, 1, 2)),
            {"range": [-0.5, 2.5], "alpha": "drop", "bands": [4, 1, 2]},
        ),
        (
            Reading(((0, 9), (1, 2.5), (3, 4)), None, (4, 1, 2), (2, 98.5)),
            {"range": [[0, 9], [1, 2.5], [3, 4]], "bands": [4, 1, 2], "stretch": [2, 98.5]},
        ),
        (Reading(((0, 9),), stretch=(0, 100)), {"range": [[0, 9]], "stretch": [0, 100]}),
    ],
)
def test_a_record_gives_back_what_was_said(reading: Reading, record: dict) -> None:
    assert reading.record() == record
    assert Reading.of({**record, "source": "csv"}) == reading


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"range": [5, 5]}, "range"),
        ({"range": [0, float("inf")]}, "range"),
        ({"range": "0,9"}, "range"),
        ({"range": [0, 1, 2]}, "range"),
        ({"range": ["0", "1"]}, "range"),
        ({"range": []}, "range"),
        ({"range": [[0, 1], [2, 2], [0, 1]]}, "range"),
        ({"range": [[0, 1], 2]}, "range"),
        ({"range": [[0, float("nan")]]}, "range"),
        ({"range": [[0, 1], [0, 1]], "bands": [1, 2, 3]}, "one pair for each of 3 bands"),
        ({"stretch": [98, 2]}, "stretch"),
        ({"stretch": [50, 50]}, "stretch"),
        ({"stretch": [-1, 50]}, "stretch"),
        ({"stretch": [2, 101]}, "stretch"),
        ({"stretch": [2, float("nan")]}, "stretch"),
        ({"stretch": 2}, "stretch"),
        ({"alpha": "green"}, "alpha green: one of white, black, drop"),
        ({"alpha": ["white"]}, "alpha"),
        ({"bands": [0]}, "bands"),
        ({"bands": [1, 2]}, "bands"),
        ({"bands": 3}, "bands"),
    ],
)
def test_what_makes_no_sense(record: dict, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Reading.of(record)


def test_spans_of_several_images() -> None:
    both = Span(412, 3000, 65535) | Span(500, 3406, 4095)
    assert both == Span(412, 3406, 65535)
    assert str(both) == "412..3406 of 0..65535"
    assert str(both | Span(-1, 0.25, None)) == "-1..3406"


@pytest.mark.parametrize(
    ("span", "unclear"),
    [
        (Span(0, 65535, 65535), False),
        (Span(0, 32768, 65535), False),
        (Span(0, 32767, 65535), True),
        (Span(40000, 44000, 65535), True),
        (Span(0, 1, None), True),
    ],
)
def test_less_than_half_of_the_levels_is_unclear(span: Span, unclear: bool) -> None:
    assert span.unclear is unclear


def test_numbers_are_written_as_they_are_typed() -> None:
    assert [number(value) for value in (4095.0, -3, 0.1)] == ["4095", "-3", "0.1"]


def test_module_is_light() -> None:
    code = "import sys, wsss_cli.core.reading; sys.exit(bool({'numpy', 'PIL'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_most_pixels_hold_counts_where_the_rest_is_far_off() -> None:
    one, other = Span(0, 65535, 65535, most=(90, 4000)), Span(5, 9, 65535, most=(6, 9))
    assert (one.used, one.unclear) == ((90, 4000), True)
    assert (one | other).most == (6, 4000)
    assert (one | Span(0, 9, 65535)).used == (0, 65535)
    assert Span(0, 4000, 65535, most=(90, 3000)).used == (0, 4000)
    assert Span(0, 4095, 4095, most=(90, 3000)).used == (0, 4095)
