"""pack of Label Studio's exports."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import encode_png
from made import wsss
from samples import FORMATS, compare, packed

from wsss_cli.artifacts import DatasetReader, open_dataset
from wsss_cli.core.marks import BOX, LINE, POINT, POLYGON

SIZE = {"original_width": 40, "original_height": 20, "image_rotation": 0}


def item(kind: str, labels: list[str], **value: Any) -> dict[str, Any]:
    """An item of a result, of an image of 40x20 pixels."""
    value = {**value, kind: labels}
    sized = {} if kind == "choices" else SIZE
    return {"type": kind, "from_name": kind, "to_name": "image", "value": value, **sized}


def by(person: Any, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"completed_by": person, "result": list(items), "was_cancelled": False, **more}


def task(name: str, *annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": name, "data": {"image": name}, "annotations": list(annotations), **more}


def world(folder: Path, *names: str) -> None:
    """Images of 40x20 pixels."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(np.full((20, 40, 3), 90, np.uint8)))


def pack(folder: Path, tasks: Any, *options: Any, code: int = 0) -> Any:
    """The data set, or what was said where `code` is not 0."""
    (folder / "tasks.json").write_text(json.dumps(tasks))
    out = folder / "d.h5"
    result = wsss("pack", folder, "-o", out, "--force", *options)
    assert result.exit_code == code, result.output
    if code:
        assert "Traceback" not in result.output
        return result.stderr
    return open_dataset(out)


def marks(data: DatasetReader, key: str) -> list[tuple[int, str, list[list[float]], Any]]:
    names = ["background", *data.classes]
    sources = [*data.params.get("mark_sources", []), None]
    return [
        (one.kind, names[one.label], one.xy.tolist(), sources[one.source])
        for one in data.marks(key) or ()
    ]


EVERY = {
    "json": "project-1-at-2026-11-30.json",
    "folder": ".",
    "json_min": "converted/json_min/result.json",
    "csv": "converted/csv/result.csv",
}


@pytest.mark.parametrize("form", EVERY)
def test_what_the_sdk_writes(form: str, tmp_path: Path) -> None:
    folder = FORMATS / "label_studio"
    data = packed(
        "label_studio", tmp_path / "d.h5", "--images", folder, "--fill-boxes", source=EVERY[form]
    )
    # Nothing joins the two parts of one object; a table loses which of two shapes lies on top.
    both = (slice(11, 29), slice(26, 32))
    unsaid = {"images/2f1b3c9f-img_0001": np.zeros((48, 64), bool)}
    unsaid["images/2f1b3c9f-img_0001"][both] = form == "csv"
    compare("label_studio", data, skip=("splits", "boxes"), unsaid=unsaid)
    assert (BOX, "apple", [[40, 10], [58, 26]], "1") in marks(data, "images/e1d1e9f1-img_2")


def test_shapes_are_percent_and_turn_about_their_corner_in_pixels(tmp_path: Path) -> None:
    world(tmp_path, "a.png")
    place = {"x": 50.0, "y": 25.0, "width": 25.0, "height": 10.0}
    data = pack(
        tmp_path,
        [
            task(
                "a.png",
                by(
                    7,
                    item("rectanglelabels", ["cat"], rotation=0, **place),
                    item("rectanglelabels", ["cat"], rotation=90, **place),
                    item("rectanglelabels", ["dog"], rotation=30, **place),
                    item("keypointlabels", ["dog"], x=25, y=50, width=0.4),
                    item("polygonlabels", ["cat"], points=[[0, 0], [50, 0]], closed=False),
                ),
            )
        ],
        "--outlines",
        "marks",
    )
    found = marks(data, "a")
    assert found[0] == (BOX, "cat", [[20, 5], [30, 7]], "7")
    assert found[1] == (BOX, "cat", [[18, 5], [20, 15]], "7")
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    wanted = [[20, 5], [20 + 10 * cos, 5 + 10 * sin]]
    wanted += [[20 + 10 * cos - 2 * sin, 5 + 10 * sin + 2 * cos], [20 - 2 * sin, 5 + 2 * cos]]
    assert found[2][:2] == (POLYGON, "dog")
    assert np.allclose(found[2][2], wanted, atol=1e-4)
    assert found[3] == (POINT, "dog", [[10, 10]], "7")
    assert found[4] == (LINE, "cat", [[0, 0], [20, 0]], "7")


