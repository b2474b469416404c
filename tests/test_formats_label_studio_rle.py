"""Label Studio's run lengths, against a plain decoder and an encoder made here."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from samples import FORMATS, truth_of

from wsss_cli.formats.label_studio_rle import decode_brush, values_of


def encode(values: list[int], plan: list[tuple[bool, int]], sizes: list[int]) -> list[int]:
    """A stream of values in runs: whether one is repeated, and how long it is at most.

    What a plan leaves over is written value by value. Each length takes the least of `sizes`.
    """
    bits = f"{len(values):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in sizes)
    at = 0
    for repeated, most in [*plan, *[(False, 1)] * len(values)]:
        if at == len(values):
            break
        length = min(most, len(values) - at, 1 << max(sizes))
        if repeated:
            same = [value == values[at] for value in values[at : at + length]]
            length = same.index(False) if False in same else length
        which = min(
            (place for place, size in enumerate(sizes) if length <= 1 << size),
            key=lambda place: sizes[place],
        )
        bits += f"{int(repeated)}{which:02b}{length - 1:0{sizes[which]}b}"
        run = values[at : at + (1 if repeated else length)]
        bits += "".join(f"{value:08b}" for value in run)
        at += length
    bits += "0" * (-len(bits) % 8)
    return [int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)]


def plainly(rle: list[int]) -> list[int]:
    """All values, bit by bit."""
    bits = "".join(f"{byte:08b}" for byte in rle)
    place = 0

    def take(count: int) -> int:
        nonlocal place
        place += count
        return int(bits[place - count : place], 2)

    total, word = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    out: list[int] = []
    while len(out) < total:
        repeated, size = take(1), sizes[take(2)]
        length = take(size) + 1
        if repeated:
            out += [take(word)] * length
        else:
            out += [take(word) for _ in range(length)]
    return out


@given(
    st.lists(st.sampled_from([0, 0, 0, 1, 77, 128, 255]), max_size=300),
    st.lists(st.tuples(st.booleans(), st.integers(1, 90)), max_size=40),
    st.lists(st.integers(1, 16), min_size=4, max_size=4),
)
def test_every_stream_gives_the_values_that_were_written(
    values: list[int], plan: list[tuple[bool, int]], sizes: list[int]
) -> None:
    rle = encode(values, plan, sizes)
    assert plainly(rle) == values
    assert values_of(rle, len(values)).tolist() == values


@given(st.lists(st.integers(0, 255), min_size=12, max_size=12), st.integers(0, 100), st.data())
def test_a_stream_cut_anywhere_is_refused(values: list[int], most: int, data: Any) -> None:
    rle = encode(values, [(False, most + 1), (True, 5)], [3, 4, 7, 9])
    cut = data.draw(st.integers(0, len(rle) - 1))
    with pytest.raises(ValueError, match="cut short"):
        values_of(rle[:cut], 12)


def alphas(*values: int) -> list[int]:
    """A stream of a row of pixels of these alphas."""
    return encode([part for value in values for part in (9, 9, 9, value)], [], [3, 4, 8, 16])


def test_soft_edges_are_cut_at_half() -> None:
    assert decode_brush(alphas(0, 1, 127, 128, 255), 1, 5).tolist() == [[0, 0, 0, 1, 1]]


def test_masks_of_zeros_and_ones_are_taken_as_they_are() -> None:
    assert decode_brush(alphas(0, 1, 0, 1), 2, 2).tolist() == [[0, 1], [0, 1]]
    assert not decode_brush(alphas(0, 0), 1, 2).any()
    assert decode_brush(encode([], [], [3, 4, 8, 16]), 0, 3).shape == (0, 3)


def test_runs_over_the_end_and_other_values_are_refused() -> None:
    over = encode([7] * 8, [(True, 8)], [3, 4, 8, 16])
    over[3] = 4
    with pytest.raises(ValueError, match="run over"):
        values_of(over, 4)
    with pytest.raises(ValueError, match="of 8 values, where 16"):
        decode_brush(encode([7] * 8, [], [3, 4, 8, 16]), 2, 2)
    wide = encode([7] * 8, [], [3, 4, 8, 16])
    wide[4] |= 0b1000_0000
    with pytest.raises(ValueError, match="values of 24 bits"):
        values_of(wide, 8)
    for strange in ([-1], [256] * 9, ["a"], [1.5], None, [None], 3.5):
        with pytest.raises(ValueError, match="no bytes"):
            values_of(strange, 0)  # type: ignore[arg-type]


def test_streams_that_the_sdk_wrote() -> None:
    truth_of("label_studio")
    folder = FORMATS / "label_studio"
    tasks = json.loads((folder / "project-1-at-2026-11-30.json").read_text())
    found = {}
    for task in tasks:
        for item in task["annotations"][0]["result"]:
            if item["type"] == "brushlabels":
                found[task["id"]] = item
    assert len(found) == 2
    for task_id, item in found.items():
        rle, size = item["value"]["rle"], (item["original_height"], item["original_width"])
        mask = decode_brush(rle, *size)
        assert values_of(rle, 4 * size[0] * size[1]).tolist() == plainly(rle)
        (drawn,) = folder.glob(f"converted/brush_to_png/task-{task_id}-*.png")
        assert (mask == (np.array(Image.open(drawn)) > 0)).all()
