"""The pointing game over files of maps: whom it is played with, and how it is summed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import masks_of, pack_like, random_cams, write_cam

from wsss_cli.artifacts import CAM, open_artifact, open_dataset
from wsss_cli.core.cam import enlarge
from wsss_cli.errors import WsssError
from wsss_cli.scoring.pointing import Pointing, means


def played(cam: Path, data: Path | None = None, tolerance: int = 15) -> dict[str, Any]:
    with open_artifact(cam, CAM) as maps, open_dataset(data, maps) as truth:
        game = Pointing(maps, truth, tolerance)
        for image_id in maps.ids:
            game.add(image_id)
        return game.report()


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_hits_equal_a_loop(tiny_data: Path, tmp_path: Path, dtype: str) -> None:
    cams = random_cams(tiny_data, dtype=dtype)
    report = played(write_cam(tmp_path / "cam.h5", tiny_data, cams), tolerance=4)
    expected: dict[str, list[float]] = {"red": [], "green": [], "blue": []}
    anywhere = []
    for image_id, mask in masks_of(tiny_data).items():
        item = cams[image_id]
        for index, scores in zip(item["classes"], enlarge(item["cam"], mask.shape, 4), strict=True):
            region = np.argwhere(mask == index + 1)
            share, near = [], 0
            for y, x in np.ndindex(*mask.shape):
                hit = bool((((region - (y, x)) ** 2).sum(1) < 16).any())
                near += hit
                if scores[y, x] == scores.max():
                    share.append(hit)
            expected[["red", "green", "blue"][index]].append(np.mean(share))
            anywhere.append(near / mask.size)
    for name, hits in expected.items():
        assert report["classes"][name]["count"] == len(hits)
        assert report["classes"][name]["maps"] == pytest.approx(np.mean(hits))
    assert report["mean"]["maps"] == pytest.approx(np.mean([np.mean(h) for h in expected.values()]))
    assert report["per_map"]["random"] == pytest.approx(anywhere)
    assert report["maps"] == len(anywhere) == 7
    assert (report["maps_without_region"], report["regions_without_map"]) == (0, 0)
    assert report["protocol"]["tolerance"] == 4


def scene(tmp_path: Path) -> tuple[Path, dict[str, dict[str, np.ndarray]]]:
    """Two images of a cat and a dog, one without a mask; maps that point at a corner each."""
    size = (40, 60)
    mask = np.zeros(size, np.uint8)
    mask[:4, :4], mask[-4:, -4:], mask[:, 30] = 1, 2, 255
    images = dict.fromkeys("xy", np.zeros((*size, 3), np.uint8))
    data = pack_like(
        tmp_path / "d.h5", images, {"x": mask}, {"x": [0, 1], "y": [0]}, ["cat", "dog", "cow"]
    )
    cam = np.zeros((2, *size), np.float16)
    cam[0, 0, 0] = cam[1, 0, 0] = 1
    cams = {
        "x": {"cam": cam, "classes": np.array([0, 1], np.uint16)},
        "y": {"cam": cam[:1], "classes": np.array([0], np.uint16)},
    }
    return data, cams


def test_the_mean_is_over_classes_that_have_a_map(tmp_path: Path) -> None:
    data, cams = scene(tmp_path)
    report = played(write_cam(tmp_path / "cam.h5", data, cams, stride=1))
    assert [report["classes"][name]["maps"] for name in ("cat", "dog", "cow")] == [1, 0, None]
    assert report["mean"]["maps"] == 0.5
    assert report["maps"] == 2  # y has no mask
    assert report["per_map"]["id"] == ["x", "x"]
    assert report["per_map"]["centre"] == [0, 0]
    assert report["difficult"]["count"] == 2  # both are small, and beside each other
    assert played(tmp_path / "cam.h5", tolerance=0)["mean"] == dict.fromkeys(
        ("maps", "random", "centre"), 0
    )


def test_maps_of_what_is_not_there_are_left_out_and_counted(tmp_path: Path) -> None:
    data, cams = scene(tmp_path)
    cams["x"]["classes"] = np.array([0, 2], np.uint16)
    report = played(write_cam(tmp_path / "cam.h5", data, cams, stride=1))
    assert (report["maps"], report["mean"]["maps"]) == (1, 1)
    assert (report["maps_without_region"], report["regions_without_map"]) == (1, 1)


def test_nothing_to_point_at_is_no_score(tmp_path: Path) -> None:
    data, cams = scene(tmp_path)
    cams["x"] = {"cam": cams["y"]["cam"], "classes": np.array([2], np.uint16)}
    path = write_cam(tmp_path / "cam.h5", data, cams, stride=1)
    report = played(path)
    assert (report["maps"], report["maps_without_region"], report["mean"]["maps"]) == (0, 1, None)
    assert report["per_map"]["id"] == []
    with open_artifact(path, CAM) as maps, open_dataset(None, maps) as truth:
        game = Pointing(maps, truth, 15)
        game.add("x")
        with pytest.raises(WsssError, match=r"cam\.h5: none of its maps is of a class"):
            game.check()


def test_means_of_no_map() -> None:
    assert means([]) == {"count": 0, "maps": None, "random": None, "centre": None}
