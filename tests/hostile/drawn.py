"""Files of annotation tools for the world's photographs: a polygon of one class on each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

SQUARE = [(3, 3), (12, 3), (12, 12), (3, 12)]


def write_drawn(folder: Path, photos: Sequence[str]) -> None:
    """One file or folder for each of the formats in which people draw."""
    points = ";".join(f"{x}.00,{y}.00" for x, y in SQUARE)
    strokes = "".join(f"<point><X>{x}</X><Y>{y}</Y></point>" for x, y in SQUARE)
    images = []
    for photo in photos:
        stem = photo.partition(".")[0]
        images.append(
            f'<image name="{photo}"><polygon label="cat" points="{points}"/>'
            '<mask label="cat" rle="1, 3" left="1" top="1" width="2" height="2"/></image>'
        )
        shape = {"label": "cat", "shape_type": "polygon", "points": SQUARE}
        _write(folder / f"labelme/{stem}.json", {"imagePath": photo[2:], "shapes": [shape]})
        thing = {
            "classTitle": "cat", "geometryType": "polygon", "points": {"exterior": SQUARE},
        }  # fmt: skip
        content = {"size": {}, "tags": [], "objects": [thing]}
        _write(folder / f"supervisely/ds/ann/{photo[2:]}.json", content)
        xml = f"<annotation><polygon><tag>cat</tag>{strokes}</polygon></annotation>"
        file = folder / f"scribbles/{stem[2:]}.xml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(xml)
    (folder / "cvat").mkdir()
    (folder / "cvat/annotations.xml").write_text(
        f"<annotations><version>1.1</version>{''.join(images)}</annotations>"
    )
    clicks = {photo: [{"x": 3, "y": 4, "cls": 1, "rank": 1}] for photo in photos}
    _write(folder / "points.json", clicks)
    for name in ("JPEGImages", "SegmentationClass", "ImageSets"):
        shutil.copytree(folder / "voc" / name, folder / "cvatmask" / name)


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
