"""What stages ask of maps before they work with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made import random_cams, write_cam, write_data

from wsss_cli.artifacts import CAM, open_artifact, open_dataset
from wsss_cli.artifacts.maps import cam_stride, check_maps, checked_item
from wsss_cli.errors import WsssError

Item = dict[str, np.ndarray]


def test_maps_that_fit_their_image_pass(tiny_data: Path) -> None:
    path = write_cam(tiny_data.with_name("cam.h5"), tiny_data, random_cams(tiny_data))
    with open_artifact(path, CAM) as maps, open_dataset(tiny_data) as data:
        check_maps(maps, data, maps.ids)
        item, size = checked_item(maps, "a/3")
        assert (len(item["cam"]), size, cam_stride(maps)) == (2, (32, 48), 4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda item: {"cam": item["cam"] + np.float16(2)}, "cam has scores outside 0..1, or NaN"),
        (lambda item: {"cam": item["cam"] * np.float16(np.nan)}, "outside 0..1, or NaN"),
    ],
)
def test_maps_that_do_not_are_refused(
    tiny_data: Path, change: Callable[[Item], Item], said: str
) -> None:
    cams = random_cams(tiny_data)
    cams["a/3"] |= change(cams["a/3"])
    path = write_cam(tiny_data.with_name("cam.h5"), tiny_data, cams)
    with open_artifact(path, CAM) as maps, pytest.raises(WsssError, match=said):
        checked_item(maps, "a/3")


def test_a_stride_is_recorded_and_images_are_there(tiny_data: Path, tmp_path: Path) -> None:
    path = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data), stride=None)
    other = write_data(tmp_path / "other.h5", ["a/0"], (8, 8), ["red", "green", "blue"])
    with open_artifact(path, CAM) as maps, open_dataset(other) as data:
        with pytest.raises(WsssError, match="does not record its stride"):
            cam_stride(maps)
        with pytest.raises(WsssError, match="lacks 5 of the 6 images in"):
            check_maps(maps, data, maps.ids)
