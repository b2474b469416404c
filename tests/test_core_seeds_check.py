"""What every rule of seeds asks of its maps."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.core.seeds.check import check_maps

CAM = np.zeros((2, 3, 4), np.float32)
IMAGE = np.zeros((3, 4, 3), np.uint8)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_maps_of_any_floats_fit(dtype: str) -> None:
    check_maps(CAM.astype(dtype), np.array([0, 7]), IMAGE)
    check_maps(CAM[:0].astype(dtype), np.zeros(0, np.uint16), IMAGE)


@pytest.mark.parametrize(
    ("cam", "count", "image", "said"),
    [
        (CAM[0], 3, None, r"a cam of shape \(3, 4\) does not hold 3 classes"),
        (CAM, 1, None, r"a cam of shape \(2, 3, 4\) does not hold 1 classes"),
        (CAM.astype(np.uint8), 2, None, "a cam is float, not uint8"),
        (CAM, 2, IMAGE.transpose(1, 0, 2), r"does not fit an image of \(4, 3, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused(
    cam: np.ndarray, count: int, image: np.ndarray | None, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        check_maps(cam, np.arange(count), image)
