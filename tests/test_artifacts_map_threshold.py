"""The threshold that a file of maps chooses by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made import write_cam

from wsss_cli.artifacts import open_artifact
from wsss_cli.artifacts.map_threshold import threshold_of
from wsss_cli.errors import WsssError

ONE = np.zeros(1, np.uint16)


def flat(*values: float) -> dict[str, dict[str, np.ndarray]]:
    """A map of one value of class 0 for each image, those of the tiny data."""
    return {
        f"a/{number}": {"cam": np.full((1, 8, 12), value, np.float16), "classes": ONE}
        for number, value in enumerate(values)
    }


def found(path: Path) -> float:
    with open_artifact(path) as maps:
        return threshold_of(maps)


def between(low: float, high: float) -> float:
    """The logarithmic mean of the middles of two scores' bins."""
    low, high = ((int(score * 256) + 0.5) / 256 for score in (low, high))
    return round((high - low) / float(np.log(high / low)), 4)


def test_all_maps_of_the_file_choose(tiny_data: Path, tmp_path: Path) -> None:
    cams = flat(0.25, 0.75, 0.25)
    assert found(write_cam(tmp_path / "c.h5", tiny_data, cams)) == between(0.25, 0.75)
    cams["a/4"] = {"cam": np.zeros((0, 8, 12), np.float16), "classes": np.zeros(0, np.uint16)}
    two = np.stack([np.full((8, 12), 0.25), np.full((8, 12), 0.875)]).astype(np.float16)
    cams["a/1"] = {"cam": two, "classes": np.array([0, 2], np.uint16)}
    assert found(write_cam(tmp_path / "d.h5", tiny_data, cams)) == between(0.25, 0.875)


def test_bytes_are_255ths(tiny_data: Path, tmp_path: Path) -> None:
    cams = flat(0, 0)
    cams["a/0"]["cam"], cams["a/1"]["cam"] = (np.full((1, 8, 12), v, np.uint8) for v in (51, 204))
    assert found(write_cam(tmp_path / "c.h5", tiny_data, cams)) == between(0.2, 0.8)


def test_maps_that_choose_nothing(tiny_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "c.h5"
    write_cam(path, tiny_data, flat(0.5, 0.5))
    with pytest.raises(WsssError) as caught:
        found(path)
    assert str(caught.value) == f"{path}: chooses no threshold: all scores are alike"
    cams = flat(0.5, 0.5)
    part = write_cam(tmp_path / "p.h5", tiny_data, cams, shard="1/2")
    with pytest.raises(WsssError) as caught:
        found(part)
    said = "only shard 1/2 of a run; its threshold is one of all maps"
    assert (str(caught.value), caught.value.hint) == (
        f"{part}: {said}",
        "`wsss merge` joins the shards",
    )
    for item in cams.values():
        item["background"] = np.full((8, 12), 0.25, np.float16)
    own = write_cam(tmp_path / "b.h5", tiny_data, cams)
    with pytest.raises(WsssError, match="its maps have a background of their own, and need no"):
        found(own)
    cams = flat(0.5)
    cams["a/0"]["cam"][0, 0, 0] = np.nan
    with pytest.raises(WsssError, match="a/0: cam has scores outside"):
        found(write_cam(tmp_path / "n.h5", tiny_data, cams))