def test_a_shape_and_its_labels_may_be_two_items(tmp_path: Path) -> None:
    world(tmp_path, "a.png")
    place = {"x": 0, "y": 0, "width": 50, "height": 50, "rotation": 0}
    shape = {"id": "r1", "type": "rectangle", "from_name": "box", "value": place, **SIZE}
    label = {**shape, "type": "labels", "value": {**place, "labels": ["cat", "dog"]}}
    aside = {**shape, "type": "choices", "value": {**place, "choices": ["blurred"]}}
    data = pack(tmp_path, [task("a.png", by(1, shape, label, aside))])
    assert marks(data, "a") == [(BOX, name, [[0, 0], [20, 10]], "1") for name in ("cat", "dog")]
    assert data.classes == ["cat", "dog"]


def test_nobody_said_is_not_nothing_there(tmp_path: Path) -> None:
    world(tmp_path, "a.png", "b.png", "c.png", "d.png")
    cat = item("choices", ["cat"])
    tasks = [
        task("a.png", by(1, cat), by(2, item("choices", ["dog"]), was_cancelled=True)),
        task("b.png", by(1)),
        task("c.png", predictions=[{"result": [cat]}], drafts=[{"result": [cat]}]),
        task("d.png", by(1, cat, was_cancelled=True)),
    ]
    data = pack(tmp_path, tasks)
    assert data.ids == ["a", "b"]
    assert [data.tags(key).tolist() for key in data.ids] == [[0], []]
    result = wsss("pack", tmp_path / "tasks.json", "-o", tmp_path / "e.h5")
    assert "2 tasks without a finished annotation are left out" in result.stderr


def test_old_exports_say_completions(tmp_path: Path) -> None:
    world(tmp_path, "a.png")
    old = {"id": 1, "data": {"image": "a.png"}}
    data = pack(tmp_path, [{**old, "completions": [{"result": [item("choices", ["cat"])]}]}])
    assert data.tags("a").tolist() == [0]


def test_several_people(tmp_path: Path) -> None:
    world(tmp_path, "a.png")
    point = {"x": 50, "y": 50, "width": 1}
    one = by(
        {"id": 1, "email": "ann@x.org"},
        item("choices", ["cat"]),
        item("keypointlabels", ["cat"], **point),
    )
    other = by({"id": 2, "email": "bob@x.org"}, item("choices", ["dog"]))
    tasks = [task("a.png", one, other)]
    data = pack(tmp_path, tasks)
    assert [data.classes[tag] for tag in data.tags("a")] == ["cat", "dog"]
    assert marks(data, "a") == [(POINT, "cat", [[20, 10]], "ann@x.org")]
    for who, classes in (("first", ["cat"]), ("last", ["dog"]), ("bob@x.org", ["dog"]),
                         ("1", ["cat"]), ("all", ["cat", "dog"])):  # fmt: skip
        assert pack(tmp_path, tasks, "--annotator", who).classes == classes
    tasks[0]["annotations"][1]["ground_truth"] = True
    assert pack(tmp_path, tasks).classes == ["dog"]
    assert pack(tmp_path, tasks, "--annotator", "all").classes == ["cat", "dog"]
    said = pack(tmp_path, tasks, "--annotator", "eve", code=3)
    assert "no annotation of 'eve'" in said
    assert "ann@x.org" in said


