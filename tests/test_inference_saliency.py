"""Saliency maps of others: which there are, what they decide, what they are known by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wsss_cli.errors import WsssError
from wsss_cli.inference.saliency import Saliency, SaliencyOptions


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A grey map of a/0, dark on the left and 15, 16 and white on the right; one of a/1, dark."""
    (tmp_path / "eye" / "a").mkdir(parents=True)
    Image.fromarray(np.array([[0, 15, 16, 255]], np.uint8)).save(tmp_path / "eye" / "a" / "0.png")
    Image.fromarray(np.zeros((1, 4), np.uint8)).save(tmp_path / "eye" / "a" / "1.png")
    return tmp_path / "eye"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"saliency_below": 0.1}, "there is no --saliency"),
        ({"saliency": Path("gone")}, "gone: no such folder"),
        ({"saliency": Path(), "saliency_below": 1.5}, "--saliency-below 1.5: must lie in 0..1"),
    ],
)
def test_saliency_that_is_none(options: dict[str, Any], said: str) -> None:
    with pytest.raises(WsssError, match=said):
        SaliencyOptions(**options).opened()
    assert SaliencyOptions().opened() is None


def test_the_threshold_is_dsrgs_unless_told(folder: Path) -> None:
    assert SaliencyOptions(saliency=folder).opened() == Saliency(folder, 0.06)
    for below in (0.0, 1.0):
        found = SaliencyOptions(saliency=folder, saliency_below=below).opened()
        assert found == Saliency(folder, below)


def test_background_is_where_a_map_is_dark(folder: Path) -> None:
    """0.06 of white is 15.3: 15 is dark and 16 is not."""
    saliency = Saliency(folder, 0.06)
    ground, unsure = np.zeros((1, 4), np.uint8), np.full((1, 4), 255, np.uint8)
    for label in (ground, unsure):
        assert saliency.background("a/0", label).tolist() == [[0, 0, 255, 255]]
    label = np.array([[3, 255, 3, 0]], np.uint8)
    assert saliency.background("a/0", label).tolist() == [[3, 0, 3, 255]]  # a class stays


def test_a_map_is_read_as_it_is(folder: Path) -> None:
    assert Saliency(folder, 0.5).map("a/0", (1, 4)).tolist() == [[0, 15, 16, 255]]


def test_maps_are_known_by_their_bytes_and_their_folders_name(folder: Path) -> None:
    saliency = Saliency(folder, 0.06)
    both, one = saliency.params(["a/0", "a/1"]), saliency.params(["a/0"])
    assert both["saliency"].startswith("eye sha256:")
    assert len(both["saliency"]) == len("eye sha256:") + 16
    assert both != one
    assert Saliency(folder, 0.9).params(["a/0"]) == one  # the threshold is recorded elsewhere
    moved = folder.rename(folder.with_name("other")).rename(folder)
    assert Saliency(moved, 0.06).params(["a/0", "a/1"]) == both
    Image.fromarray(np.full((1, 4), 1, np.uint8)).save(folder / "a" / "1.png")
    assert Saliency(folder, 0.06).params(["a/0", "a/1"]) != both


def test_maps_that_do_not_serve_are_named(folder: Path) -> None:
    saliency = Saliency(folder, 0.06)
    label = np.zeros((1, 5), np.uint8)
    with pytest.raises(WsssError, match=r"eye: a/0: saliency of \(1, 4\) for labels of \(1, 5\)"):
        saliency.background("a/0", label)
    with pytest.raises(WsssError, match=r"eye: a/0: saliency of \(1, 4\) for maps of \(4, 1\)"):
        saliency.map("a/0", (4, 1))
    for act in (lambda: saliency.map("b", (1, 4)), lambda: saliency.params(["a/0", "b"])):
        with pytest.raises(WsssError, match="eye: b: "):
            act()
    (folder / "a" / "1.png").write_bytes(b"nothing")
    with pytest.raises(WsssError, match="eye: a/1: "):
        saliency.map("a/1", (1, 4))
