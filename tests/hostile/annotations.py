"""The world's photographs, annotated as tools do it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write(folder: Path, tags: Mapping[str, Sequence[str]]) -> None:
    """Annotations of photographs, by name, that show these classes, for each format a file."""
    (folder / "studio.json").write_text(json.dumps(_studio(tags)))
    rows = [f"{photo},{5 + n},{7},{tag}" for photo, names in tags.items()
            for n, tag in enumerate(names)]  # fmt: skip
    _lines(folder / "points.csv", ["image,x,y,label", *rows])
    for photo, names in tags.items():
        path = (folder / "geo" / photo).with_suffix(".geojson")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_features(names)))
    captions = [f"{photo},{' and '.join(names)} somewhere" for photo, names in tags.items()]
    _lines(folder / "captions.csv", ["image,caption", *captions])
    _open_images(folder / "open", tags)


def _lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def _studio(tags: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    tasks = []
    for number, (photo, names) in enumerate(tags.items()):
        items = [{"id": "c", "type": "choices", "from_name": "c", "value": {"choices": [*names]}}]
        for place, tag in enumerate(names):
            value = {"x": 10 + place, "y": 20, "width": 30, "height": 40, "rectanglelabels": [tag]}
            items.append({"id": f"r{place}", "type": "rectanglelabels", "from_name": "r",
                          "value": value})  # fmt: skip
        said = {"completed_by": 1, "was_cancelled": False, "result": items}
        tasks.append({"id": number, "data": {"image": photo}, "annotations": [said]})
    return tasks


def _features(names: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": {"type": "MultiPoint", "coordinates": [[3 + place, 4], [5, 6]]},
                "properties": {"objectType": "annotation", "classification": {"name": tag}},
            }
            for place, tag in enumerate(names)
        ],
    }


def _open_images(folder: Path, tags: Mapping[str, Sequence[str]]) -> None:
    folder.mkdir()
    keys = {photo: photo.rpartition(".")[0] for photo in tags}
    labels = [f"{keys[photo]},verification,{tag},1" for photo, names in tags.items()
              for tag in names]  # fmt: skip
    _lines(folder / "human-imagelabels.csv", ["ImageID,Source,LabelName,Confidence", *labels])
    boxes = [f"{keys[photo]},xclick,{tag},1,0.1,0.5,0.2,0.6,0" for photo, names in tags.items()
             for tag in names]  # fmt: skip
    head = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsGroupOf"
    _lines(folder / "bbox.csv", [head, *boxes])
    _lines(folder / "images.csv", ["ImageID", *keys.values()])
