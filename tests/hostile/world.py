"""The small world that commands are tried in: photographs, lists, and one artifact of each kind."""

from __future__ import annotations

import gzip
import json
import pickle
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from conftest import CLASSES, tiny_scene
from PIL import Image

from . import child
from .content import Content, content
from .recipes import BUILD, RECIPES, Recipe

ENDINGS = ("png", "jpg", "tif", "gif", "webp", "png")  # of the photographs, one of each kind
IDS = [f"a/{index}" for index in range(len(ENDINGS))]
HOME = Path(__file__).resolve().parent


class World:
    """A folder of inputs, and what every recipe makes of them undisturbed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = root / "world"
        self._tries = root / "tries"
        self._whole: dict[str, Whole] = {}
        self._boot: float | None = None
        self.kept: dict[str, Any] = {}  # what parts find out once
        self._count = 0

    def build(self) -> None:
        """Draw and make all of it."""
        self.files.mkdir()
        self._tries.mkdir()
        draw(self.files)
        for line in BUILD:
            done = child.forked(line.split(), self.files)
            if done.code != 0:
                raise SystemExit(f"the world cannot be built: wsss {line}\n{done.err}")

    def fresh(self, recipe: Recipe) -> Path:
        """A new folder with what the recipe reads; `drop` it afterwards."""
        self._count += 1
        folder = self._tries / f"{self._count}"
        folder.mkdir()
        for name in recipe.reads.split():
            if (self.files / name).is_dir():
                shutil.copytree(self.files / name, folder / name)
            else:
                shutil.copy(self.files / name, folder / name)
        return folder

    def drop(self, folder: Path) -> None:
        """Delete the folder of a try."""
        shutil.rmtree(folder, ignore_errors=True)

    def apart(self, name: str) -> None:
        """Count tries in a folder of this process's own, after a fork."""
        self._tries = self._tries / name
        self._tries.mkdir()

    def whole(self, recipe: Recipe) -> Whole:
        """What the recipe does undisturbed, done once."""
        if recipe.name not in self._whole:
            folder = self.fresh(recipe)
            outcome = child.forked(recipe.words, folder)
            if outcome.code != 0:
                raise SystemExit(f"undisturbed, this fails: wsss {recipe.line}\n{outcome.err}")
            self._whole[recipe.name] = Whole(outcome, made(folder, recipe), folder)
            missing = [name for name in recipe.makes.split() if not (folder / name).exists()]
            if missing:
                raise SystemExit(f"{recipe.name}: does not make {missing}")
        return self._whole[recipe.name]

    def life(self, recipe: Recipe) -> float:
        """Seconds that the recipe takes as a process of its own, about."""
        if self._boot is None:
            loads = next(one for one in RECIPES if one.name == "make-cam")
            folder = self.fresh(loads)
            self._boot = child.started(loads.words, folder).seconds
            self.drop(folder)
        return self._boot + self.whole(recipe).outcome.seconds


class Whole:
    """An undisturbed run: its outcome, the contents of what it made, and the folder with it."""

    def __init__(self, outcome: child.Outcome, made: Mapping[str, Content], folder: Path) -> None:
        self.outcome, self.made, self.folder = outcome, made, folder


def made(folder: Path, recipe: Recipe) -> dict[str, Content]:
    """Everything in a folder that the recipe did not find there, by name."""
    given = tuple(recipe.reads.split())
    return {
        name: content(folder / name, folder)
        for name in names_in(folder)
        if Path(name).parts[0] not in given
    }


