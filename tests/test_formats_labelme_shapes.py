"""The shapes of labelme's JSON files."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wsss_cli.core.marks import BOX, LINE, POINT, POLYGON, REGION
from wsss_cli.formats.labelme_shapes import drawing
from wsss_cli.formats.shapes import BACKGROUND, IGNORED, Shape


def png(mask: Any) -> str:
    out = io.BytesIO()
    Image.fromarray(np.array(mask, np.uint8) * 255).convert("1").save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def shape(kind: str | None, *points: tuple[float, float], label: str = "cat", **more: Any) -> Any:
    return {"label": label, "points": [list(p) for p in points], "shape_type": kind, **more}


def only(folder: Path, *shapes: Any) -> tuple[Shape, ...]:
    file = folder / "a.json"
    file.write_text(json.dumps({"shapes": shapes, "imageHeight": 6, "imageWidth": 8}))
    found = drawing(file, "a.json")
    assert (found.size, found.file) == ((6, 8), "a.json")
    return found.shapes


def test_kinds_of_shapes(tmp_path: Path) -> None:
    corners = [(1.0, 1.0), (4.0, 1.0), (4.0, 3.0), (1.0, 3.0)]
    found = only(
        tmp_path,
        shape("point", (2.5, 3.25)),
        shape("points", (1, 1), (2, 2)),
        shape("line", (0, 0), (3, 4)),
        shape("linestrip", (0, 0), (3, 4), (5, 5)),
        shape("rectangle", (5, 4), (1, 2)),  # any two corners
        shape("rectangle", *corners),
        shape(None, *corners),  # as the oldest files have a polygon
        shape("oriented_rectangle", (2, 0), (4, 2), (2, 4), (0, 2)),
        shape("circle", (4, 3), (4, 1)),
        shape("mask", (2, 1), (4, 2), mask=png([[1, 0, 1], [0, 1, 1]])),
    )
    assert [one.kind for one in found] == [
        POINT,
        POINT,
        POINT,
        LINE,
        LINE,
        BOX,
        BOX,
        POLYGON,
        POLYGON,
        POLYGON,
        REGION,
    ]
    assert found[0].rings[0].tolist() == [[2.5, 3.25]]
    assert found[5].rings[0].tolist() == [[1, 2], [5, 4]]
    assert found[6].rings[0].tolist() == [[1, 1], [4, 3]]
    assert [one.outline for one in found[7:]] == [True, False, True, True]
    assert np.allclose(np.hypot(*(found[9].rings[0] - (4, 3)).T), 2)
    assert found[10].rings[0].tolist() == [[2, 1], [5, 3]]  # the last pixel is its own
    assert isinstance(found[10].region, np.ndarray)
    assert found[10].region.tolist() == [[True, False, True], [False, True, True]]


def test_a_mask_whose_corners_are_fractions_has_its_own_size(tmp_path: Path) -> None:
    (one,) = only(tmp_path, shape("mask", (2.4, 1.6), (4.9, 3.1), mask=png([[1, 1, 1, 1]])))
    assert one.rings[0].tolist() == [[2, 1], [6, 2]]


def test_groups_and_names_that_are_no_classes(tmp_path: Path) -> None:
    square = ((0, 0), (2, 0), (2, 2))
    found = only(
        tmp_path,
        shape("polygon", *square, group_id=10**30),
        shape("polygon", *square, group_id=-4),
        shape("polygon", *square, group_id=10**30),
        shape("polygon", *square),
        shape("linestrip", *square, label="_background_"),
        shape("polygon", *square, label="__ignore__"),
    )
    assert [one.object for one in found] == [1, 2, 1, -1, -1, -1]
    assert [one.name for one in found[4:]] == [BACKGROUND, IGNORED]
