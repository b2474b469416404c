"""Pixels kept in shared memory."""

from __future__ import annotations

import os
import pickle

import numpy as np

from wsss_cli.artifacts.pixels import PixelCache


def image(height: int, width: int, value: int) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_what_is_put_comes_back() -> None:
    cache = PixelCache({"a": (2, 3), "b": (4, 5)}, 1000)
    assert len(cache) == 2
    assert cache.get("a") is None
    cache.put("a", image(2, 3, 7))
    cache.put("b", image(4, 5, 9))
    for name, value in (("a", image(2, 3, 7)), ("b", image(4, 5, 9))):
        found = cache.get(name)
        assert found is not None
        np.testing.assert_array_equal(found, value)


def test_what_has_no_room_or_another_size_is_not_kept() -> None:
    cache = PixelCache({"a": (2, 3), "large": (90, 90), "b": (4, 5)}, 3 + 18 + 60)
    assert len(cache) == 2
    for name, value in (("large", image(90, 90, 1)), ("b", image(5, 4, 1)), ("c", image(1, 1, 1))):
        cache.put(name, value)
        assert cache.get(name) is None
    cache.put("b", image(4, 5, 1))
    assert cache.get("b") is not None
    assert len(PixelCache({}, 0)) == len(PixelCache({"a": (2, 3)}, 0)) == 0


def test_a_forked_process_and_its_parent_share_it() -> None:
    cache = PixelCache({"a": (2, 3)}, 1000)
    child = os.fork()
    if not child:
        cache.put("a", image(2, 3, 7))
        os._exit(0)
    os.waitpid(child, 0)
    found = cache.get("a")
    assert found is not None
    assert (found == 7).all()


def test_a_pickled_copy_keeps_nothing() -> None:
    cache = PixelCache({"a": (2, 3)}, 1000)
    copy = pickle.loads(pickle.dumps(cache))
    copy.put("a", image(2, 3, 7))
    assert (len(copy), copy.get("a")) == (0, None)