def names_in(folder: Path) -> list[str]:
    """All files below a folder, hidden ones too; a folder without any counts as one."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_dir() or not any(path.iterdir()):
            found.append(str(path.relative_to(folder)))
    return found


def inputs(folder: Path, recipe: Recipe) -> dict[str, bytes]:
    """The bytes of all that the recipe reads."""
    given = tuple(recipe.reads.split())
    return {
        name: (folder / name).read_bytes()
        for name in names_in(folder)
        if Path(name).parts[0] in given and (folder / name).is_file()
    }


def draw(folder: Path) -> None:
    """Photographs, masks, lists and tables of `conftest.tiny_scene`, as `pack` reads them."""
    tags, voc = [], folder / "voc"
    for place in ("photos/a", "masks/a", "saliency/a"):
        (folder / place).mkdir(parents=True)
    for place in ("JPEGImages", "Annotations", "SegmentationClass", "ImageSets/Segmentation"):
        (voc / place).mkdir(parents=True)
    for index, ending in enumerate(ENDINGS):
        pixels, mask = tiny_scene(index)
        tags.append([CLASSES[label - 1] for label in np.unique(mask) if 0 < label < 255])
        photo = Image.fromarray(pixels)
        photo.save(folder / f"photos/a/{index}.{ending}", quality=95)
        photo.save(voc / f"JPEGImages/{index}.jpg")
        for place in (folder / f"masks/a/{index}.png", voc / f"SegmentationClass/{index}.png"):
            picture = Image.fromarray(mask)
            picture.putpalette([level for label in range(256) for level in (label, 0, 255 - label)])
            picture.save(place)
        Image.fromarray((mask > 0).astype(np.uint8) * 200).save(folder / f"saliency/a/{index}.png")
        boxes = "".join(
            f"<object><name>{tag}</name><bndbox><xmin>{5 + place}</xmin><ymin>7</ymin>"
            "<xmax>22</xmax><ymax>22.5</ymax></bndbox></object>"
            for place, tag in enumerate(tags[-1])
        )
        (voc / f"Annotations/{index}.xml").write_text(f"<annotation>{boxes}</annotation>")
    photos = [f"a/{index}.{ending}" for index, ending in enumerate(ENDINGS)]
    rows = [f"{photo},{';'.join(names)}\n" for photo, names in zip(photos, tags, strict=True)]
    (folder / "tags.csv").write_text("filename,labels\n" + "".join(rows))
    _write_list(folder / "classes.txt", CLASSES)
    _write_list(folder / "train.txt", IDS[:4])
    _write_list(folder / "val.txt", IDS[4:])
    _write_list(folder / "ids.txt", IDS)
    clusters = [f"{image_id},{number // 2}" for number, image_id in enumerate(IDS)]
    _write_list(folder / "clusters.csv", ["image,cluster", *clusters])
    _write_list(voc / "ImageSets/Segmentation/train.txt", [str(index) for index in range(6)])
    _write_via(folder / "via.json", dict(zip(photos, tags, strict=True)))
    _write_yolo(folder / "yolo", tags)
    vectors = {
        image_id: np.array([float(name in names) for name in CLASSES])
        for image_id, names in zip(IDS, tags, strict=True)
    }
    np.save(folder / "tags.npy", np.array(vectors, object), allow_pickle=True)
    _write_cues(folder, tags)


def _write_list(path: Path, names: list[str]) -> None:
    path.write_text("".join(f"{name}\n" for name in names))


def _write_yolo(folder: Path, tags: Sequence[Sequence[str]]) -> None:
    """A box and an outline in turn."""
    (folder / "labels/a").mkdir(parents=True)
    (folder / "data.yaml").write_text(f"nc: {len(CLASSES)}\nnames: [{', '.join(CLASSES)}]\n")
    rows = (".5 .5 .25 .5", ".1 .2 .7 .2 .7 .75")
    for index, names in enumerate(tags):
        lines = (f"{CLASSES.index(n)} {rows[place % 2]}" for place, n in enumerate(names))
        _write_list(folder / f"labels/a/{index}.txt", list(lines))


def _write_via(path: Path, tags: Mapping[str, list[str]]) -> None:
    entries = {}
    for photo, names in tags.items():
        regions = [
            {"shape_attributes": {"name": "rect"}, "region_attributes": {"class": name}}
            for name in names
        ]
        entries[photo] = {"filename": photo, "size": 1, "regions": regions, "file_attributes": {}}
    path.write_text(json.dumps(entries))


def _write_cues(folder: Path, tags: list[list[str]]) -> None:
    cues: dict[str, np.ndarray] = {}
    for index, names in enumerate(tags):
        labels = np.array([CLASSES.index(name) + 1 for name in names], np.int64)
        cells = [np.array([label, 3 * row, 5]) for row, label in enumerate([0, *labels])]
        cues[f"{index}_labels"] = labels
        cues[f"{index}_cues"] = np.stack(cells, axis=1)
    (folder / "cues.pickle").write_bytes(gzip.compress(pickle.dumps(cues)))
    lines = [f"{image_id}.png {index}" for index, image_id in enumerate(IDS)]
    _write_list(folder / "cues.txt", lines)
