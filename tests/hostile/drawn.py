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
    _write_folders(folder)
    for name in ("JPEGImages", "SegmentationClass", "ImageSets"):
        shutil.copytree(folder / "voc" / name, folder / "cvatmask" / name)


def _write_folders(folder: Path) -> None:
    """Layouts of folders, of the devkit's photographs and masks."""
    names = sorted(file.stem for file in (folder / "voc/JPEGImages").iterdir())
    rows = ["filename,cat,dog"]
    for place, name in enumerate(names):
        photo = folder / f"voc/JPEGImages/{name}.jpg"
        label = folder / f"voc/SegmentationClass/{name}.png"
        split, of_class = ("train", "val")[place % 2], ("cat", "dog")[place // 2 % 2]
        rows.append(f"{name}.jpg,{place % 2},1")
        copies = (
            (photo, f"yolo/images/{split}"), (photo, f"byclass/{split}/{of_class}"),
            (photo, "pairs/images"), (label, "pairs/masks"), (photo, "roboflow/train"),
        )  # fmt: skip
        for file, place_of in copies:
            (folder / place_of).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder / place_of)
        text = folder / f"yolo/labels/{split}/{name}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text("0 0.5 0.5 0.4 0.4\n1 0.2 0.2 0.6 0.2 0.6 0.8\n")
    (folder / "yolo/data.yaml").write_text(
        "names: [cat, dog]\ntrain: images/train\nval: images/val\n"
    )
    (folder / "roboflow/train/_classes.csv").write_text("\n".join(rows) + "\n")


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
