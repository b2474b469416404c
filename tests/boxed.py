"""What tests of boxes share: a data set with true boxes, blobs as maps, and the plain scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import encode_png

from wsss_cli.artifacts import DATASET, create

NAMES = ["cat", "dog", "cow"]
SIZE = (40, 60)

# id: (class index, corners, difficult) of each box
BOXES: dict[str, list[tuple[int, tuple[float, ...], bool]]] = {
    "a": [(0, (5, 5, 25, 25), False), (0, (40, 20, 55, 38), True)],
    "b": [(1, (10, 8, 30, 30.5), False), (0, (2, 2, 9, 9), True)],
    "c": [(0, (0, 0, 60, 40), False)],
    "d": [],
    "e": [(1, (31, 3, 58, 37), False), (2, (1, 1, 20, 39), False)],
}


def write_boxed(path: Path, missing: tuple[str, ...] = ()) -> Path:
    """Plain images of SIZE with `BOXES`, tagged with their classes; `missing` have none known."""
    with create(
        path, DATASET, classes=NAMES, params={}, ids=list(BOXES), splits={"one": "ab", "two": "cde"}
    ) as out:
        for image_id in out.todo:
            drawn = BOXES[image_id]
            boxes = {
                "true_box": np.array([one[1] for one in drawn], np.float32).reshape(-1, 4),
                "true_box_class": np.array([one[0] for one in drawn], np.uint16),
                "true_box_difficult": np.array([one[2] for one in drawn], np.uint8),
            }
            out.put(
                image_id,
                image=encode_png(np.zeros((*SIZE, 3), np.uint8)),
                tags=np.unique(boxes["true_box_class"]),
                size=np.array(SIZE, np.int32),
                **({} if image_id in missing else boxes),
            )
    return path


def blobs(seed: int = 0) -> dict[str, dict[str, np.ndarray]]:
    """Maps of stride 1: a few soft hills for each class that an image's boxes show."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    cams = {}
    for image_id, drawn in BOXES.items():
        classes = np.unique([one[0] for one in drawn]).astype(np.uint16)
        maps = []
        for index in classes:
            one = np.zeros(SIZE)
            for found, (x0, y0, x1, y1), _ in drawn:
                if found == index:
                    middle = (x0 + x1) / 2 + rng.normal(), (y0 + y1) / 2 + rng.normal()
                    wide, high = (x1 - x0) / 3, (y1 - y0) / 3
                    hill = ((x - middle[0]) / wide) ** 2 + ((y - middle[1]) / high) ** 2
                    one += rng.uniform(0.5, 1) * np.exp(-hill)
            maps.append(one / one.max())
        cam = np.array(maps, np.float16).reshape(-1, *SIZE)
        cams[image_id] = {"cam": cam, "classes": classes}
    return cams
