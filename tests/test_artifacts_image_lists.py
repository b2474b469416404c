"""Lists of images as text: what goes in comes out, and unions are those of sets."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest

from wsss_cli.artifacts import image_lists
from wsss_cli.artifacts.image_lists import common, packed, packed_ids, united, unpacked


def rows_of(text: str) -> list[int]:
    return np.flatnonzero(np.unpackbits(unpacked(text))).tolist()


@pytest.mark.parametrize("size", [1, 7, 8, 9, 1000])
def test_a_list_comes_back_and_unions_are_those_of_sets(size: int) -> None:
    rng = np.random.default_rng(size)
    for share in (0.0, 0.3, 1.0):
        one, other = (set(np.flatnonzero(rng.random(size) <= share).tolist()) for _ in range(2))
        texts = [packed(np.array(sorted(rows), int), size) for rows in (one, other)]
        assert [rows_of(text) for text in texts] == [sorted(one), sorted(other)]
        text, count = united(*texts)
        assert (rows_of(text), count) == (sorted(one | other), len(one | other))
        text, count = common(*texts)
        assert (rows_of(text), count) == (sorted(one & other), len(one & other))


def test_ids_are_found_whatever_their_order_and_length() -> None:
    known = np.array([b"a", b"ab", b"b", "ö".encode()])
    assert rows_of(packed_ids(["ö", "ab"], known)) == [1, 3]
    assert rows_of(packed_ids([], known)) == []
    for strange in ("abc", "z", "", "öö"):  # "abc" is not cut to "ab"
        assert packed_ids(["a", strange], known) == ""
    assert packed_ids(["a"], known[:0]) == ""


def test_a_list_of_many_images_is_small() -> None:
    rng = np.random.default_rng(0)
    half = packed(np.flatnonzero(rng.random(100_000) < 0.5), 100_000)
    assert len(half) < 100_000 / 8 * 4 / 3 * 1.02  # one bit an image, in base64
    assert len(packed(np.arange(100_000), 100_000)) < 100


@pytest.mark.parametrize("text", ["%", "AAAA", "ä", base64.b64encode(b"x" * 9).decode()])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpacked(text)


def test_a_bomb_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_lists, "MOST", 100)
    bomb = base64.b64encode(zlib.compress(bytes(1_000_000))).decode()
    assert len(unpacked(bomb)) == 100
    assert len(unpacked("")) == 0
