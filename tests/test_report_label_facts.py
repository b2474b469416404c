"""How many labels a data set holds, by what they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from conftest import encode_png
from made import wsss

from wsss_cli.artifacts import DATASET, create, open_artifact
from wsss_cli.core.images import encode_mask
from wsss_cli.core.mark_kinds import BOX, POINT
from wsss_cli.core.marks import Mark, Marks, Region, TrueObject, object_arrays
from wsss_cli.report.label_facts import label_facts

PNG = encode_png(np.zeros((4, 6, 3), np.uint8))
MASK = np.frombuffer(encode_mask(np.zeros((4, 6), np.uint8)), np.uint8)


def mark(kind: int, *points: tuple[float, float]) -> Mark:
    return Mark(kind, 1, (np.array(points, np.float32),))


def packed(path: Path, items: dict[str, dict[str, object]]) -> Path:
    with create(path, DATASET, classes=["a", "b", "c"], params={}, ids=list(items)) as out:
        for name, fields in items.items():
            own = {"tags": [], **fields}
            arrays = {
                key: value if isinstance(value, np.ndarray) else np.array(value, np.uint16)
                for key, value in own.items()
            }
            out.put(name, image=PNG, size=np.array((4, 6), np.int32), **arrays)
    return path


def marked(*marks: Mark) -> dict[str, object]:
    found = Marks.of(marks)
    return {
        "mark": found.table,
        "mark_ring": found.ring,
        "mark_xy": found.xy,
        "mark_run": found.run,
    }


def test_counts_of_tags_marks_and_truth(tmp_path: Path) -> None:
    point, box = mark(POINT, (1, 1)), mark(BOX, (0, 0), (2, 2))
    thing = TrueObject(0, False, Region.of(np.eye(4, 6, dtype=bool)))
    objects = dict(
        zip(("true_object", "true_object_run"), object_arrays([thing, thing]), strict=True)
    )
    boxes = {
        "true_box": np.array([[0, 0, 2, 2]], np.float32),
        "true_box_class": [0],
        "true_box_difficult": np.zeros(1, np.uint8),
    }
    path = packed(
        tmp_path / "d.h5",
        {
            "one": {"tags": [0, 2], "absent": [1], **marked(point, point, box), **boxes},
            "two": {"tags": [0], "absent": [], **marked(point), "mask": MASK, **objects},
            "three": {"tags": [], **marked()},
            "four": {"tags": [1]},
        },
    )
    with open_artifact(path) as data:
        facts = label_facts(data)
    assert facts == {
        "tags": {"present": 4, "absent": 6, "not_said": 2, "images_with_some": 3},
        "marks": {"point": 3, "box": 1, "images_with_some": 2},
        "truth": {
            "images_with_masks": 1,
            "images_with_boxes": 1,
            "boxes": 1,
            "images_with_objects": 1,
            "objects": 2,
        },
    }
    result = wsss("info", path, "--json")
    assert json.loads(result.stdout)["marks"] == facts["marks"]
    assert "marks:\n  point: 3\n  box: 1\n  images_with_some: 2\n" in wsss("info", path).stdout


def test_a_data_set_of_tags_alone(tmp_path: Path) -> None:
    path = packed(tmp_path / "d.h5", {"one": {"tags": [0, 2]}, "two": {}})
    with open_artifact(path) as data:
        assert label_facts(data) == {
            "tags": {"present": 2, "absent": 4, "not_said": 0, "images_with_some": 1}
        }
