"""COCO's run lengths, against plain loops and against pycocotools."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss_cli.core.runs import cropped
from wsss_cli.formats.coco_rle import Rle, area_of, box_of, mask_of, rle_of, runs_of


def written(runs: list[int]) -> str:
    """Run lengths as COCO's text: a plain loop after the format's definition."""
    letters = []
    for place, run in enumerate(runs):
        number = run - runs[place - 2] if place > 2 else run
        while True:
            low, number = number & 31, number >> 5
            more = number != (-1 if low & 16 else 0)
            letters.append(chr(48 + low + (32 if more else 0)))
            if not more:
                break
    return "".join(letters)


def by_loop(runs: list[int], height: int, width: int) -> np.ndarray:
    """Column by column, from zeros."""
    pixels = [place % 2 == 1 for place, run in enumerate(runs) for _ in range(run)]
    out = np.zeros((height, width), bool)
    for place, value in enumerate(pixels):
        out[place % height, place // height] = value
    return out


@st.composite
def masks(draw: st.DrawFn) -> tuple[list[int], int, int]:
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 300))
    left, runs = height * width, []
    while left:
        runs.append(draw(st.integers(0 if not runs else 1, left)))
        left -= runs[-1]
    return runs, height, width


@given(masks())
def test_lists_and_texts_are_the_mask_of_their_runs(made: tuple[list[int], int, int]) -> None:
    runs, height, width = made
    wanted = by_loop(runs, height, width)
    for counts in (array("q", runs), written(runs)):
        rle = Rle(height, width, counts)
        assert runs_of(rle).tolist() == runs
        assert (mask_of(rle) == wanted).all()
        assert area_of(rle) == wanted.sum()
        assert box_of(rle) == cropped(wanted)[0]


@given(masks())
def test_pycocotools_writes_the_same(made: tuple[list[int], int, int]) -> None:
    theirs = pytest.importorskip("pycocotools.mask")
    runs, height, width = made
    mask = by_loop(runs, height, width)
    text = theirs.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert (mask_of(Rle(height, width, text)) == mask).all()
    found = theirs.decode({"size": [height, width], "counts": written(runs).encode()})
    assert (found.astype(bool) == mask).all()


@given(st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=30))
def test_any_text_is_a_mask_or_refused(text: str) -> None:
    try:
        found = mask_of(Rle(4, 5, text))
    except ValueError:
        return  # and no other error
    assert found.shape == (4, 5)


def test_python_bytes_in_a_text() -> None:
    assert rle_of({"size": [2, 2], "counts": "b'04'"}) == Rle(2, 2, "04")
    assert mask_of(rle_of({"size": [2, 2], "counts": "b'04'"})).all()
    assert rle_of({"size": [1, 1], "counts": "b'\\\\'"}).counts == "\\"


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([0, 13], "that are not of 4x3 pixels"),
        ([0, 11], "that are not of 4x3 pixels"),
        ([], "that are not of 4x3 pixels"),
        ([14, -2], "below 0"),
        ([1 << 62, 1 << 62, 1 << 62, 1 << 62, 12], "that are not of 4x3 pixels"),
    ],
)
def test_runs_of_other_masks(runs: list[int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        mask_of(Rle(3, 4, array("q", runs)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not of 4x3 pixels"),
        ("P", "ends within a number"),
        ("0 0", "letters that are none"),
        ("0é", "letters that are none"),
        ("oooooooo0", "beyond all images"),
        ("0O", "below 0"),
    ],
)
def test_texts_of_other_masks(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        mask_of(Rle(3, 4, text))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"counts": [4]}, "without a size"),
        ({"counts": [4], "size": [2, None]}, "without a size"),
        ({"counts": [4], "size": [2, 2, 1]}, "without a size"),
        ({"counts": [4], "size": [0, 2]}, "of 2x0 pixels"),
        ({"counts": [4], "size": [1 << 20, 1 << 20]}, "of 1048576x1048576 pixels"),
        ({"size": [2, 2]}, "neither a list nor a text"),
        ({"counts": {"a": 1}, "size": [2, 2]}, "neither a list nor a text"),
        ({"counts": [1.5], "size": [2, 2]}, "no whole numbers"),
        ({"counts": ["4"], "size": [2, 2]}, "no whole numbers"),
        ({"counts": [1 << 70], "size": [2, 2]}, "no whole numbers"),
    ],
)
def test_what_are_no_run_lengths(found: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        rle_of(found)