def test_outlines_of_several_people_are_not_painted_over_each_other(tmp_path: Path) -> None:
    world(tmp_path, "a.png")
    square = [[0, 0], [50, 0], [50, 50], [0, 50]]
    tasks = [task("a.png", *(by(n, item("polygonlabels", ["cat"], points=square)) for n in (1, 2)))]
    said = pack(tmp_path, tasks, code=3)
    assert "2 annotations of it have outlines" in said
    assert "--annotator" in said
    data = pack(tmp_path, tasks, "--annotator", "last")
    assert len(data.true_objects("a") or ()) == 1


def test_names_of_uploads_and_local_files(tmp_path: Path) -> None:
    world(tmp_path, "img/my photo (1).png", "img/sub/b b.png", "img/0123abcd-c.png", "img/d.png")
    cat = by(1, item("choices", ["cat"]))
    names = {
        "/data/upload/3/9f8e7d6c-my_photo_1.png": "my photo (1)",
        "/data/local-files/?d=img/sub/b%20b.png": "sub/b b",
        "/data/upload/3/0123abcd-c.png": "0123abcd-c",
        "s3://bucket/some/where/d.png": "d",
    }
    data = pack(tmp_path, [task(name, cat) for name in names], "--images", tmp_path / "img")
    assert data.ids == sorted(names.values())


def test_which_field_names_the_image(tmp_path: Path) -> None:
    world(tmp_path, "a.png", "b.png")
    one = {"annotations": [by(1, item("choices", ["cat"]))], "id": 1}
    both = [{**one, "data": {"left": "a.png", "right": "b.png", "text": "x"}}]
    said = pack(tmp_path, both, code=3)
    assert "left, right each name images" in said
    assert "--image-key" in said
    assert pack(tmp_path, both, "--image-key", "right").ids == ["b"]
    assert "no task has a field 'up'" in pack(tmp_path, both, "--image-key", "up", code=3)


def test_controls(tmp_path: Path) -> None:
    world(tmp_path, "a.png")
    quality = {**item("choices", ["good"]), "from_name": "quality"}
    tasks = [task("a.png", by(1, item("choices", ["cat"]), quality))]
    assert pack(tmp_path, tasks).classes == ["cat", "good"]
    assert pack(tmp_path, tasks, "--control", "choices").classes == ["cat"]
    said = pack(tmp_path, tasks, "--control", "tags", code=3)
    assert "no control 'tags'" in said
    assert "choices, quality" in said


def test_background_and_ignored(tmp_path: Path) -> None:
    world(tmp_path, "a.png")
    half = [[0, 0], [100, 0], [100, 50], [0, 50]]
    quarter = [[0, 0], [25, 0], [25, 50], [0, 50]]
    tasks = [
        task(
            "a.png",
            by(
                1,
                item("polygonlabels", ["cat"], points=half),
                item("polygonlabels", ["__ignore__"], points=quarter),
                item("keypointlabels", ["Background"], x=50, y=90),
            ),
        )
    ]
    data = pack(tmp_path, tasks)
    mask = data.mask("a")
    assert mask is not None
    assert (mask[:10, :10] == 255).all()
    assert (mask[:10, 10:] == 1).all()
    assert not mask[10:].any()
    assert [name for _, name, *_ in marks(data, "a")] == ["background"]


FLAT = {"image": "a.png", "id": 1, "annotator": 1, "annotation_id": 5, "lead_time": 1.0}


def test_a_text_of_json_min_may_be_a_choice_or_not(tmp_path: Path) -> None:
    world(tmp_path, "a.png")
    rows = [{**FLAT, "tags": "cat", "notes": "blurred"}]
    said = pack(tmp_path, rows, code=3)
    assert "whether tags, notes holds choices" in said
    assert "--control tags" in said
    assert pack(tmp_path, rows, "--control", "tags").classes == ["cat"]
    rows = [{**FLAT, "tags": {"choices": ["cat", "dog"]}}, {**FLAT, "annotator": 2, "tags": "cat"}]
    assert pack(tmp_path, rows).classes == ["cat", "dog"]  # one image, two people


