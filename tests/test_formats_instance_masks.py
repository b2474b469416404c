"""Label images of objects beside those of classes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import wsss
from PIL import Image

from wsss_cli.artifacts import open_dataset
from wsss_cli.core.mask_values import ValueTable
from wsss_cli.formats.instance_masks import all_background, drawn_objects
from wsss_cli.formats.sample import VOC_CLASSES
from wsss_cli.formats.shapes import Drawing, box

CLASSES = ("cat", "dog")
LABELS = [[1, 1, 255, 2], [1, 0, 255, 2]]
OBJECTS = [[7, 7, 255, 3], [9, 0, 255, 3]]


def save(path: Path, values: Any, colours: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.array(values, np.uint8)
    if colours:
        table = np.random.default_rng(0).integers(1, 250, (256, 3)).astype(np.uint8)
        table[0], table[255] = 0, (224, 224, 192)
        array = table[array]
    Image.fromarray(array).save(path)
    return path


def plain_objects(objects: Any, labels: Any) -> list[tuple[str, list[tuple[int, int]]]]:
    """Class and pixels of each object, by a loop over pixels."""
    found: dict[int, set[int]] = {}
    pixels: dict[int, list[tuple[int, int]]] = {}
    for y, row in enumerate(objects):
        for x, number in enumerate(row):
            if number not in (0, 255):
                pixels.setdefault(number, []).append((y, x))
                found.setdefault(number, set()).add(labels[y][x])
    return [(CLASSES[min(found[n]) - 1], pixels[n]) for n in sorted(pixels)]


@pytest.mark.parametrize("colours", [False, True])
def test_objects_are_what_a_loop_over_pixels_finds(colours: bool, tmp_path: Path) -> None:
    mask = save(tmp_path / "SegmentationClass" / "a.png", LABELS)
    file = save(tmp_path / "SegmentationObject" / "a.png", OBJECTS, colours)
    drawn = drawn_objects(file, mask, ValueTable(), CLASSES, None)
    found = []
    for one in drawn.shapes:
        assert isinstance(one.region, np.ndarray)
        left, top = one.rings[0][0].astype(int).tolist()
        ys, xs = np.nonzero(one.region)
        found.append((one.name, list(zip((ys + top).tolist(), (xs + left).tolist(), strict=True))))
    assert sorted(found) == sorted(plain_objects(OBJECTS, LABELS))


def test_objects_without_background(tmp_path: Path) -> None:
    mask = save(tmp_path / "SegmentationClass" / "a.png", [[1, 2]])
    file = save(tmp_path / "SegmentationObject" / "a.png", [[5, 6]])
    drawn = drawn_objects(file, mask, ValueTable(), CLASSES, None)
    assert [one.name for one in drawn.shapes] == ["cat", "dog"]
    none = save(tmp_path / "SegmentationObject" / "b.png", [[0, 255]])
    assert drawn_objects(none, mask, ValueTable(), CLASSES, None).shapes == ()


def test_they_come_behind_the_boxes(tmp_path: Path) -> None:
    mask = save(tmp_path / "SegmentationClass" / "a.png", LABELS)
    file = save(tmp_path / "SegmentationObject" / "a.png", OBJECTS)
    boxes = Drawing((box("cat", 0, 0, 2, 2),), "a.xml", true_boxes=True)
    drawn = drawn_objects(file, mask, ValueTable(), CLASSES, partial(lambda one: one, boxes))
    assert [one.name for one in drawn.shapes] == ["cat", "dog", "cat", "cat"]
    assert (drawn.file, drawn.true_boxes) == ("a.xml", True)


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ([[7, 7, 0, 7], [9, 0, 0, 3]], "object 7 is cat and dog in the mask"),
        ([[7, 7, 0, 3], [9, 9, 0, 3]], "object 9 is background and cat in the mask"),
        ([[0, 0, 4, 0], [0, 0, 0, 0]], "object 4 is nothing in the mask"),
        ([[7, 7, 0, 3]], "is not of the size of the mask a.png"),
    ],
)
def test_objects_that_are_not_of_one_class_are_refused(
    objects: Any, said: str, tmp_path: Path
) -> None:
    mask = save(tmp_path / "SegmentationClass" / "a.png", LABELS)
    file = save(tmp_path / "SegmentationObject" / "a.png", objects)
    with pytest.raises(ValueError, match=said):
        drawn_objects(file, mask, ValueTable(), CLASSES, None)


def test_a_file_that_is_broken_is_named(tmp_path: Path) -> None:
    mask = save(tmp_path / "SegmentationClass" / "a.png", LABELS)
    file = tmp_path / "SegmentationObject" / "a.png"
    file.parent.mkdir()
    file.write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match=r"SegmentationObject/a\.png"):
        drawn_objects(file, mask, ValueTable(), CLASSES, None)


def test_a_devkit_gives_true_objects(tmp_path: Path) -> None:
    kit = tmp_path / "kit"
    cat, dog = (VOC_CLASSES.index(name) + 1 for name in CLASSES)
    labels = np.array([0, cat, dog], np.uint8)[np.where(np.array(LABELS) == 255, 0, LABELS)]
    for name in ("a", "b"):
        (kit / "JPEGImages").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 2)).save(kit / "JPEGImages" / f"{name}.jpg")
        save(kit / "SegmentationClass" / f"{name}.png", labels)
        (kit / "Annotations").mkdir(exist_ok=True)
        things = "".join(f"<object><name>{one}</name></object>" for one in CLASSES)
        (kit / "Annotations" / f"{name}.xml").write_text(f"<annotation>{things}</annotation>")
    save(kit / "SegmentationObject" / "a.png", OBJECTS)
    result = wsss("pack", "--voc", kit, "-o", tmp_path / "out.h5")
    assert result.exit_code == 0, result.output
    data = open_dataset(tmp_path / "out.h5")
    objects = data.true_objects("a") or ()
    assert [data.classes[one.class_index] for one in objects] == ["dog", "cat", "cat"]
    assert [one.region.corners for one in objects] == [(3, 0, 4, 2), (0, 0, 2, 1), (0, 1, 1, 2)]
    assert data.true_objects("b") is None  # nothing is said of them
    assert data.marks("a") is None


def test_an_image_of_background_alone() -> None:
    (one,) = all_background("a").shapes
    assert (one.name, one.outline) == ("background", True)