def test_a_table_has_the_same_in_its_cells(tmp_path: Path) -> None:
    world(tmp_path, "a.png")
    boxes = [{"x": 0, "y": 0, "width": 50, "height": 50, "rectanglelabels": ["cat"]}]
    with (tmp_path / "a.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*FLAT, "box"])
        writer.writerow([*FLAT.values(), json.dumps([{**boxes[0], "note": "x" * 200_000}])])
    result = wsss("pack", tmp_path / "a.csv", "-o", tmp_path / "d.h5")
    assert result.exit_code == 0, result.output
    assert marks(open_dataset(tmp_path / "d.h5"), "a") == [(BOX, "cat", [[0, 0], [20, 10]], "1")]


BROKEN = {
    "not JSON": "{",
    "a number": "3",
    "nothing": "[]",
    "null": [None],
    "no result": [task("a.png", {"completed_by": 1})],
    "a result of texts": [task("a.png", by(1, "x"))],  # type: ignore[arg-type]
    "a value that is a list": [task("a.png", by(1, {"type": "choices", "value": []}))],
    "annotations of texts": [{**task("a.png"), "annotations": ["was"]}],
    "no name": [{"id": 1, "data": {"image": 3}, "annotations": [by(1)]}],
    "no image": [task("b.png", by(1, item("choices", ["cat"])))],
    "outside": [task("../a.png", by(1, item("choices", ["cat"])))],
    "null choices": [task("a.png", by(1, item("choices", None)))],  # type: ignore[arg-type]
    "no label": [task("a.png", by(1, item("rectanglelabels", [], x=1, y=1, width=1, height=1)))],
    "a text for x": [task("a.png", by(1, item("keypointlabels", ["cat"], x="1", y=1)))],
    "an infinite x": '[{"id": 1, "data": {"image": "a.png"}, "annotations": [{"completed_by": 1, '
    '"result": [{"value": {"x": 1e999, "y": 1, "keypointlabels": ["cat"]}}]}]}]',
    "not a number": '[{"completed_by": NaN}]',
    "points of one": [task("a.png", by(1, item("polygonlabels", ["cat"], points=[[1], [2], [3]])))],
    "two points": [task("a.png", by(1, item("polygonlabels", ["cat"], points=[[1, 1], [2, 2]])))],
    "a brush that is cut": [task("a.png", by(1, item("brushlabels", ["cat"], rle=[0] * 9)))],
    "a brush of texts": [task("a.png", by(1, item("brushlabels", ["cat"], rle="x")))],
    "turned": [
        task("a.png", by(1, {**item("keypointlabels", ["cat"], x=1, y=1), "image_rotation": 90}))
    ],
    "of another size": [
        task("a.png", by(1, {**item("keypointlabels", ["cat"], x=1, y=1), "original_width": 41}))
    ],
    "a size of texts": [
        task("a.png", by(1, {**item("keypointlabels", ["cat"], x=1, y=1), "original_width": "4"}))
    ],
    "twice": [task("a.png", by(1)), task("./a.png", by(1))],
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    world(tmp_path, "a.png")
    found = BROKEN[case]
    (tmp_path / "t.json").write_text(found if isinstance(found, str) else json.dumps(found))
    result = wsss("pack", tmp_path / "t.json", "--format", "label-studio", "-o", tmp_path / "d.h5")
    assert result.exit_code == 3, (case, result.output)
    assert result.stderr.count("wsss: error:") == 1
    assert "Traceback" not in result.output
    assert not (tmp_path / "d.h5").exists()


def test_many_regions_on_one_image(tmp_path: Path) -> None:
    world(tmp_path, "a.png")
    points = [item("keypointlabels", ["cat"], x=n % 100, y=n / 100) for n in range(10_000)]
    data = pack(tmp_path, [task("a.png", by(1, *points))])
    assert len(data.marks("a") or ()) == 10_000
